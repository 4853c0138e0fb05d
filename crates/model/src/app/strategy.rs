//! Strategies: who may start and who may be retired, as two questions about the lanes.

use super::App;
use super::deployment::Lane;
use crate::names::{InstanceId, Place};
use crate::settings::Strategy;

impl App {
    fn is_ready(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.instances.get(&id)).is_some_and(super::Instance::is_ready)
    }

    /// Whether an instance has ended (or never was).
    pub(super) fn is_gone(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.instances.get(&id)).is_none_or(super::Instance::is_gone)
    }

    /// Whether a lane has what it shall have: the new one was ready, the old one is gone.
    pub(super) fn is_settled(&self, lane: &Lane) -> bool {
        (!lane.wants_new || self.was_ready(lane.new)) && self.is_gone(lane.old)
    }

    fn was_ready(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.instances.get(&id)).is_some_and(|instance| instance.ready_at.is_some())
    }

    /// Whether the new instance of a place may be started.
    pub(super) fn may_start(&self, place: Place) -> bool {
        let Some(deployment) = &self.deployment else { return false };
        let mut lanes = deployment.lanes.iter();
        match deployment.strategy {
            Strategy::Rolling if lanes.all(|(_, lane)| lane.old.is_none()) => true,
            Strategy::Rolling => deployment.lanes.range(..place).all(|(_, lane)| self.is_settled(lane)),
            Strategy::TemporaryShutdown => lanes.all(|(_, lane)| self.is_gone(lane.old)),
        }
    }

    /// Whether the old instance of a place may be retired.
    pub(super) fn may_retire(&self, lane: &Lane) -> bool {
        let Some(deployment) = &self.deployment else { return false };
        match deployment.strategy {
            Strategy::Rolling if lane.wants_new => self.is_ready(lane.new),
            Strategy::Rolling => {
                deployment.lanes.values().filter(|lane| lane.wants_new).all(|lane| self.is_settled(lane))
            }
            Strategy::TemporaryShutdown => true,
        }
    }
}
