//! Records as the journal gives them back.

use jiff::Timestamp;
use model::app::{Deployment, Exit, Note};
use model::{AppName, DeploymentId, InstanceId, Place};
use serde::{Deserialize, Serialize};

/// One line of the host's events; a deployment's log is those that belong to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Rises with time.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The app it is about.
    pub app: Option<AppName>,
    /// What there is to tell.
    #[serde(flatten)]
    pub note: Note,
}

/// A deployment of an app, under way or ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentRecord {
    /// The app.
    pub app: AppName,
    /// The deployment as it was last journalled.
    pub deployment: Deployment,
    /// The versions' labels, which outlive the versions themselves.
    pub from_label: Option<String>,
    /// See `from_label`.
    pub to_label: Option<String>,
}

/// An exit that nobody asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The instance.
    pub instance: InstanceId,
    /// Its place.
    pub place: Place,
    /// How it ended.
    #[serde(flatten)]
    pub exit: Exit,
}

/// Who asked for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Rises with time.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// The peer's user id.
    pub uid: u32,
    /// Its name, where the host knows one.
    pub user: Option<String>,
    /// The app it was about.
    pub app: Option<AppName>,
    /// What was asked for; never a value of a variable.
    pub what: String,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Only of this app.
    pub app: Option<AppName>,
    /// Only of this deployment.
    pub deployment: Option<DeploymentId>,
    /// Only newer than this id.
    pub after: Option<i64>,
    /// At most this many, the newest ones.
    pub most: u32,
}
