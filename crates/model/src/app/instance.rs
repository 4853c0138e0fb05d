//! An instance: one running copy of an app in a place, from its creation to its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::version::Target;
use crate::names::{EffectId, InstanceId, Place, Slot};

/// One copy of an app in a place: an OS process tree under its own shim, an Erlang node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Its number, never used again within the app.
    pub id: InstanceId,
    /// The place it stands in.
    pub place: Place,
    /// The slot of the place, which decides ports and node name.
    pub slot: Slot,
    /// The version and revision that it is started with.
    pub target: Target,
    /// What runs in it since it was upgraded hot, until its next start or the upgrade's commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot: Option<Target>,
    /// How often it was upgraded hot, and that was committed, since it was started.
    #[serde(default)]
    pub upgrades: u32,
    /// What it was laid out and started as, where it has become another version since while it ran: it has a tree for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<Target>,
    /// What it is doing.
    pub status: Status,
    /// When it was created.
    pub created_at: Timestamp,
    /// How often its shim has started it; 0 before the first start.
    pub run: u32,
    /// OS process id of the current run, for people to read; never signalled by us.
    pub pid: Option<u32>,
    /// Start of the current run.
    pub up_since: Option<Timestamp>,
    /// When it was first ready.
    pub ready_at: Option<Timestamp>,
    /// Exits that nobody asked for.
    pub crashes: u32,
    /// The last event taken from its shim: each is counted once.
    pub seq: u64,
    /// The last exit.
    pub last_exit: Option<Exit>,
    /// A route that offers it requests has been asked for, and nobody has said since that none are in flight.
    #[serde(default)]
    pub exposed: bool,
    /// Why the proxy gives it no requests though it is offered some, as it said last about the current run.
    #[serde(default)]
    pub down: Option<String>,
}

/// What an instance is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Status {
    /// Its tree is being laid out.
    Creating {
        /// The effect that does it.
        effect: EffectId,
    },
    /// Its init commands run.
    Initialising {
        /// The effect that runs the command.
        effect: EffectId,
        /// Which of them, from 0.
        index: usize,
    },
    /// Its shim is being told to start it.
    Launching {
        /// The effect that does it.
        effect: EffectId,
    },
    /// It runs and is not ready yet.
    Starting,
    /// It may get traffic.
    Ready,
    /// It runs, was ready, and fails its health check.
    Unhealthy {
        /// What the check said.
        why: String,
        /// Since when; of a state that does not say it, for long.
        #[serde(default)]
        since: Timestamp,
    },
    /// It exited; its shim waits before it starts it again.
    BackingOff {
        /// When the shim starts it again.
        until: Timestamp,
    },
    /// It gets no new requests and is stopped when those in flight have ended.
    Draining {
        /// The effect that waits for them; when it has ended the instance waits for its turn to be stopped.
        effect: EffectId,
        /// Why it is stopped.
        why: Ending,
        /// When what is still in flight is cut.
        until: Timestamp,
    },
    /// It is being stopped.
    Stopping {
        /// The effect that does it.
        effect: EffectId,
        /// Why.
        why: Ending,
    },
    /// No process is left; its tree and logs stay for inspection until a newer one has ended in the place.
    Stopped {
        /// When.
        at: Timestamp,
        /// Why it was stopped.
        why: Ending,
    },
}

/// Why an instance ended or is being ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Ending {
    /// Another took its place, or nobody wants it any more.
    Retired,
    /// It could not be brought up, or did not behave.
    Failed {
        /// The cause.
        reason: String,
        /// The end of its log.
        tail: Option<String>,
    },
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The run that ended.
    pub run: u32,
    /// When.
    pub at: Timestamp,
    /// Exit status or signal.
    pub how: ExitHow,
    /// How long the run lasted, in milliseconds.
    pub uptime_ms: u64,
    /// Where its `erl_crash.dump` lies, if it left one.
    pub crash_dump: Option<String>,
}

/// Exit status or signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitHow {
    /// It exited with this status.
    Status(i32),
    /// This signal ended it.
    Signal(i32),
    /// The kernel killed it for want of memory.
    OutOfMemory {
        /// Its limit in bytes (`resources.memory`), if that was reached; else the host had no more.
        limit_bytes: Option<u64>,
    },
    /// Nobody saw how (its shim died).
    Unknown,
}

impl std::fmt::Display for ExitHow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExitHow::Status(status) => write!(f, "exit {status}"),
            ExitHow::Signal(signal) => write!(f, "signal {signal}"),
            ExitHow::OutOfMemory { limit_bytes: Some(limit) } => {
                write!(f, "killed by the kernel: memory limit {} reached", crate::human::bytes(*limit))
            }
            ExitHow::OutOfMemory { limit_bytes: None } => {
                f.write_str("killed by the kernel for want of memory")
            }
            ExitHow::Unknown => f.write_str("lost with its shim"),
        }
    }
}

impl Instance {
    /// The version and revision that runs in it.
    pub fn runs(&self) -> Target {
        self.hot.unwrap_or(self.target)
    }

    /// The same, as one that has become another version while it ran.
    #[must_use]
    pub fn upgraded(&self, to: Target) -> Self {
        Self { target: to, born: self.born.or(Some(self.target)), ..self.clone() }
    }

    /// Whether it may get traffic now.
    pub fn is_ready(&self) -> bool {
        matches!(self.status, Status::Ready)
    }

    /// Whether no process of it is left (or will be).
    pub fn is_gone(&self) -> bool {
        matches!(self.status, Status::Stopped { .. })
    }

    /// Whether it shall end: it drains, is being stopped or has ended.
    pub fn is_ending(&self) -> bool {
        self.is_draining() || self.is_told_to_stop()
    }

    /// Whether it only ends the requests it has.
    pub fn is_draining(&self) -> bool {
        matches!(self.status, Status::Draining { .. })
    }

    /// Whether its shim was told to stop it, or it has ended.
    pub fn is_told_to_stop(&self) -> bool {
        self.is_gone() || matches!(self.status, Status::Stopping { .. })
    }

    /// Whether its shim was told to start it and not yet told to stop: it runs, or will again.
    pub fn is_launched(&self) -> bool {
        matches!(
            self.status,
            Status::Starting
                | Status::Ready
                | Status::Unhealthy { .. }
                | Status::BackingOff { .. }
                | Status::Draining { .. }
        )
    }

    /// When it ended, if it has.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.status {
            Status::Stopped { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<(&str, Option<&str>)> {
        match &self.status {
            Status::Stopped { why: Ending::Failed { reason, tail }, .. } => Some((reason, tail.as_deref())),
            _ => None,
        }
    }

    /// The one word that tables show.
    pub fn word(&self) -> &'static str {
        match self.status {
            Status::Creating { .. } | Status::Initialising { .. } | Status::Launching { .. } => "creating",
            Status::Starting => "starting",
            Status::Ready => "ready",
            Status::Unhealthy { .. } => "unhealthy",
            Status::BackingOff { .. } => "backing off",
            Status::Draining { .. } => "draining",
            Status::Stopping { .. } => "stopping",
            Status::Stopped { .. } => "stopped",
        }
    }
}
