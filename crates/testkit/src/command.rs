//! `bellrock`, the operator's command, run against a temporary host.

use std::process::{Command, Output, Stdio};

use serde::de::DeserializeOwned;

use crate::host::TempHost;
use crate::programs;

/// How a run of the command ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code().unwrap_or(i32::MAX),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }
}

impl TempHost {
    /// Runs `bellrock --root ROOT …` without a terminal.
    ///
    /// # Panics
    /// When the program is missing.
    pub async fn bellrock(&self, arguments: &[&str]) -> Ran {
        let mut command = Command::new(programs::program("bellrock"));
        command
            .arg("--root")
            .arg(self.root())
            .args(arguments)
            .stdin(Stdio::null())
            .env_remove("BELLROCK_ROOT");
        let ran = tokio::process::Command::from(command).kill_on_drop(true).output().await;
        ran.unwrap_or_else(|error| panic!("bellrock: {error}")).into()
    }
}
