//! Prepare logs: what was done once to make the host ready for a version.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of the prepare commands of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PrepareLog {
    /// The app.
    pub app: String,
    /// The version.
    pub version: String,
    /// Each command's last run, oldest first.
    pub commands: Vec<PrepareCommand>,
}

/// One prepare command of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PrepareCommand {
    /// The command as the settings have it.
    pub command: String,
    /// The deployment that asked for it.
    pub deployment: Option<u64>,
    /// When it was begun, or found to have been run before.
    pub at: Timestamp,
    /// What became of it.
    pub outcome: PrepareOutcome,
    /// How long it took, or why it failed.
    pub detail: Option<String>,
    /// Whose run it was, when it was run on this host before; the output is that run's.
    pub run_for: Option<RunFor>,
    /// What it wrote to standard output, as text.
    pub stdout: Output,
    /// What it wrote to standard error, as text.
    pub stderr: Output,
}

/// What became of a prepare command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PrepareOutcome {
    /// It runs.
    Running,
    /// It did its work.
    Done,
    /// It had been run on this host before and was not run again.
    RunBefore,
    /// It failed.
    Failed,
    /// Nobody knows how it ended.
    Unknown,
}

/// The version that a prepare command was run for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RunFor {
    /// The app.
    pub app: String,
    /// The version.
    pub version: String,
    /// The deployment.
    pub deployment: Option<u64>,
    /// When it was begun.
    pub at: Timestamp,
}

/// One output of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Output {
    /// The text; bytes that are none are replaced.
    pub text: String,
    /// Whether its beginning is left out, because it is long.
    pub cut: bool,
}
