//! An app and its instances, as `status` shows them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::exit::ExitHow;
use crate::node::Node;
use crate::routes::Traffic;
use crate::version::By;

/// Everything that is true of an app now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct App {
    /// Its name.
    pub name: String,
    /// All in one word.
    pub state: AppState,
    /// Whether it follows the store.
    pub mode: Mode,
    /// The active version with its revision, e.g. `1.4.2+env3`.
    pub version: Option<String>,
    /// What `rollback` would go back to.
    pub rollback_target: Option<String>,
    /// Places that shall serve.
    pub replicas: u16,
    /// Most places it may be scaled to.
    pub max_replicas: u16,
    /// Places that have a ready instance.
    pub ready: u16,
    /// Since when a ready instance of it has been running.
    pub up_since: Option<Timestamp>,
    /// Why nothing is deployed now, if somebody wants that.
    #[serde(default)]
    pub frozen: Option<Frozen>,
    /// While its requests wait because an operator wants it so: until when.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
    /// While its requests get 503 and a page because an operator wants it so.
    #[serde(default)]
    pub maintenance: Option<Maintenance>,
    /// Why a person is needed, if one is.
    pub stuck: Option<String>,
    /// What the proxy counts over all its instances; `None` where none serves it.
    #[serde(default)]
    pub traffic: Option<Traffic>,
    /// What its places follow; `None` while they follow no load.
    #[serde(default)]
    pub autoscale: Option<Autoscale>,
    /// Its instances by place; those that have ended only while nothing has taken their place.
    pub instances: Vec<Instance>,
    /// The deployment under way.
    pub deployment: Option<Deployment>,
    /// The deployment that waits for it.
    pub queued: Option<Deployment>,
}

/// Why nothing is deployed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Frozen {
    /// Why.
    pub reason: String,
    /// Who wanted it.
    pub by: By,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// Between how many places the load decides, and by what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Autoscale {
    /// Fewest places.
    pub min: u16,
    /// Most places.
    pub max: u16,
    /// The newest figures.
    pub loads: Vec<Load>,
}

/// A figure that places follow, for one instance on average.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Load {
    /// `cpu` (percent of one core), `memory` (bytes), `requests` (a second), `run_queue` (processes that wait for each
    /// scheduler) or `node_memory` (bytes, as the node counts them).
    pub of: LoadKind,
    /// The figure; `None`: not known yet.
    pub now: Option<f64>,
    /// What it shall be at most.
    pub target: f64,
}

/// What places can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// Time on cores, in percent of one.
    Cpu,
    /// Resident bytes.
    Memory,
    /// Requests a second.
    Requests,
    /// Processes that wait for each scheduler online.
    RunQueue,
    /// Bytes that the node has taken, as it counts them.
    NodeMemory,
}

/// An app's requests get 503 and a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Maintenance {
    /// Since when, or since the page was changed last.
    pub since: Timestamp,
    /// Whether it is a page of the operator's, not the proxy's own.
    pub own_page: bool,
}

/// An app's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// No version is active yet.
    NotDeployed,
    /// Every place has a ready instance.
    Ready,
    /// Some place has none.
    Degraded,
    /// It was stopped by an operator.
    Stopped,
    /// Bellrock has given up and a person is needed; `stuck` says why.
    Stuck,
}

impl AppState {
    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            AppState::NotDeployed => "not deployed",
            AppState::Ready => "ready",
            AppState::Degraded => "degraded",
            AppState::Stopped => "stopped",
            AppState::Stuck => "stuck",
        }
    }
}

/// Whether an app follows the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Mode {
    /// What the store's version file names is deployed.
    Automatic,
    /// The store is not followed.
    Manual {
        /// What made it so.
        because: String,
        /// Since when.
        since: Timestamp,
    },
}

/// One running copy of an app in a place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Instance {
    /// Its number, never used again within the app.
    pub instance: u64,
    /// The place it stands in.
    pub place: u16,
    /// The slot of the place, `a` or `b`: decides ports and node name.
    pub slot: String,
    /// What it is doing.
    pub state: InstanceState,
    /// More about that: why it is unhealthy or was stopped, until when it waits.
    pub detail: Option<String>,
    /// While it backs off: when it is started again.
    pub retry_at: Option<Timestamp>,
    /// Version and revision it runs.
    pub version: String,
    /// OS process id of the current run.
    pub pid: Option<u32>,
    /// Its `PORT`.
    pub port: u16,
    /// Resident memory of its main process.
    pub memory_bytes: Option<u64>,
    /// Start of the current run.
    pub up_since: Option<Timestamp>,
    /// When it was first ready.
    pub ready_at: Option<Timestamp>,
    /// Exits in its place that nobody asked for.
    pub crashes: u64,
    /// Restarts of its place that an operator or a watchdog forced.
    pub forced_restarts: u64,
    /// Its last exit.
    pub last_exit: Option<LastExit>,
    /// What the proxy counts; `None` where it does not serve it.
    #[serde(default)]
    pub traffic: Option<Traffic>,
    /// Its Erlang node; `None` while it does not run.
    #[serde(default)]
    pub node: Option<Node>,
}

/// The last exit of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LastExit {
    /// When.
    pub at: Timestamp,
    /// Exit status or signal.
    #[serde(flatten)]
    pub how: ExitHow,
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// Its tree is laid out, its init commands run, its shim is told to start it.
    Creating,
    /// It runs and is not ready yet.
    Starting,
    /// It may get traffic.
    Ready,
    /// It runs, was ready, and fails its health check.
    Unhealthy,
    /// It exited; it is started again after a wait.
    BackingOff,
    /// It gets no new requests, and is stopped when those it has have ended.
    Draining,
    /// It is being stopped.
    Stopping,
    /// No process is left.
    Stopped,
}

impl InstanceState {
    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            InstanceState::Creating => "creating",
            InstanceState::Starting => "starting",
            InstanceState::Ready => "ready",
            InstanceState::Unhealthy => "unhealthy",
            InstanceState::BackingOff => "backing off",
            InstanceState::Draining => "draining",
            InstanceState::Stopping => "stopping",
            InstanceState::Stopped => "stopped",
        }
    }
}
