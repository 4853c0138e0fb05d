//! Notes: lines of a deployment's log and of the host's events, in the operator's words.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::names::{DeploymentId, InstanceId, Place};

/// One line about something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The deployment it belongs to.
    pub deployment: Option<DeploymentId>,
    /// The place it is about.
    pub place: Option<Place>,
    /// The instance it is about.
    pub instance: Option<InstanceId>,
    /// What kind of step it is.
    pub step: Step,
    /// How much it matters.
    pub level: Level,
    /// The line.
    pub text: String,
    /// More lines, such as the end of a log.
    pub tail: Option<String>,
    /// How long the step took, in milliseconds.
    pub took_ms: Option<u64>,
}

impl Note {
    /// About the host, not about an app.
    pub fn of_host(step: Step, level: Level, text: impl Into<String>) -> Self {
        let text = text.into();
        Note { deployment: None, place: None, instance: None, step, level, text, tail: None, took_ms: None }
    }

    /// Says how long the step took.
    pub(super) fn took(&mut self, took: Duration) -> &mut Self {
        self.took_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

/// The kinds of step, as `--json` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A deployment was asked for, queued or begun.
    Begun,
    /// Package verified and unpacked, host found fit.
    Staged,
    /// It was found out whether a deployment can be hot.
    Planned,
    /// A prepare, pre-, init or post-rollback command.
    Command,
    /// An instance was created or launched.
    Started,
    /// An instance may get traffic.
    Ready,
    /// An instance was upgraded hot, or taken back.
    Upgraded,
    /// An instance was stopped.
    Stopped,
    /// A new version gets a share of the requests, more of them, or no more.
    Canary,
    /// Every new instance is ready.
    Serving,
    /// The watch window held.
    Committed,
    /// The way back began.
    RollingBack,
    /// The way back ended.
    RolledBack,
    /// A deployment ended in another way.
    Ended,
    /// An instance exited by itself.
    Exited,
    /// An instance fails its health check, or is well again.
    Health,
    /// Something an operator set.
    Set,
    /// A version was removed.
    Removed,
    /// Anything else worth telling.
    Told,
}

/// How much a note matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Info,
    /// Worth a look.
    Warning,
    /// Needs a person.
    Alarm,
}
