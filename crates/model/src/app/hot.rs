//! What a deployment keeps in mind that takes running instances to another version, without starting them anew, and
//! where it may be so.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::deployment::{Deployment, Kind, Lane};
use super::instance::Instance;
use super::version::Target;
use crate::names::{EffectId, FindingCode, InstanceId, Place};
use crate::settings::{Strategy, UpgradeMode};

/// How a deployment shall take instances to another version, as far as whoever asks for it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// Hot or not.
    pub way: Way,
    /// Findings that forbid a hot upgrade and shall not.
    pub forced: BTreeSet<FindingCode>,
}

/// By which way instances get another version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As the settings say (`upgrade`).
    #[default]
    AsSet,
    /// By fresh instances.
    Full,
    /// Hot where that is safe, else by fresh instances.
    Auto,
    /// Hot or not at all.
    Hot,
}

/// What a deployment that is hot keeps in mind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hot {
    /// When it may be.
    pub mode: UpgradeMode,
    /// Whether nothing else is tried.
    pub only: bool,
    /// Findings that shall not forbid it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub forced: BTreeSet<FindingCode>,
    /// When the instances after the first one may follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate_until: Option<Timestamp>,
}

/// How far a place's instance has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum HotStep {
    /// It is taken to the new version.
    Upgrading {
        /// The effect that does it.
        effect: EffectId,
    },
    /// The new version runs in it; its next start would be of the old one.
    Upgraded {
        /// Whether it can be taken back.
        undo: bool,
    },
    /// Its next start is made one of the new version.
    Settling {
        /// The effect that does it.
        effect: EffectId,
    },
    /// It is one of the new version.
    Settled,
    /// It is taken back to the old version.
    Undoing {
        /// The effect that does it.
        effect: EffectId,
    },
}

impl HotStep {
    /// The effect that is waited for.
    pub fn effect(self) -> Option<EffectId> {
        match self {
            HotStep::Upgrading { effect } | HotStep::Settling { effect } | HotStep::Undoing { effect } => {
                Some(effect)
            }
            HotStep::Upgraded { .. } | HotStep::Settled => None,
        }
    }
}

impl App {
    /// What a deployment of this kind keeps in mind, if it may be hot. One that shall be hot or not at all may, until it is
    /// known better.
    pub(super) fn hot(&self, kind: Kind, to: Option<Target>, wish: &Wish) -> Option<Hot> {
        let to = to.filter(|_| kind.judges_version())?;
        let changes = self.active().is_some_and(|from| from.version != to.version);
        if !changes && wish.way != Way::Hot {
            return None;
        }
        let mode = match wish.way {
            Way::AsSet => self.revision(to)?.settings.upgrade,
            Way::Full => UpgradeMode::Never,
            Way::Auto | Way::Hot => UpgradeMode::Auto,
        };
        let hot = Hot { mode, only: wish.way == Way::Hot, forced: wish.forced.clone(), gate_until: None };
        (mode != UpgradeMode::Never).then_some(hot)
    }

    /// Why what runs cannot be upgraded by a deployment, whatever its versions hold.
    pub(super) fn why_not_hot(&self, deployment: &Deployment, hot: &Hot) -> Option<String> {
        let (Some(from), Some(to)) = (deployment.from, deployment.to) else {
            return Some("nothing runs".into());
        };
        if from.version == to.version {
            return Some("the version stays the same".into());
        }
        let (Some(old), Some(new)) = (self.revision(from), self.revision(to)) else {
            return Some("the settings of a version are gone".into());
        };
        if deployment.strategy == Strategy::Member {
            return Some("its members take turns".into());
        }
        if deployment.strategy == Strategy::TemporaryShutdown && deployment.lanes.len() > 1 {
            return Some("its versions must not run side by side (temporary_shutdown)".into());
        }
        let has_one_slot = old.settings.has_one_slot() || new.settings.has_one_slot();
        if has_one_slot && deployment.strategy != Strategy::TemporaryShutdown {
            return Some(
                "nothing could stand beside an instance that cannot be taken back (node_name)".into(),
            );
        }
        if !new.settings.canary.steps.is_empty() && !hot.only {
            return Some("its settings ask for a canary".into());
        }
        if deployment.lanes.values().any(|lane| !lane.wants_new || lane.old.is_none()) {
            return Some("the number of places changes".into());
        }
        deployment.lanes.iter().find_map(|(place, lane)| self.why_not_upgraded(*place, lane, from))
    }

    /// Why the instance of a place cannot be upgraded now.
    pub(super) fn why_not_upgraded(&self, place: Place, lane: &Lane, from: Target) -> Option<String> {
        let old = lane.old.and_then(|id| self.instances.get(&id));
        match old {
            Some(old) if old.runs() != from => {
                Some(format!("instance {place} runs v{}", self.label(old.runs())))
            }
            Some(old) if !old.is_ready() || old.pid.is_none() => {
                Some(format!("instance {place} is {}, not ready", old.word()))
            }
            Some(_) => None,
            None => Some(format!("instance {place} is gone")),
        }
    }

    /// Whether all instances of a hot deployment run the new version and are ready.
    pub(super) fn is_hot_whole(&self, deployment: &Deployment) -> bool {
        deployment.lanes.values().all(|lane| self.is_ready(lane.old) && lane.is_upgraded())
    }

    /// The old instance of a lane, if it runs the new version, lives, and cannot be taken back.
    pub(super) fn beyond_undo(&self, lane: &Lane) -> Option<&Instance> {
        lane.old
            .and_then(|id| self.instances.get(&id))
            .filter(|old| lane.is_beyond_undo() && !old.is_ending())
    }

    /// Whether nothing of the new version is left in the old instance of a lane.
    pub(super) fn is_taken_back(&self, lane: &Lane) -> bool {
        !lane.is_beyond_undo() || self.is_gone(lane.old)
    }
}

impl Lane {
    /// Whether the old instance runs the new version and there is no way back for it.
    fn is_beyond_undo(&self) -> bool {
        matches!(self.hot, Some(HotStep::Upgraded { undo: false } | HotStep::Settled))
    }

    /// Whether the old instance runs the new version.
    pub(super) fn is_upgraded(&self) -> bool {
        matches!(self.hot, Some(HotStep::Upgraded { .. } | HotStep::Settling { .. } | HotStep::Settled))
    }
}

impl Deployment {
    /// Whether an instance of this deployment runs the new version, hot.
    pub fn has_upgraded(&self, id: InstanceId) -> bool {
        self.lanes.values().any(|lane| lane.old == Some(id) && lane.is_upgraded())
    }

    /// Whether instances are taken to the new version while they run.
    pub fn is_hot(&self) -> bool {
        self.hot.is_some()
    }

    /// The place of an instance in which the new version runs, while its next start would be of the old one and this
    /// deployment goes forward.
    pub(super) fn upgraded_place(&self, id: InstanceId) -> Option<Place> {
        let is_it = |lane: &Lane| lane.old == Some(id) && matches!(lane.hot, Some(HotStep::Upgraded { .. }));
        let mut lanes = self.lanes.iter().filter(|_| self.is_hot() && !self.is_rolling_back());
        lanes.find(|(_, lane)| is_it(lane)).map(|(place, _)| *place)
    }

    /// When the instances after the first one may follow.
    pub(super) fn gate_ends(&self) -> Option<Timestamp> {
        self.hot.as_ref().and_then(|hot| hot.gate_until).filter(|_| !self.is_waiting())
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.lanes.values().any(|lane| lane.hot.is_some_and(|step| step.effect().is_some()))
    }
}
