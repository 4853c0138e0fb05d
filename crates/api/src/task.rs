//! One-off tasks: commands run by the release of the running version, outside of deployments.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::log::Stream;

/// Runs a command once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeginTask {
    /// Chosen at random by whoever asks, at most 100 characters: asked again with the same key, it is not run again.
    pub key: String,
    /// `["eval", "…"]`, `["rpc", "…"]`, or a program of the package with its arguments.
    pub command: Vec<String>,
    /// The time that it has, in ms; without it the app's `command_timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_ms: Option<u64>,
}

/// A task, under way or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Task {
    /// Its number.
    pub task: u64,
    /// The app.
    pub app: String,
    /// What is run.
    pub command: String,
    /// The version whose release runs it.
    pub version: String,
    /// Who asked for it.
    pub uid: u32,
    /// Its name, where the host knows one.
    pub user: Option<String>,
    /// When it was asked for.
    pub begun_at: Timestamp,
    /// The time that it has, in ms.
    pub limit_ms: u64,
    /// How it ended, once it has.
    pub end: Option<TaskEnd>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TaskEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub how: TaskHow,
    /// Its exit status, if it ended by itself.
    pub status: Option<i32>,
    /// The signal that ended it, if one did that nobody here sent.
    pub signal: Option<i32>,
    /// Why, where that is not plain.
    pub reason: Option<String>,
}

/// How a task came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskHow {
    /// By itself: `status` says more.
    Ended,
    /// By a signal that nobody here sent.
    Signalled,
    /// Its time was over.
    TimeLimit,
    /// Somebody asked for that.
    Halted,
    /// It did not begin; nothing was run.
    NotBegun,
    /// Nobody knows; it may still run.
    Unknown,
}

/// Which bytes of a task's output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct OutputQuery {
    /// Which output.
    #[serde(default)]
    pub stream: Stream,
    /// Only from this byte on.
    #[serde(default)]
    pub from: u64,
}
