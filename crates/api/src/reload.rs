//! Changed configuration, given to the nodes that run.

use serde::{Deserialize, Serialize};

/// Has the instances of an app take over the configuration that they would be started with now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReloadConfig {
    /// The instance's place; without it all of them, one after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Applications that are stopped (the last first) and started again (the first first) in each node after that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart: Vec<String>,
    /// How long that may take in one node, in ms: 60 s unless said otherwise, at most an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_within_ms: Option<u64>,
    /// Nothing is changed: it is only told what would be.
    #[serde(default)]
    pub dry_run: bool,
}

/// A line of what a reload answers. The last one is `done` or `failed`; where there is none, nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ReloadLine {
    /// An instance has it, or would.
    Reloaded(ReloadedInstance),
    /// Applications of an instance were restarted.
    Restarted {
        /// Its place.
        place: u16,
        /// Their names.
        applications: Vec<String>,
        /// How long it took, ms.
        took_ms: u64,
    },
    /// It ends here: this instance has what the lines before say, those after it have nothing of it.
    Failed {
        /// Its place.
        place: u16,
        /// What went wrong.
        reason: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// All instances have it.
    Done,
}

/// What has changed in an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReloadedInstance {
    /// Its place.
    pub place: u16,
    /// Its node.
    pub node: String,
    /// The version and revision whose configuration it is.
    pub version: String,
    /// Nothing was changed: it is what would be.
    pub dry_run: bool,
    /// Applications of which something has changed.
    pub applications: Vec<ReloadedApplication>,
    /// Applications that are configured and not loaded in the node: nothing was set for them.
    pub not_loaded: Vec<String>,
    /// Keys, as `application: key`, whose values (processes, functions) cannot be had from outside of a node: they stay as
    /// they are.
    pub left_out: Vec<String>,
    /// What a person should know.
    pub remarks: Vec<String>,
}

/// Keys of an application that have changed; values are never told, as they may be secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReloadedApplication {
    /// Its name.
    pub application: String,
    /// Keys with another value than before.
    pub changed: Vec<String>,
    /// Keys that it did not have.
    pub new: Vec<String>,
    /// Keys that it has no more.
    pub removed: Vec<String>,
    /// What came of telling it.
    pub told: Told,
    /// Why that failed.
    pub why: Option<String>,
}

/// What came of telling an application that its configuration has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Its `config_change/3` returned `ok`.
    Ok,
    /// It has a `config_change/3`, which was not called (`dry_run`).
    Would,
    /// It has no `config_change/3`: what it reads each time is new, what it has read at its start is as it was.
    NoCallback,
    /// It is loaded and does not run.
    NotRunning,
    /// Its `config_change/3` failed.
    Failed,
    /// Its `config_change/3` did not return in time, and goes on.
    Late,
}
