//! What the state wants of those who only read it: checks to be made, and the time of the next tick.

use jiff::{SignedDuration, Timestamp};

use super::App;
use super::deployment::Phase;
use super::instance::Status;
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

    /// When the state wants a tick, if nothing happens before.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let replicas =
            self.active().filter(|_| self.running && self.stuck.is_none()).map_or(0, |it| self.replicas(it));
        let retries = self
            .places
            .range(..=Place(replicas))
            .filter(|(place, state)| state.unknown.is_none() && self.living(**place).next().is_none())
            .filter_map(|(_, state)| state.retry_at);
        retries.chain(self.deployment_wakes_at()).min()
    }

    fn deployment_wakes_at(&self) -> Option<Timestamp> {
        let deployment = self.deployment.as_ref()?;
        match deployment.phase {
            Phase::Watching { until } => Some(until),
            Phase::Replacing => {
                let deadline = self.revision(deployment.to?)?.settings.deploy_deadline;
                deployment.started_at?.checked_add(SignedDuration::try_from(deadline).ok()?).ok()
            }
            _ => None,
        }
    }
}
