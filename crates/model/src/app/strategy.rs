//! Strategies: who may start and who may be retired, as two questions about the lanes.

use super::App;
use super::deployment::{Deployment, Lane};
use super::instance::Ending;
use crate::names::{InstanceId, Place, Slot};
use crate::settings::Strategy;

impl App {
    pub(super) fn is_ready(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.instances.get(&id)).is_some_and(super::Instance::is_ready)
    }

    /// Whether an instance has ended (or never was).
    pub(super) fn is_gone(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.instances.get(&id)).is_none_or(super::Instance::is_gone)
    }

    /// Whether an instance is being stopped or has ended (or never was).
    pub(super) fn is_ending(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.instances.get(&id)).is_none_or(super::Instance::is_ending)
    }

    /// Whether a lane has what it shall have: the new one is ready and gets traffic, the old one is gone; where members take
    /// turns, the check has said yes.
    pub(super) fn is_settled(&self, lane: &Lane) -> bool {
        let is_checked =
            |deployment: &Deployment| !deployment.takes_turns() || self.is_checked(deployment, lane);
        self.has_new(lane) && self.is_gone(lane.old) && self.deployment.as_ref().is_none_or(is_checked)
    }

    /// Whether the new instance of a lane, if it shall have one, is ready and gets traffic.
    fn has_new(&self, lane: &Lane) -> bool {
        !lane.wants_new || (self.is_ready(lane.new) && self.is_routed(lane.new))
    }

    /// Whether traffic may be switched from all old instances to all new ones.
    pub(super) fn may_switch(&self, deployment: &Deployment) -> bool {
        deployment.switches_at_once()
            && deployment.switched_at.is_none()
            && deployment.lanes.values().all(|lane| !lane.wants_new || self.is_ready(lane.new))
    }

    /// Whether all that a deployment brings serves. Where one switch does it, old instances may be there yet.
    pub(super) fn serves(&self, deployment: &Deployment) -> bool {
        if deployment.switches_at_once() {
            deployment.switched_at.is_some() && deployment.lanes.values().all(|lane| self.has_new(lane))
        } else {
            self.holds(deployment)
        }
    }

    fn is_settled_before(&self, deployment: &Deployment, place: Place) -> bool {
        deployment.lanes.range(..place).all(|(_, lane)| self.is_settled(lane))
    }

    /// Whether nothing stands in a slot: its port and its node name are free.
    pub(super) fn is_free(&self, place: Place, slot: Slot) -> bool {
        self.living(place).all(|instance| instance.slot != slot)
    }

    /// Whether the new instance of a place may be started.
    pub(super) fn may_start(&self, place: Place) -> bool {
        let Some(deployment) = &self.deployment else { return false };
        if self.is_unknown(place) {
            return false;
        }
        let mut lanes = deployment.lanes.values();
        match deployment.strategy {
            // It served and was lost: there is nothing to take turns with.
            _ if deployment.is_serving() => true,
            Strategy::Parallel => true,
            Strategy::Rolling if lanes.all(|lane| lane.old.is_none()) => true,
            Strategy::Rolling => self.is_settled_before(deployment, place),
            Strategy::Member => self.may_start_member(deployment, place),
            Strategy::TemporaryShutdown => {
                lanes.all(|lane| self.is_gone(lane.old))
                    && !deployment.lanes.keys().any(|place| self.is_unknown(*place))
            }
        }
    }

    /// Whether an instance may still run in a place though it should have ended.
    pub(super) fn is_unknown(&self, place: Place) -> bool {
        self.places.get(&place).is_some_and(|state| state.unknown.is_some())
    }

    /// Whether the old instance of a place may be retired.
    pub(super) fn may_retire(&self, place: Place, lane: &Lane) -> bool {
        let Some(deployment) = &self.deployment else { return false };
        match deployment.strategy {
            Strategy::Parallel => {
                deployment.is_serving()
                    && lane
                        .old
                        .is_some_and(|old| self.needs_drain(old) || self.may_stop_another(&Ending::Retired))
            }
            Strategy::Rolling if lane.wants_new => {
                self.has_new(lane) && self.is_settled_before(deployment, place)
            }
            Strategy::Rolling => {
                deployment.lanes.values().filter(|lane| lane.wants_new).all(|lane| self.is_settled(lane))
            }
            Strategy::TemporaryShutdown => true,
            Strategy::Member => self.may_retire_member(deployment, place, lane),
        }
    }
}
