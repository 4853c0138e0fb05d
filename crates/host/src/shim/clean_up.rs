//! Ends what a dead shim left behind.
//!
//! Its main process died with it (parent-death signal); port programs and what they forked may live. They are
//! found by their cgroup, or by the random mark in their environment; the environment is looked at again
//! between opening a pidfd and the signal, so that no other process can be hit. What cleared its environment
//! and had no cgroup cannot be found this way.

use super::dead::Dead;
use super::{ShimError, ShimHost, boot_id, lock};
use fs_err as fs;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};
use wire::shim::MARK_VARIABLE;

/// Between two rounds.
const ROUND: Duration = Duration::from_millis(10);

/// What was cleaned up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanedUp {
    /// Processes that were found by their mark and killed; those of a cgroup are not counted.
    pub killed: usize,
}

impl ShimHost {
    /// Ends every process of a dead shim, within `within`. The caller proves that the port is free.
    ///
    /// # Errors
    /// [`ShimError::Alive`]; [`ShimError::Survivors`] if some are still there at the deadline.
    pub async fn clean_up(&self, dead: &Dead, within: Duration) -> Result<CleanedUp, ShimError> {
        let (host, dead) = (self.clone(), dead.clone());
        match tokio::task::spawn_blocking(move || host.clean_up_now(&dead, within)).await {
            Ok(cleaned_up) => cleaned_up,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn clean_up_now(&self, dead: &Dead, within: Duration) -> Result<CleanedUp, ShimError> {
        let mut held = Vec::new(); // until the end, so that nobody starts a shim of this id meanwhile
        for path in self.locks(&dead.id) {
            match lock::take(&path) {
                Ok(Some(lock)) => held.push(lock),
                Ok(None) => return Err(ShimError::Alive { id: dead.id.to_string() }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(ShimError::file("lock", path)(error)),
            }
        }
        let mut killed = 0;
        let Some(mark) = dead.mark() else { return Ok(CleanedUp { killed }) };
        if dead.boot_id() != Some(boot_id()?.as_str()) {
            return Ok(CleanedUp { killed }); // another boot's processes are gone
        }
        let wanted = format!("{MARK_VARIABLE}={mark}");
        let cgroup = dead.cgroup();
        let deadline = Instant::now() + within;
        let mut clean_rounds = 0;
        // Twice nothing: a process may be forked behind the back of one look.
        while clean_rounds < 2 {
            let in_cgroup = cgroup.as_deref().is_some_and(kill_cgroup);
            let marked = marked(wanted.as_bytes());
            if !in_cgroup && marked.is_empty() {
                clean_rounds += 1;
                continue;
            }
            clean_rounds = 0;
            killed += marked.iter().filter(|pid| kill_marked(**pid, wanted.as_bytes())).count();
            if Instant::now() >= deadline {
                return Err(ShimError::Survivors { id: dead.id.to_string(), pids: marked, within });
            }
            sleep(ROUND);
        }
        if let Some(cgroup) = &cgroup {
            let _ = fs::remove_dir(cgroup); // empty, and if it cannot be removed nothing depends on it
        }
        Ok(CleanedUp { killed })
    }
}

/// SIGKILL to all members; whether there were any.
fn kill_cgroup(cgroup: &Path) -> bool {
    let events = fs::read_to_string(cgroup.join("cgroup.events")).unwrap_or_default();
    let populated = events.lines().any(|line| line == "populated 1");
    if populated {
        let _ = fs::write(cgroup.join("cgroup.kill"), "1");
    }
    populated
}

/// Processes whose environment holds the variable.
fn marked(wanted: &[u8]) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_marked(*pid, wanted)).collect()
}

fn is_marked(pid: i32, wanted: &[u8]) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|variable| variable == wanted)
}

fn kill_marked(pid: i32, wanted: &[u8]) -> bool {
    let Some(raw) = Pid::from_raw(pid) else { return false };
    let Ok(pidfd) = pidfd_open(raw, PidfdFlags::empty()) else { return false };
    is_marked(pid, wanted) && pidfd_send_signal(&pidfd, Signal::KILL).is_ok()
}
