//! The supervisors that Bellrock is measured beside. They are run by hand in folders of their own, as an ordinary
//! program; nothing of the system's own init is touched.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use crate::release::Release;
use crate::serving::children;

/// How long an orderly end may take.
const END: Duration = Duration::from_secs(20);

/// Which supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `runsv`, with `svlogd` for the output.
    Runit,
    /// `s6-supervise`, with `s6-log` behind a second one for the output.
    S6,
}

/// A service that a rival supervises. The rival ends when this is dropped, and its service with it.
pub struct Rival {
    supervisors: Vec<Child>,
    release: Release,
}

impl Rival {
    /// Starts a release as a service.
    pub fn start(kind: Kind, release: Release) -> Result<Rival> {
        let folder = release.folder().join("service");
        fs::create_dir_all(folder.join("log/main"))?;
        script(&folder.join("run"), &run_script(kind, &release))?;
        let supervisors = match kind {
            Kind::Runit => {
                script(&folder.join("log/run"), "#!/bin/sh\nexec svlogd ./main\n")?;
                vec![supervise("runsv", &folder, Stdio::null(), Stdio::null())?]
            }
            Kind::S6 => {
                script(&folder.join("log/run"), "#!/bin/sh\nexec s6-log n5 s10000000 ./main\n")?;
                // the supervisors hold the pipe that s6-svscan would make, so that it outlives the service's runs
                let (reader, writer) = std::io::pipe()?;
                vec![
                    supervise("s6-supervise", &folder.join("log"), reader.into(), Stdio::null())?,
                    supervise("s6-supervise", &folder, Stdio::null(), writer.into())?,
                ]
            }
        };
        Ok(Rival { supervisors, release })
    }

    /// `PORT` of its service.
    pub fn port(&self) -> u16 {
        self.release.port
    }

    /// Process ids of the supervisor and of what keeps its service's output: all but the service.
    pub fn own_processes(&self) -> Vec<i32> {
        let tops = self.supervisors.iter().filter_map(|child| i32::try_from(child.id()).ok());
        tops.flat_map(|top| std::iter::once(top).chain(children(top)))
            .filter(|pid| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                ["runsv", "svlogd", "s6-supervise", "s6-log"].contains(&name.trim())
            })
            .collect()
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        // Both take SIGTERM as: end the service, then yourself. The logger ends when its pipe does.
        for supervisor in self.supervisors.iter_mut().rev() {
            let _ = kill_process(Pid::from_child(supervisor), Signal::TERM);
            let deadline = Instant::now() + END;
            while matches!(supervisor.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = supervisor.kill();
            let _ = supervisor.wait();
        }
    }
}

/// With `chpst -P` runit's service gets a session of its own; s6 and Bellrock give one to each run by themselves.
fn run_script(kind: Kind, release: &Release) -> String {
    let session = if kind == Kind::Runit { "chpst -P " } else { "" };
    let (script, argument) = release.command_line();
    let environment = release.environment().into_iter().map(|(name, value)| format!("{name}='{value}'"));
    let environment: Vec<String> = environment.collect();
    let environment = environment.join(" ");
    format!("#!/bin/sh\nexec 2>&1\nexec {session}env -i {environment} {} {argument}\n", script.display())
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

fn supervise(program: &str, folder: &Path, stdin: Stdio, stdout: Stdio) -> Result<Child> {
    Command::new(program)
        .arg(folder)
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("could not run {program}; tools/setup.sh bench installs it"))
}
