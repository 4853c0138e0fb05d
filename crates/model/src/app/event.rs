//! What happened: the only way anything reaches the state machine.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::command::Command;
use super::comparison::Counted;
use super::deployment::DrainFigures;
use super::instance::ExitHow;
use super::note::Level;
use super::version::{Origin, Target};
use crate::names::{DeploymentId, EffectId, InstanceId};

/// Something that happened to an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Somebody wants something.
    Command {
        /// What.
        command: Command,
        /// Who.
        by: Origin,
    },
    /// An effect ended.
    Done {
        /// Which one.
        effect: EffectId,
        /// How.
        outcome: Outcome,
    },
    /// A shim told something about its instance.
    Shim {
        /// The instance.
        instance: InstanceId,
        /// The shim's number of this fact; each is taken once. 0: not numbered (the shim's own end).
        seq: u64,
        /// What it told.
        fact: ShimFact,
    },
    /// A check of a running instance came to a verdict.
    Check {
        /// The instance.
        instance: InstanceId,
        /// The run that was checked.
        run: u32,
        /// What came out.
        verdict: Verdict,
    },
    /// The proxy's counts say that a version that is being watched answers clearly more requests with 5xx than the one
    /// before it; see [`super::is_clearly_above`].
    ServerErrors {
        /// What was counted.
        target: Target,
        /// The numbers.
        reason: String,
    },
    /// The proxy gives an instance no requests, by its own checks or because requests failed; or gives it some again.
    /// Told once per change, and not more often than an operator can read.
    ProxyHealth {
        /// The instance.
        instance: InstanceId,
        /// The run that it is about.
        run: u32,
        /// Why it gets none; `None`: it gets some.
        down: Option<String>,
        /// How often that has changed since it was told last, this time included.
        changes: u32,
    },
    /// The watchdog finds that an instance's node has more of something than is good, or less again. Told once per change.
    Watchdog {
        /// The instance.
        instance: InstanceId,
        /// The run that it is about.
        run: u32,
        /// How much it matters.
        level: Level,
        /// What was found.
        text: String,
    },
    /// What both versions have answered in a canary since this was told last.
    CanaryCounts {
        /// The deployment.
        deployment: DeploymentId,
        /// The canary's window in which it was counted; see [`super::Canary::window`].
        window: u32,
        /// What the old version has answered.
        old: Counted,
        /// What the new version has answered in the same time.
        new: Counted,
    },
    /// The daemon has started and asked every shim: these instances live, the others have ended.
    Adopted {
        /// Instances whose shim answered.
        alive: Vec<InstanceId>,
        /// Instances whose shim did not answer in time: nobody knows, so nothing is started for their places.
        unknown: Vec<InstanceId>,
    },
    /// A time that the state waits for has come.
    Tick,
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Ok {
        /// What there is to say about it.
        detail: Option<String>,
    },
    /// Only of [`super::Effect::Stage`]: it was done, but there is not enough memory to run all new instances beside
    /// all old ones.
    NoRoom {
        /// What is there and what is needed.
        detail: String,
    },
    /// Only of [`super::Effect::Drain`]: nothing is in flight in the instance any more.
    Drained {
        /// What the proxy counted.
        figures: DrainFigures,
    },
    /// Only of [`super::Effect::Upgrade`]: the other version runs in the instance.
    Upgraded {
        /// Whether it can be taken back.
        undo: bool,
        /// What there is to say about it.
        detail: Option<String>,
    },
    /// It failed and left nothing half-done.
    Failed {
        /// The cause, for the operator.
        reason: String,
        /// The end of the output, if there was any.
        tail: Option<String>,
    },
    /// Nobody knows: the machine went down while it ran.
    Unknown {
        /// What is known.
        reason: String,
    },
}

impl Outcome {
    /// Why it was not done, if it was not.
    pub(super) fn failure(self) -> Option<String> {
        match self {
            Outcome::Ok { .. } | Outcome::Drained { .. } | Outcome::Upgraded { .. } => None,
            Outcome::NoRoom { detail: reason }
            | Outcome::Failed { reason, .. }
            | Outcome::Unknown { reason } => Some(reason),
        }
    }
}

/// What a shim tells about its instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum ShimFact {
    /// A run began.
    Started {
        /// Number of the run, from 1.
        run: u32,
        /// Process id, for people to read.
        pid: u32,
        /// When.
        at: Timestamp,
    },
    /// A run ended by itself: nobody asked for it.
    Exited {
        /// The run.
        run: u32,
        /// When.
        at: Timestamp,
        /// Status or signal.
        how: ExitHow,
        /// How long the run lasted, in milliseconds.
        uptime_ms: u64,
        /// Where its crash dump lies.
        crash_dump: Option<String>,
        /// The end of its log.
        tail: Option<String>,
    },
    /// The shim starts it again at that time.
    BackingOff {
        /// When it will be started.
        until: Timestamp,
        /// Exits in a row, each after less than a minute.
        consecutive: u32,
    },
    /// Output was dropped: it came faster than the disk took it.
    LogDropped {
        /// How much, in bytes.
        bytes: u64,
    },
    /// Something that an operator should read.
    Warning {
        /// What.
        text: String,
    },
    /// The shim itself died, and its instance with it.
    Gone,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The instance may get traffic.
    Ready,
    /// It was not ready in time (`failure_timeout`).
    NeverReady {
        /// What the last check said.
        why: String,
        /// The end of its log.
        tail: Option<String>,
    },
    /// It was unhealthy and is well again.
    Healthy,
    /// It failed its health check as often as the settings allow.
    Unhealthy {
        /// What the check said.
        why: String,
        /// The end of its log.
        tail: Option<String>,
    },
}
