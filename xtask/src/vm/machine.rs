//! One boot of the virtual machine, seen from outside: its console, its end, and the end of its power.

use std::env;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::orders::ENDED;

/// Debian's name of User Mode Linux.
const KERNEL: &str = "linux.uml";

/// Room for four BEAMs and a debug build; taken from the outer host as it is used.
const MEMORY: &str = "2560M";

/// How long the processes of a machine without power may take to be gone.
const ALL_GONE: Duration = Duration::from_secs(20);

/// Finds the kernel on the `PATH`.
pub(super) fn kernel() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(KERNEL)).find(|file| file.is_file())
}

/// A machine that runs. Dropped, it loses its power.
pub(super) struct Machine {
    kernel: Child,
    console: Receiver<String>,
}

impl Machine {
    /// Boots one that carries out the orders in a file, which it reads as this host does.
    pub(super) fn boot(kernel: &Path, init: &Path, orders: &Path, disk: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(kernel);
        command.arg(format!("mem={MEMORY}"));
        command.args(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=1"]);
        command.args(["con=null", "con0=null,fd:1"]);
        if let Some(disk) = disk {
            command.arg(format!("ubd0={}", disk.display()));
        }
        command.arg(format!("init={}", init.display()));
        command.args(["--", "vm-guest"]).arg(orders);
        // A group of its own: the processes of the guest are processes of ours, which end with it.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut kernel = command.spawn().with_context(|| format!("could not run {}", kernel.display()))?;
        let console = read_lines(kernel.stdout.take().context("its output is piped")?);
        Ok(Machine { kernel, console })
    }

    /// Waits for a line that holds a text, and returns it.
    pub(super) fn says(&mut self, text: &str, within: Duration) -> Result<String> {
        let deadline = Instant::now() + within;
        loop {
            let line = self.next_line(deadline).with_context(|| format!("waiting for \"{text}\""))?;
            if line.contains(text) {
                return Ok(line);
            }
            if line.starts_with(ENDED) {
                bail!("the machine has not said \"{text}\"; {line}");
            }
        }
    }

    /// Waits until its program has ended well and the machine is down.
    pub(super) fn ends(mut self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        let ended = self.says(ENDED, within)?;
        if ended.trim() != format!("{ENDED}status 0") {
            bail!("a test failed in the machine; {ended}");
        }
        while self.next_line(deadline).is_ok() {}
        let status = self.kernel.wait().context("could not wait for the machine")?;
        if !status.success() {
            bail!("the machine went down with {status}");
        }
        Ok(())
    }

    /// Everything in it stops at once, in the middle of whatever it does; what it had not yet written is lost.
    pub(super) fn cut_power(mut self) {
        self.kill();
    }

    fn kill(&mut self) {
        let group = i32::try_from(self.kernel.id()).ok().and_then(Pid::from_raw);
        let (Ok(None), Some(group)) = (self.kernel.try_wait(), group) else { return };
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.kernel.wait();
        // Its helpers end a moment later, and until then the disk is locked.
        let deadline = Instant::now() + ALL_GONE;
        while test_kill_process_group(group).is_ok() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn next_line(&mut self, deadline: Instant) -> Result<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.console.recv_timeout(left) {
            Ok(line) => {
                println!("  | {line}");
                Ok(line)
            }
            Err(RecvTimeoutError::Timeout) => bail!("the machine says nothing more in time"),
            Err(RecvTimeoutError::Disconnected) => bail!("the machine is down"),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Lines of a console; the end of the machine ends them.
fn read_lines(console: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        while console.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    lines
}
