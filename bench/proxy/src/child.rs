//! A program that is measured, or helps: it ends with us, however we end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(10);

/// A running program.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    /// What it writes to standard error: a file, which is never full as a pipe is.
    complaints: File,
}

impl Program {
    /// Starts it and waits until it accepts connections.
    pub(crate) fn start(program: &Path, arguments: &[&str], address: SocketAddr) -> Result<Program> {
        let name = program.display().to_string();
        // setpriv (util-linux) has the kernel end it when we are gone
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program).args(arguments);
        let complaints = tempfile::tempfile().context("no temporary file")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints.try_clone()?)
            .spawn()
            .with_context(|| format!("could not start {name} by setpriv"))?;
        let mut started = Program { name, child, complaints };
        started.wait_until_it_listens(address)?;
        Ok(started)
    }

    /// What it and its children have used of the processors.
    pub(crate) fn cpu(&self) -> Duration {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|id| id.parse().ok());
        std::iter::once(id).chain(children).map(cpu_of).sum()
    }

    fn wait_until_it_listens(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let complaint = self.complaint()?;
                bail!("{} ended at once ({status}): {complaint}", self.name);
            }
            if Instant::now() > deadline {
                bail!("{} does not listen on {address}", self.name);
            }
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// What it wrote to standard error.
    fn complaint(&mut self) -> Result<String> {
        let mut text = String::new();
        self.complaints.seek(SeekFrom::Start(0))?;
        self.complaints.read_to_string(&mut text)?;
        Ok(text.trim_end().replace('\n', " / "))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // it may have ended already
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            thread::sleep(STEP);
        }
    }
}

/// Fields 14 and 15 of proc_pid_stat(5), in ticks of 10 ms.
fn cpu_of(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 =
        after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
