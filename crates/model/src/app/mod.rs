//! The state of one app and its single transition function.
//!
//! `App::step(at, event)` is the only way the state changes. It is pure: the time is an argument, waiting is
//! [`App::wake_at`], and everything to be done comes back as data. A step has three parts: the event is taken
//! into the facts (`commands`, `outcomes`, `shims`, `verdicts`); then the running deployment advances
//! as far as the facts allow (`pre_start`, `forward`, `back`; `member` and `member_check` where members take turns);
//! then places without a deployment are looked after (`supervise`). Taking and advancing are apart so that recovery
//! needs no code of its own.

mod assets;
mod back;
mod beginning;
mod canary;
mod command;
mod commands;
mod comparison;
mod deployment;
mod effect;
mod event;
mod evidence;
mod forward;
mod freeze;
mod hot;
mod instance;
mod interruption;
mod member;
mod member_check;
mod mend;
mod note;
mod operations;
mod outcomes;
mod pre_start;
mod proxy_health;
mod queue;
mod registration;
mod reroute;
mod retention;
mod route;
mod server_errors;
mod sets;
mod shims;
mod strategy;
mod supervise;
mod turn;
mod upgrading;
mod verdicts;
mod version;
mod wants;
mod watchdog;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use assets::{AssetsOf, AssetsRoute};
pub use canary::{Canary, Doubt, Held, sides};
pub use command::{Command, Refused};
pub use comparison::{Comparison, Counted, Finding, Rules};
pub use deployment::{Deployment, Drain, DrainFigures, Ended, Kind, Lane, Phase, Verdict as RollbackVerdict};
pub use effect::{CommandLine, Effect, Links, Run, RunKind};
pub use event::{Event, Outcome, ShimFact, Verdict};
pub use freeze::Frozen;
pub use hot::{Hot, HotStep, Way, Wish};
pub use instance::{Ending, Exit, ExitHow, Instance, Status};
pub use interruption::{LONGEST_PAUSE, MOST_PAGE_BYTES, Maintenance, Pause};
pub use member_check::{Answer, MemberCheck};
pub use note::{Level, Note, Step};
pub use reroute::DRAIN_GRACE;
pub use route::{Backend, BackendMode, CanaryRoute, ProxyCheck, Route, Routing};
pub use server_errors::{Responses, is_clearly_above};
pub use version::{Ghost, NewVersion, Origin, Revision, Target, Variables, Version};
pub use wants::CheckWanted;

use crate::names::{AppName, DeploymentId, EffectId, InstanceId, Place, VersionId, VersionLabel};

/// Schema number of [`App`] as the journal stores it; a newer one is refused by an older daemon. A state of an older one
/// is read as it is: what it does not say has a default that holds for it.
///
/// 1: as released first. 2: routes, draining, the `parallel` strategy.
pub const SCHEMA: u32 = 2;

/// Everything Bellrock knows and wants of one app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct App {
    /// Its name.
    pub name: AppName,
    /// Whether it follows the store.
    pub mode: Mode,
    /// Whether its instances shall run; false after `stop`.
    pub running: bool,
    /// How many places `scale` asked for; otherwise the settings say.
    pub scaled_to: Option<u16>,
    /// Variables set before there was a version to set them on.
    pub first_variables: Variables,
    /// Registered versions, oldest first.
    pub versions: Vec<Version>,
    /// What was committed last, oldest first; the last one is active.
    pub committed: Vec<Target>,
    /// Places that have or had instances.
    pub places: BTreeMap<Place, PlaceState>,
    /// Instances that live, or ended last in their place.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// The deployment under way.
    pub deployment: Option<Deployment>,
    /// The one that follows it: a queue of one, the newest wins.
    pub queued: Option<Queued>,
    /// Effects that have been asked for and not ended.
    pub outbox: BTreeMap<EffectId, Effect>,
    /// What the proxy serves for it.
    #[serde(default)]
    pub routing: Routing,
    /// Why nothing is deployed now, if somebody wants that.
    #[serde(default)]
    pub frozen: Option<Frozen>,
    /// Requests wait: an operator wants it so.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// Requests get a page and 503: an operator wants it so.
    #[serde(default)]
    pub maintenance: Option<Maintenance>,
    /// Versions whose files stand in for one another's, while `assets.prefixes` says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<AssetsOf>,
    /// When a watchdog has restarted an instance last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog_restarted_at: Option<Timestamp>,
    /// Why a person is needed, if one is.
    pub stuck: Option<String>,
    next_effect: u64,
    next_instance: u64,
    next_version: u64,
}

/// Whether an app follows the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// What is counted for a place, over all its instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceState {
    /// Exits that nobody asked for.
    pub crashes: u64,
    /// Restarts that an operator or a watchdog forced.
    pub forced_restarts: u64,
    /// What its links point at.
    pub links: Links,
    /// Attempts in a row to set them that failed.
    #[serde(default)]
    pub link_failures: u32,
    /// When they are set anew, after such an attempt.
    #[serde(default)]
    pub relink_at: Option<Timestamp>,
    /// Instances in a row that could not be brought up, or were lost within a minute, outside a deployment.
    pub failed_starts: u32,
    /// Nothing is started before this time.
    pub retry_at: Option<Timestamp>,
    /// Its shim did not answer, or it could not be stopped: nothing is started here before a person has looked.
    pub unknown: Option<InstanceId>,
    /// Since when that is so.
    #[serde(default)]
    pub unknown_since: Option<Timestamp>,
}

/// A deployment that waits for the running one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// What was asked for.
    pub command: Command,
    /// Who asked.
    pub by: Origin,
    /// The number it will have.
    pub deployment: DeploymentId,
}

/// What a step leads to. The engine commits all of it in one transaction before any effect is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Stepped {
    /// The state afterwards.
    pub app: App,
    /// Effects to be done, each with its id.
    pub effects: Vec<(EffectId, Effect)>,
    /// Lines for the deployment's log and the host's events.
    pub notes: Vec<Note>,
    /// Deployments that began, changed or ended, for their records.
    pub records: Vec<Deployment>,
    /// Exits for the history of exits (a restart of the host brings one for each instance).
    pub exits: Vec<(InstanceId, Place, Exit)>,
}

/// Why an event was not taken; the state is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// A command that makes no sense now.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A fact about something that has ended or was told before; logged and forgotten.
    #[error("stale: {0}")]
    Stale(String),
}

impl App {
    /// An app that nothing is known of yet.
    pub fn new(name: AppName) -> Self {
        App {
            name,
            mode: Mode::Automatic,
            running: true,
            scaled_to: None,
            first_variables: Variables::new(),
            versions: Vec::new(),
            committed: Vec::new(),
            places: BTreeMap::new(),
            instances: BTreeMap::new(),
            deployment: None,
            queued: None,
            outbox: BTreeMap::new(),
            routing: Routing::default(),
            frozen: None,
            pause: None,
            maintenance: None,
            assets: Vec::new(),
            watchdog_restarted_at: None,
            stuck: None,
            next_effect: 1,
            next_instance: 1,
            next_version: 1,
        }
    }

    /// Takes an event at a time, and says what follows.
    ///
    /// # Errors
    /// [`NotTaken`] when a command is refused or a fact is stale; nothing has changed then.
    pub fn step(&self, at: Timestamp, event: Event) -> Result<Stepped, NotTaken> {
        let mut turn = turn::Turn::new(self.clone(), at);
        turn.take(event)?;
        turn.advance();
        Ok(turn.finish(self))
    }

    /// Whether an effect was asked for and its outcome is known.
    pub fn has_ended(&self, effect: EffectId) -> bool {
        effect.0 < self.next_effect && !self.outbox.contains_key(&effect)
    }

    /// The version with a number.
    pub fn version(&self, id: VersionId) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The version with a label.
    pub fn version_called(&self, label: &VersionLabel) -> Option<&Version> {
        self.versions.iter().find(|version| version.label == *label)
    }

    /// What was committed last: it runs, unless the app is stopped.
    pub fn active(&self) -> Option<Target> {
        self.committed.last().copied()
    }

    /// What `rollback` goes back to: the last committed version before the active one that can still be started.
    pub fn rollback_target(&self) -> Option<Target> {
        let active = self.active()?;
        self.committed
            .iter()
            .rev()
            .map(|target| target.version)
            .find(|id| {
                *id != active.version
                    && self.version(*id).is_some_and(|version| version.ghost.is_none() && version.stored)
            })
            .and_then(|id| self.version(id))
            .map(Version::target)
    }

    /// Settings and variables of a target.
    pub fn revision(&self, target: Target) -> Option<&Revision> {
        self.version(target.version).map(|version| version.at(target.revision))
    }

    /// A version's label with its revision: `1.4.2`, `1.4.2+env3`.
    pub fn label(&self, target: Target) -> String {
        match self.version(target.version) {
            Some(version) => version.label_at(target.revision),
            None => target.version.to_string(),
        }
    }

    /// How many places there shall be when `target` is active.
    pub fn replicas(&self, target: Target) -> u16 {
        let Some(revision) = self.revision(target) else { return 0 };
        let settings = &revision.settings;
        match settings.autoscale_range() {
            Some(range) => self.scaled_to.unwrap_or(*range.start()).clamp(*range.start(), *range.end()),
            None => self.scaled_to.unwrap_or(settings.replicas).min(settings.max()),
        }
    }

    /// The instances of a place that have not ended.
    pub fn living(&self, place: Place) -> impl DoubleEndedIterator<Item = &Instance> {
        self.instances.values().filter(move |instance| instance.place == place && !instance.is_gone())
    }
}
