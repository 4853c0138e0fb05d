//! The command `bellrock`, used as an operator uses it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

#[derive(Clone)]
pub(crate) struct Bellrock {
    program: PathBuf,
    root: PathBuf,
}

impl Bellrock {
    pub(crate) fn new(programs: &Path, root: &Path) -> Bellrock {
        Bellrock { program: programs.join("bellrock"), root: root.to_owned() }
    }

    /// Shows the command, runs it with its output to the terminal, and says whether its status was 0.
    pub(crate) fn show(&self, arguments: &[&str]) -> Result<bool> {
        println!("$ bellrock {}", self.shortened(arguments));
        let status = self.command(arguments).status().context("could not run bellrock")?;
        Ok(status.success())
    }

    /// What it prints as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.command(arguments).arg("--json").stdin(Stdio::null()).output();
        let output = output.context("could not run bellrock")?;
        if !output.status.success() {
            bail!("bellrock {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("bellrock {} --json printed no JSON", arguments.join(" ")))
    }

    /// Whether the daemon does.
    pub(crate) fn answers(&self) -> bool {
        self.json(&["status"]).is_ok()
    }

    /// The command with its root, for people who go on by hand.
    pub(crate) fn by_hand(&self) -> String {
        format!("{} --root {}", self.program.display(), self.root.display())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.root).args(arguments);
        command
    }

    /// Paths of packages without their folders.
    fn shortened(&self, arguments: &[&str]) -> String {
        let short = |argument: &&str| match Path::new(argument).file_name() {
            Some(name) if argument.starts_with('/') => name.to_string_lossy().into_owned(),
            _ => (*argument).to_owned(),
        };
        arguments.iter().map(short).collect::<Vec<_>>().join(" ")
    }
}
