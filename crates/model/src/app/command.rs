//! What operators and the store ask for, and why it may be refused.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hot::Wish;
use super::version::NewVersion;
use crate::names::{DeploymentId, Place, VariableName, VersionLabel};
use crate::settings::{AppSettings, VariableValue};
use crate::units::millis;

/// Something that somebody wants of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Deploy a package that was just stored; registers its version if it is new.
    Deploy {
        /// The version.
        version: Box<NewVersion>,
        /// By which way.
        #[serde(default)]
        wish: Wish,
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Deploy a version that is registered already, with what it last ran with (or with new settings).
    Activate {
        /// The version.
        version: VersionLabel,
        /// Settings to use instead of those it last ran with.
        settings: Option<Box<AppSettings>>,
        /// By which way.
        #[serde(default)]
        wish: Wish,
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Go back to the version committed before the active one; or stop a running deployment and go back.
    Rollback {
        /// By which way.
        #[serde(default)]
        wish: Wish,
        /// Number of the deployment that results, if one does.
        deployment: DeploymentId,
    },
    /// End the running deployment's canary: all requests go to the new version.
    Promote,
    /// Give up a running deployment, or a queued one.
    Cancel {
        /// Which.
        deployment: DeploymentId,
    },
    /// Replace instances by fresh ones of the same version.
    Restart {
        /// Only this place.
        place: Option<Place>,
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Stop all instances.
    Stop {
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Start what was stopped.
    Start {
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Change the number of places.
    Scale {
        /// How many there shall be.
        replicas: u16,
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Let requests wait instead of reaching an instance.
    Pause {
        /// For how long; at most [`super::LONGEST_PAUSE`].
        #[serde(with = "millis")]
        within: Duration,
    },
    /// Let them go on.
    Resume,
    /// Answer every request with 503 and a page.
    BeginMaintenance {
        /// The page in HTML, at most [`super::MOST_PAGE_BYTES`]; `None`: the proxy's own.
        page: Option<String>,
    },
    /// Serve requests again.
    EndMaintenance,
    /// Set and unset variables; a new revision of the active version.
    SetVariables {
        /// New values; `None` unsets.
        changes: BTreeMap<VariableName, Option<VariableValue>>,
        /// Leave the running instances alone until something else replaces them.
        later: bool,
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Follow the store again.
    Follow,
    /// Stay on a version, whatever the store says; deploys it unless it runs.
    PinTo {
        /// The version.
        version: VersionLabel,
        /// Number of the deployment that results.
        deployment: DeploymentId,
    },
    /// Let ghosted versions be deployed again.
    ClearGhosts {
        /// Only this one.
        version: Option<VersionLabel>,
    },
    /// Keep a version whatever its age, or no longer.
    Pin {
        /// The version.
        version: VersionLabel,
        /// Whether it is kept.
        pinned: bool,
    },
    /// Refuse deployments until told otherwise.
    Freeze {
        /// Why.
        reason: String,
        /// When it ends by itself.
        until: Option<Timestamp>,
    },
    /// Let it be deployed again.
    Unfreeze,
    /// Delete an inactive version.
    Delete {
        /// The version.
        version: VersionLabel,
    },
}

impl Command {
    /// The version that it would deploy, if it names one.
    pub fn version(&self) -> Option<&VersionLabel> {
        match self {
            Command::Deploy { version, .. } => Some(&version.label),
            Command::Activate { version, .. } | Command::PinTo { version, .. } => Some(version),
            _ => None,
        }
    }
}

/// Why a command was refused; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "refused", rename_all = "snake_case")]
pub enum Refused {
    /// Another deployment is under way.
    #[error(
        "deployment {deployment} is under way; wait for it, or give it up: bellrock deployments cancel {deployment}"
    )]
    Busy {
        /// Which.
        deployment: DeploymentId,
    },
    /// No such version.
    #[error("there is no version {version}; bellrock versions lists them")]
    NoVersion {
        /// What was asked for.
        version: VersionLabel,
    },
    /// The version was rolled back.
    #[error("version {version} is ghosted ({reason})")]
    Ghosted {
        /// Which.
        version: VersionLabel,
        /// Why it was rolled back.
        reason: String,
    },
    /// The version's package was removed.
    #[error("the package of version {version} is gone; deploy its package again")]
    NoPackage {
        /// Which.
        version: VersionLabel,
    },
    /// A version's name is taken by another package.
    #[error(
        "version {version} is registered with another package (sha256 {registered}); give the new package a version of its own"
    )]
    OtherPackage {
        /// Which.
        version: VersionLabel,
        /// Digest of the registered package.
        registered: String,
    },
    /// The package of an earlier version of that name is being removed.
    #[error("the package that was version {version} is just being removed; try again in a moment")]
    BeingRemoved {
        /// Which.
        version: VersionLabel,
    },
    /// Nothing differs from what runs.
    #[error("version {version} is running already")]
    AlreadyRunning {
        /// Which.
        version: VersionLabel,
    },
    /// The store's version is not deployed in manual mode.
    #[error("the app is in manual mode and does not follow the store")]
    Manual,
    /// There is no version to go back to.
    #[error("there is no earlier version to go back to")]
    NoWayBack,
    /// Nothing was deployed yet.
    #[error("no version of the app is active; deploy one first")]
    NothingActive,
    /// The app was stopped.
    #[error("the app is stopped")]
    AppStopped,
    /// The app runs.
    #[error("the app is running already")]
    AppRunning,
    /// No canary is running.
    #[error("no canary is running")]
    NoCanary,
    /// No such deployment is running or queued.
    #[error("deployment {deployment} is neither running nor queued")]
    NoDeployment {
        /// What was asked for.
        deployment: DeploymentId,
    },
    /// A deployment that cannot be given up any more.
    #[error("deployment {deployment} is rolling back already")]
    RollingBack {
        /// Which.
        deployment: DeploymentId,
    },
    /// No such place.
    #[error("there is no place {place}; the app has places 1 to {replicas}")]
    NoPlace {
        /// What was asked for.
        place: Place,
        /// How many there are.
        replicas: u16,
    },
    /// More places than ports are reserved for.
    #[error(
        "{replicas} places are more than max = {max}, for which ports are reserved; raise max in the app's settings and deploy"
    )]
    TooMany {
        /// What was asked for.
        replicas: u16,
        /// How many there may be.
        max: u16,
    },
    /// Fewer or more places than the load may ask for.
    #[error(
        "{replicas} places are not within {min} to {max}, between which places follow the load; change autoscale.min or autoscale.max in the app's settings and deploy"
    )]
    OutsideAutoscale {
        /// What was asked for.
        replicas: u16,
        /// Fewest.
        min: u16,
        /// Most.
        max: u16,
    },
    /// The load does not decide (any more).
    #[error("the app's places do not follow the load now: {why}")]
    NotByLoad {
        /// Why.
        why: String,
    },
    /// A watchdog has restarted an instance not long ago.
    #[error(
        "a watchdog has restarted an instance of the app already; it may again at {until} (watchdog.restart_every)"
    )]
    WatchdogTooSoon {
        /// When it may again.
        until: Timestamp,
    },
    /// A watchdog must not restart an instance now.
    #[error("a watchdog restarts nothing now: {why}")]
    NotByWatchdog {
        /// Why.
        why: String,
    },
    /// Zero places.
    #[error("an app has at least one place")]
    TooFew,
    /// The version is active, the rollback target, or part of a deployment.
    #[error("version {version} is {role} and is not deleted")]
    InUse {
        /// Which.
        version: VersionLabel,
        /// What it is used as.
        role: String,
    },
    /// Nothing is deployed now, because somebody said so.
    #[error("the app is frozen by {who}{}: {reason}", until.map(|until| format!(" until {until}")).unwrap_or_default())]
    Frozen {
        /// Why.
        reason: String,
        /// Who said so.
        who: String,
        /// When it ends by itself.
        until: Option<Timestamp>,
    },
    /// It is not frozen.
    #[error("the app is not frozen")]
    NotFrozen,
    /// A time that is over.
    #[error("{until} is over already; choose a later time")]
    Past {
        /// The time.
        until: Timestamp,
    },
    /// Requests do not come through the proxy.
    #[error("the app's requests do not come through the proxy (proxy = false in its settings)")]
    NotProxied,
    /// Longer than a pause may be, or no time at all.
    #[error(
        "a pause is longer than nothing and lasts at most {}",
        crate::human::duration(super::LONGEST_PAUSE)
    )]
    PauseTooLong,
    /// There is no pause.
    #[error("the app is not paused")]
    NotPaused,
    /// More than a page may have.
    #[error("the page has more than {} bytes", super::MOST_PAGE_BYTES)]
    PageTooLarge,
    /// There is no maintenance.
    #[error("the app is not in maintenance")]
    NoMaintenance,
    /// Nothing would change.
    #[error("nothing would change")]
    NoChange,
}
