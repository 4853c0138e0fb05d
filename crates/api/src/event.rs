//! Events: what happened, in the operator's words. A deployment's log is its events.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line about something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Rises with time.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The app it is about.
    pub app: Option<String>,
    /// The deployment it belongs to.
    pub deployment: Option<u64>,
    /// The place it is about.
    pub place: Option<u16>,
    /// The instance it is about.
    pub instance: Option<u64>,
    /// What kind of step it is.
    pub step: Step,
    /// How much it matters.
    pub level: Level,
    /// The line.
    pub text: String,
    /// More lines, such as the end of a log.
    pub log_tail: Option<String>,
    /// How long the step took.
    pub took_ms: Option<u64>,
}

/// The kinds of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Info,
    /// Worth a look.
    Warning,
    /// Needs a person.
    Alarm,
}
