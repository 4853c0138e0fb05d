//! The processes of a demo, found by what they run: never by a pid from a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How long everything may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Our programs, which are started from elsewhere with the demo's folder as an argument.
const OURS: [&str; 2] = ["bellrockd", "bellrock-shim"];

/// A process of a demo.
pub(crate) struct Process {
    pid: Pid,
    program: PathBuf,
    arguments: Vec<String>,
}

impl Process {
    fn read(pid: Pid) -> Option<Process> {
        let folder = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
        let program = fs::read_link(folder.join("exe")).ok()?;
        let line = fs::read(folder.join("cmdline")).ok()?;
        let arguments = String::from_utf8_lossy(&line).split('\0').map(str::to_owned).collect();
        Some(Process { pid, program: without_deleted(program), arguments })
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn is_of(&self, folder: &Path) -> bool {
        let named = || self.arguments.iter().skip(1).any(|argument| Path::new(argument).starts_with(folder));
        self.program.starts_with(folder) || (OURS.contains(&self.name().as_str()) && named())
    }

    /// What a person calls it: the daemon, or what a shim owns.
    fn title(&self) -> String {
        let name = self.name();
        let owned = self.arguments.get(1).map(Path::new).and_then(Path::file_name);
        match owned {
            Some(owned) if name == "bellrock-shim" => owned.to_string_lossy().into_owned(),
            _ => name,
        }
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.title(), self.pid.as_raw_nonzero())
    }
}

/// The kernel marks the program of a process whose file is gone.
fn without_deleted(program: PathBuf) -> PathBuf {
    match program.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(path) => PathBuf::from(path),
        None => program,
    }
}

/// Every process of the demo in a folder.
pub(crate) fn below(folder: &Path) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        found.extend(pid.and_then(Process::read).filter(|process| process.is_of(folder)));
    }
    Ok(found)
}

/// Ends the daemon, then the shims that are left, each of which ends what it owns; says what was ended.
pub(crate) fn terminate(folder: &Path) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    for program in OURS {
        for process in below(folder)?.into_iter().filter(|process| process.name() == program) {
            if send_term(&process, folder)? {
                ended.push(process.to_string());
            }
        }
        wait_until_none(folder, |process| process.name() == program)?;
    }
    wait_until_none(folder, |_| true)?;
    Ok(ended)
}

/// Whether it was there to be told. The descriptor is opened first and the process looked at again, so that no
/// other process that got its number is meant.
fn send_term(process: &Process, folder: &Path) -> Result<bool> {
    let Some(descriptor) = open(process.pid)? else { return Ok(false) };
    if !Process::read(process.pid).is_some_and(|now| now.is_of(folder)) {
        return Ok(false);
    }
    match pidfd_send_signal(&descriptor, Signal::TERM) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("could not send SIGTERM to {process}")),
    }
}

fn open(pid: Pid) -> Result<Option<OwnedFd>> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(descriptor) => Ok(Some(descriptor)),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error).context("could not open a process"),
    }
}

fn wait_until_none(folder: &Path, which: impl Fn(&Process) -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left: Vec<String> = below(folder)?
            .into_iter()
            .filter(|process| which(process))
            .map(|process| process.to_string())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("still running after {} s: {}", PATIENCE.as_secs(), left.join(", "));
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A shell under some name that waits for a line, which never comes while this lives.
    struct Waiting(std::process::Child, Option<std::process::ChildStdin>);

    fn run(program: &Path, arguments: &[&Path]) -> Waiting {
        let mut command = Command::new(program);
        command.args(["-c", "read line", "x"]).args(arguments).stdin(std::process::Stdio::piped());
        let mut child = loop {
            match command.spawn() {
                // another test forked while the copy was still open for writing
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
                spawned => break spawned.unwrap(),
            }
        };
        let stdin = child.stdin.take();
        Waiting(child, stdin)
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            self.1.take();
            self.0.wait().unwrap();
        }
    }

    #[test]
    fn finds_and_ends_what_runs_below_the_folder_and_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let temp = temp.path().canonicalize().unwrap();
        let (demo, other) = (temp.join("demo"), temp.join("other"));
        fs::create_dir_all(demo.join("bin")).unwrap();
        fs::create_dir_all(&other).unwrap();
        let shell = fs::canonicalize("/bin/sh").unwrap();
        for program in [demo.join("bin/epmd"), other.join("bellrock-shim"), other.join("vi")] {
            fs::copy(&shell, program).unwrap();
        }
        let inside = run(&demo.join("bin/epmd"), &[]);
        let mut shim = run(&other.join("bellrock-shim"), &[&demo.join("run/beacon-1")]);
        let mut strangers =
            [run(&other.join("vi"), &[&demo.join("notes")]), run(&other.join("bellrock-shim"), &[&other])];

        let found = below(&demo).unwrap();
        let mut names: Vec<String> = found.iter().map(Process::name).collect();
        names.sort();
        assert_eq!(names, ["bellrock-shim", "epmd"]);

        drop(inside);
        let ender = thread::spawn(move || terminate(&demo));
        // a child of this test stays as a zombie, which runs nothing, until it is waited for
        let signal = std::os::unix::process::ExitStatusExt::signal(&shim.0.wait().unwrap());
        assert_eq!(signal, Some(Signal::TERM.as_raw()));
        assert_eq!(ender.join().unwrap().unwrap().len(), 1);
        for stranger in &mut strangers {
            assert!(stranger.0.try_wait().unwrap().is_none(), "it still runs");
        }
    }
}
