//! What happens to the app and its host that is not their own doing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use model::app::{Command, Origin, Wish};
use model::{DeploymentId, Place};

use crate::gremlin::Action;
use crate::nature::Versions;

/// Something that happens at a time after the beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Disturbance {
    /// When, counted from the beginning.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What may happen. A number picks among the instances that there are then.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Somebody asks for something.
    Asks(Ask),
    /// The daemon dies, and is started again after a while.
    Death(Duration),
    /// The host goes down, and is up again after a while.
    Reboot(Duration),
    /// The daemon dies, and so many hours are added to the host's clock before it is started again.
    ClockIsSet(i64),
    /// A shim dies, and its process with it.
    ShimDies(usize),
    /// A process exits.
    Exits(usize),
    /// A process fails its checks from now on.
    Sickens(usize),
    /// A process answers nobody for this time, and whoever ends it has to kill it.
    Hangs(usize, Duration),
    /// The version that is being deployed answers many requests with 5xx; in a canary, the proxy has counted.
    Errs,
    /// The proxy gives an instance no requests by its own checks, or some again.
    LooksDown(usize, bool),
    /// A shim answers nobody any more, until a person has looked.
    FallsMute(usize),
    /// Something goes wrong at the next effect: before it, or (only for a death) after it.
    AtEffect(Action, bool),
    /// Something goes wrong at the next commit: before it, or (only for a death) after it.
    AtCommit(Action, bool),
}

/// What somebody asks for. Versions have labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An operator deploys a package.
    Deploy(String),
    /// The store names a version.
    Names(String),
    /// See [`Command::Activate`].
    Activate(String),
    /// See [`Command::Rollback`].
    Rollback,
    /// The running deployment is given up, or the queued one.
    Cancel {
        /// Whether the queued one is.
        queued: bool,
    },
    /// See [`Command::Promote`].
    Promote,
    /// See [`Command::Restart`].
    Restart(Option<u16>),
    /// See [`Command::Stop`].
    Stop,
    /// See [`Command::Start`].
    Start,
    /// See [`Command::Scale`].
    Scale(u16),
    /// See [`Command::Pause`]; for so many seconds.
    Pause(u64),
    /// See [`Command::Resume`].
    Resume,
    /// See [`Command::BeginMaintenance`].
    BeginMaintenance,
    /// See [`Command::EndMaintenance`].
    EndMaintenance,
    /// See [`Command::Freeze`].
    Freeze,
    /// See [`Command::Unfreeze`].
    Unfreeze,
    /// See [`Command::SetVariables`].
    Set {
        /// The value of the one variable.
        value: u64,
        /// Whether running instances are left alone.
        later: bool,
    },
    /// See [`Command::Follow`].
    Follow,
    /// See [`Command::PinTo`].
    PinTo(String),
    /// See [`Command::ClearGhosts`].
    ClearGhosts,
    /// See [`Command::Pin`].
    Pin(String),
    /// See [`Command::Delete`].
    Delete(String),
}

impl Ask {
    /// The command, with the number of the deployment that may result, and who asks.
    pub(crate) fn command(
        &self,
        versions: &Versions,
        deployment: DeploymentId,
        running: Option<DeploymentId>,
        queued: Option<DeploymentId>,
    ) -> (Command, Origin) {
        let label = |text: &String| text.parse().expect("it is a label");
        let command = match self {
            Ask::Deploy(text) | Ask::Names(text) => Command::Deploy {
                version: Box::new(versions.package(text)),
                wish: Wish::default(),
                deployment,
            },
            Ask::Activate(text) => {
                Command::Activate { version: label(text), settings: None, wish: Wish::default(), deployment }
            }
            Ask::Rollback => Command::Rollback { wish: Wish::default(), deployment },
            Ask::Cancel { queued: is_queued } => {
                let which = if *is_queued { queued } else { running };
                Command::Cancel { deployment: which.unwrap_or(DeploymentId(0)) }
            }
            Ask::Promote => Command::Promote,
            Ask::Restart(place) => Command::Restart { place: place.map(Place), deployment },
            Ask::Stop => Command::Stop { deployment },
            Ask::Start => Command::Start { deployment },
            Ask::Scale(replicas) => Command::Scale { replicas: *replicas, deployment },
            Ask::Pause(seconds) => Command::Pause { within: Duration::from_secs(*seconds) },
            Ask::Resume => Command::Resume,
            Ask::BeginMaintenance => Command::BeginMaintenance { page: None },
            Ask::EndMaintenance => Command::EndMaintenance,
            Ask::Freeze => Command::Freeze { reason: "the sale".into(), until: None },
            Ask::Unfreeze => Command::Unfreeze,
            Ask::Set { value, later } => {
                let name = "A".parse().expect("it is a name");
                let value = value.to_string().parse().expect("it is a value");
                Command::SetVariables {
                    changes: BTreeMap::from([(name, Some(value))]),
                    later: *later,
                    deployment,
                }
            }
            Ask::Follow => Command::Follow,
            Ask::PinTo(text) => Command::PinTo { version: label(text), deployment },
            Ask::ClearGhosts => Command::ClearGhosts { version: None },
            Ask::Pin(text) => Command::Pin { version: label(text), pinned: true },
            Ask::Delete(text) => Command::Delete { version: label(text) },
        };
        (command, self.by())
    }

    /// Who asks.
    pub(crate) fn by(&self) -> Origin {
        match self {
            Ask::Names(_) => Origin::Store,
            _ => Origin::Operator { uid: 1000, user: Some("ada".into()) },
        }
    }
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} {:?}", self.at.as_secs_f64(), self.what)
    }
}
