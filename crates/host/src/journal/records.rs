//! Records as the journal gives them back.

use jiff::Timestamp;
use model::app::{CommandLine, Deployment, Exit, Note, Target};
use model::{AppName, DeploymentId, EffectId, InstanceId, Place, TaskId, VersionLabel};
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

/// One run of a prepare command on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareRun {
    /// The app that it was run for.
    pub app: AppName,
    /// The version.
    pub version: VersionLabel,
    /// The deployment.
    pub deployment: Option<DeploymentId>,
    /// The effect that ran it.
    pub effect: EffectId,
    /// When it was begun.
    pub at: Timestamp,
}

/// A prepare command of a version: its last run, or whose run made one needless.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// The command as the settings have it.
    pub command: String,
    /// What the version asked for; the effect names the log files among its papers.
    pub run: PrepareRun,
    /// How it ended; `None` while it runs.
    pub end: Option<PrepareEnd>,
}

impl Preparation {
    /// Whether this is that run, or makes do with it.
    pub fn is_of(&self, run: &PrepareRun) -> bool {
        let same = |it: &PrepareRun| (&it.app, it.effect) == (&run.app, run.effect);
        same(&self.run) || matches!(&self.end, Some(PrepareEnd::RunBefore { by: Some(by) }) if same(by))
    }
}

/// How a prepare command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "snake_case")]
pub enum PrepareEnd {
    /// It did its work.
    Done {
        /// What there is to say about it: how long it took.
        detail: Option<String>,
    },
    /// It was not run, since it had been run on this host before.
    RunBefore {
        /// By whom; `None` where a daemon before 0.1 did not say.
        by: Option<PrepareRun>,
    },
    /// It failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// Nobody knows.
    Unknown {
        /// What is known.
        reason: String,
    },
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

/// A one-off task with its number.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its number.
    pub id: TaskId,
    /// What is known of it.
    pub record: TaskRecord,
}

/// A one-off task, under way or ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The app.
    pub app: AppName,
    /// What is run.
    pub command: CommandLine,
    /// By which version's release.
    pub target: Target,
    /// That version's label with revision, which outlives the version itself.
    pub version: String,
    /// Who asked for it.
    pub uid: u32,
    /// Its name, where the host knows one.
    pub user: Option<String>,
    /// When.
    pub begun_at: Timestamp,
    /// The time that it has.
    pub limit_ms: u64,
    /// How it ended, once it has.
    pub end: Option<TaskEnd>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskEnd {
    /// When that was known.
    pub at: Timestamp,
    /// How.
    #[serde(flatten)]
    pub how: TaskHow,
}

/// How a task came to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum TaskHow {
    /// By itself, with this status.
    Status {
        /// The status.
        status: i32,
    },
    /// By a signal that nobody here sent.
    Signal {
        /// The signal.
        signal: i32,
    },
    /// It was ended because its time was over.
    TimeLimit,
    /// It was ended because somebody asked for that.
    Halted,
    /// It did not begin, and nothing was run.
    NotBegun {
        /// Why.
        reason: String,
    },
    /// Nobody knows; it may still run.
    Unknown {
        /// Why.
        reason: String,
    },
}
