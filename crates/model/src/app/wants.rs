//! What the state wants of those who only read it: checks to be made, and the time of the next tick.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::App;
use super::deployment::{Deployment, Lane, Phase};
use super::instance::{Instance, Status};
use crate::names::{InstanceId, Place};

/// A check that somebody should be making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckWanted {
    /// The instance.
    pub instance: InstanceId,
    /// Its run; another run is checked anew.
    pub run: u32,
    /// Whether it is asked for readiness (before it was ready in this run) or for health.
    pub readiness: bool,
}

pub(super) fn later(time: Timestamp, by: Duration) -> Option<Timestamp> {
    time.checked_add(SignedDuration::try_from(by).ok()?).ok()
}

impl App {
    /// The checks that should be running.
    pub fn checks_wanted(&self) -> impl Iterator<Item = CheckWanted> {
        self.instances.values().filter(|instance| instance.run > 0).filter_map(|instance| {
            let readiness = match instance.status {
                Status::Starting => true,
                Status::Ready | Status::Unhealthy { .. } => false,
                _ => return None,
            };
            Some(CheckWanted { instance: instance.id, run: instance.run, readiness })
        })
    }

    /// When the state wants a tick, if nothing happens before. A tick at that time changes the state.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let retries = self.vacancies().into_iter().filter_map(|vacancy| vacancy.not_before);
        let relinks = self.places.values().filter_map(|state| state.relink_at);
        let thaw = self.frozen.as_ref().and_then(|it| it.until);
        let drains = self.instances.values().filter_map(|it| self.blind_drain_ends(it));
        let pause = self.pause.map(|pause| pause.until);
        let waits = retries.chain(relinks).chain(thaw).chain(drains).chain(pause).chain(self.assets_end_at());
        let asks = self.deployment.as_ref().and_then(|it| self.asks_again_at(it));
        waits.chain(self.routing.retry_at).chain(self.deployment_wakes_at()).chain(asks).min()
    }

    fn deployment_wakes_at(&self) -> Option<Timestamp> {
        let deployment = self.deployment.as_ref()?;
        match deployment.phase {
            Phase::Replacing if deployment.running_canary().is_some() && self.may_switch(deployment) => {
                self.canary_wakes_at(deployment)
            }
            Phase::Replacing if !deployment.is_serving() && deployment.running_canary().is_none() => {
                self.deadline(deployment)
            }
            Phase::Upgrading => deployment.gate_ends(),
            // While one is not ready, its coming back (or its end) is waited for.
            Phase::Watching { until } if self.holds(deployment) => Some(until),
            Phase::Replacing | Phase::Watching { .. } | Phase::RollingBack { .. } => {
                let laggards = self.brought_up(deployment).filter_map(|it| self.ready_by(it));
                laggards.chain(self.way_back_ends(deployment)).min()
            }
            _ => None,
        }
    }

    /// When a deployment must be serving: `deploy_deadline` after its first start. While a canary runs there is no such
    /// time, and it counts from the canary's end.
    pub(super) fn deadline(&self, deployment: &Deployment) -> Option<Timestamp> {
        let since = deployment.canary.as_ref().map_or(deployment.started_at, |canary| canary.ended_at);
        later(since?, self.revision(deployment.to?)?.settings.deploy_deadline)
    }

    /// A place whose new instance is gone while a canary runs, and in which nothing may be started before a person has
    /// looked: no step will ever end.
    pub(super) fn lost_canary(&self, deployment: &Deployment) -> Option<Place> {
        deployment.running_canary()?;
        let is_lost = |place, lane: &Lane| lane.wants_new && self.is_gone(lane.new) && self.is_unknown(place);
        deployment.lanes.iter().find(|(place, lane)| is_lost(**place, lane)).map(|(place, _)| *place)
    }

    /// Whether all that a deployment brought is ready now, or was and cannot be replaced before a person has looked.
    pub(super) fn holds(&self, deployment: &Deployment) -> bool {
        let is_lost = |place, lane: &Lane| {
            let is_empty = self.is_gone(lane.new) && self.is_gone(lane.old);
            deployment.is_serving() && self.is_unknown(place) && is_empty
        };
        if deployment.is_hot() {
            return self.is_hot_whole(deployment);
        }
        deployment.lanes.iter().all(|(place, lane)| self.is_settled(lane) || is_lost(*place, lane))
    }

    /// Instances that a deployment has brought up and that nobody has seen ready.
    pub(super) fn brought_up<'a>(&'a self, deployment: &'a Deployment) -> impl Iterator<Item = &'a Instance> {
        let lanes = deployment.lanes.values();
        lanes
            .flat_map(|lane| [lane.new, lane.back])
            .flatten()
            .filter_map(|id| self.instances.get(&id))
            .filter(|it| it.ready_at.is_none() && !it.is_ending())
    }

    /// When such an instance must be ready where the deployment's own deadline does not count (any more).
    pub(super) fn ready_by(&self, instance: &Instance) -> Option<Timestamp> {
        later(instance.created_at, self.revision(instance.target)?.settings.deploy_deadline)
    }
}
