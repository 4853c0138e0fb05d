//! One run of the child: from its execution until nothing of its tree is left.

use crate::cgroup::Cgroup;
use crate::child::Child;
use crate::clock;
use crate::output::{Drained, Output};
use crate::processes;
use crate::renewal::number;
use crate::sys;
use rustix::process::{self, Pid, Signal};
use wire::shim::{How, Stream, renewal};

/// A run of the child.
pub(crate) struct Run {
    pub(crate) child: Child,
    pub(crate) cgroup: Option<Cgroup>,
    /// ms since boot.
    pub(crate) started: u64,
    /// The host's count when it began.
    pub(crate) oom_kills: u64,
    pub(crate) heart_looked_for: bool,
    pub(crate) end: Option<End>,
}

/// The end that somebody asked for, or that the time limit brought.
pub(crate) struct End {
    pub(crate) how: How,
    /// When the tree gets SIGKILL, in ms since boot.
    pub(crate) kill_at: u64,
    /// A forced restart.
    pub(crate) then_start: bool,
    /// When SIGTERM is sent again.
    pub(crate) again: Option<Again>,
}

/// A BEAM that boots takes SIGTERM and forgets it: `erl_signal_server` is not there yet. So it is sent again until the
/// child has ended, after waits that double; who is ending already is told a few times more.
pub(crate) struct Again {
    /// ms since boot.
    pub(crate) at: u64,
    /// ms until the time after that.
    wait: u64,
    /// Whether it was sent before: one that was asked in another way gets its first one late.
    is_told: bool,
}

/// Wait until SIGTERM is sent for the second time: most have ended by then.
const FIRST_AGAIN_MS: u64 = 1_500;

impl Run {
    /// As the program before has handed it over; `None`: its process's number is none.
    pub(crate) fn handed(child: renewal::Child) -> Option<Self> {
        let [pidfd, stdout, stderr] = [child.pidfd, child.stdout, child.stderr].map(sys::own);
        let pid = Pid::from_raw(i32::try_from(child.pid).ok()?)?;
        Some(Self {
            child: Child { pid, pidfd, stdout, stderr },
            cgroup: child.cgroup.map(Cgroup::handed),
            started: child.started,
            oom_kills: child.oom_kills,
            heart_looked_for: child.heart_looked_for,
            end: None,
        })
    }

    /// For the next program.
    pub(crate) fn hand(&self) -> renewal::Child {
        renewal::Child {
            pid: self.child.pid.as_raw_nonzero().get().unsigned_abs(),
            pidfd: number(&self.child.pidfd),
            stdout: number(&self.child.stdout),
            stderr: number(&self.child.stderr),
            cgroup: self.cgroup.as_ref().map(Cgroup::hand),
            started: self.started,
            oom_kills: self.oom_kills,
            heart_looked_for: self.heart_looked_for,
        }
    }

    /// SIGTERM to the main process after `asked_ms`; SIGKILL to the tree is due after `timeout_ms`. Asked again, the earlier
    /// counts.
    pub(crate) fn ask_to_end(&mut self, timeout_ms: u64, asked_ms: u64, then_start: bool) {
        let now = clock::since_boot_ms();
        let (kill_at, tell_at) = (now.saturating_add(timeout_ms), now.saturating_add(asked_ms));
        match &mut self.end {
            Some(end) => {
                end.kill_at = end.kill_at.min(kill_at);
                end.then_start = then_start;
                if let Some(first) = end.again.as_mut().filter(|again| !again.is_told) {
                    first.at = first.at.min(tell_at);
                }
            }
            None => {
                let how = if timeout_ms == 0 { How::Killed } else { How::StoppedOrderly };
                self.end = Some(End { how, kill_at, then_start, again: None });
                if timeout_ms > 0 && asked_ms == 0 {
                    self.terminate(FIRST_AGAIN_MS);
                } else if let Some(end) = self.end.as_mut().filter(|_| timeout_ms > 0) {
                    end.again = Some(Again { at: tell_at, wait: FIRST_AGAIN_MS / 2, is_told: false });
                }
            }
        }
    }

    /// SIGTERM to the main process, and again after `wait` ms.
    fn terminate(&mut self, wait: u64) {
        let _ = process::pidfd_send_signal(&self.child.pidfd, Signal::TERM);
        if let Some(end) = &mut self.end {
            end.again = Some(Again { at: clock::since_boot_ms().saturating_add(wait), wait, is_told: true });
        }
    }

    /// SIGTERM again, when that is due.
    pub(crate) fn terminate_again(&mut self, now: u64) {
        let again = self.end.as_ref().and_then(|end| end.again.as_ref());
        if let Some(wait) = again.filter(|again| again.at <= now).map(|again| again.wait) {
            self.terminate(wait.saturating_mul(2));
        }
    }

    /// Takes what a pipe holds.
    pub(crate) fn drain(&self, output: &mut Output, stream: Stream) -> Drained {
        let pipe = match stream {
            Stream::Stdout => &self.child.stdout,
            Stream::Stderr => &self.child.stderr,
        };
        output.drain(stream, pipe, clock::since_boot_ms())
    }

    /// Whether the kernel has killed for want of memory since the run began: in its cgroup, which knows; without a memory
    /// controller there, anywhere on the host.
    pub(crate) fn saw_oom_kill(&self) -> bool {
        match self.cgroup.as_ref().and_then(Cgroup::oom_kills) {
            Some(kills) => kills > 0,
            None => processes::oom_kills() > self.oom_kills,
        }
    }
}
