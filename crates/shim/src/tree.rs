//! Ending a whole process tree, not only its first process.
//!
//! A BEAM's port programs live in sessions of their own and survive a signal to the group. With a cgroup the
//! kernel ends them all; without, they become the shim's children (it is a subreaper) when their parents end,
//! and the shim kills its children again until it has none. An unreaped child keeps its number, so that signal
//! can hit nobody else.

use crate::cgroup::Cgroup;
use crate::processes::{self, Process};
use rustix::io::Errno;
use rustix::process::{self, Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

/// A child that ended.
pub(crate) struct Ended {
    pub(crate) pid: Pid,
    pub(crate) status: WaitStatus,
}

/// What waiting for any child found.
pub(crate) enum Reaped {
    One(Ended),
    /// There are children, none has ended.
    NoneEnded,
    NoChildren,
}

/// Takes one ended child, without waiting.
pub(crate) fn reap() -> Reaped {
    loop {
        return match process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => Reaped::One(Ended { pid, status }),
            Ok(None) => Reaped::NoneEnded,
            Err(Errno::INTR) => continue,
            Err(_) => Reaped::NoChildren,
        };
    }
}

/// One round of SIGKILL to everything below us; returns how many processes it saw.
pub(crate) fn kill_round(cgroup: Option<&Cgroup>) -> u32 {
    let own = process::getpid();
    let all = processes::all();
    let tree = processes::descendants(&all, own);
    // heart first, lest it sees its BEAM die and acts upon it.
    for process in tree.iter().filter(|process| is_heart(process)) {
        kill_if_same(process);
    }
    if let Some(cgroup) = cgroup {
        cgroup.kill();
    }
    let own = own.as_raw_nonzero().get();
    for child in tree.iter().filter(|process| process.parent == own) {
        kill_if_same(child);
    }
    u32::try_from(tree.len()).unwrap_or(u32::MAX)
}

/// Whether one of ours is `heart`, which restarts a BEAM behind its supervisor's back.
pub(crate) fn has_heart() -> bool {
    let all = processes::all();
    processes::descendants(&all, process::getpid()).into_iter().any(is_heart)
}

fn is_heart(process: &Process) -> bool {
    process.name == b"heart"
}

/// By pidfd, and only if the number still means the process that was looked at.
fn kill_if_same(seen: &Process) {
    let Some(pid) = Pid::from_raw(seen.pid) else { return };
    let Ok(pidfd) = process::pidfd_open(pid, PidfdFlags::empty()) else { return };
    if processes::read(seen.pid).is_some_and(|now| now.started == seen.started) {
        let _ = process::pidfd_send_signal(&pidfd, Signal::KILL);
    }
}
