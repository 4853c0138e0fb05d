//! Starting the daemon.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::bellrock::Bellrock;
use super::folder::Folder;

/// How long the daemon may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Starts `bellrockd` on the demo's folder, and waits until it answers. It outlives us.
pub(crate) fn start(folder: &Folder, programs: &Path, bellrock: &Bellrock) -> Result<()> {
    let log_path = folder.path().join("bellrockd.log");
    let log = fs::OpenOptions::new().create(true).append(true).open(&log_path)?.into_parts().0;
    let program = programs.join("bellrockd");
    let mut child = Command::new(&program)
        .arg("--root")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C at the terminal is not meant for it
        .process_group(0)
        .spawn()
        .with_context(|| format!("could not start {}", program.display()))?;
    wait_until_it_answers(&mut child, bellrock).with_context(|| {
        format!("bellrockd is not there; its log is {}:\n{}", log_path.display(), tail(&log_path))
    })
}

fn wait_until_it_answers(child: &mut Child, bellrock: &Bellrock) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !bellrock.answers() {
        if let Some(status) = child.try_wait()? {
            bail!("it ended: {status}");
        }
        if Instant::now() > deadline {
            bail!("it did not answer within {} s", PATIENCE.as_secs());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
