//! Places without a deployment: what should run does.

use std::time::Duration;

use super::deployment::Phase;
use super::effect::{Effect, Links};
use super::instance::{Ending, Instance, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use crate::names::{InstanceId, Place, Slot};

/// Longest wait between two attempts to bring an instance up.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl Turn {
    /// Brings up an instance in each place that should have one and has none.
    pub(super) fn supervise(&mut self) {
        let Some(active) = self.app.active() else { return };
        if !self.app.running || self.app.stuck.is_some() {
            return;
        }
        for place in (1..=self.app.replicas(active)).map(Place) {
            if self.is_in_lanes_at_work(place)
                || self.app.living(place).next().is_some()
                || !self.may_try(place)
            {
                continue;
            }
            let slot = self.last_in(place).map_or(Slot::A, |last| last.slot);
            let id = self.create(place, slot, active);
            if let Some(lane) = self.app.deployment.as_mut().and_then(|it| it.lanes.get_mut(&place)) {
                lane.old = Some(id);
            }
        }
    }

    fn may_try(&self, place: Place) -> bool {
        self.app.places.get(&place).is_none_or(|state| {
            state.unknown.is_none() && state.retry_at.is_none_or(|retry_at| self.at >= retry_at)
        })
    }

    /// While its lanes are being worked on, a deployment looks after them itself.
    fn is_in_lanes_at_work(&self, place: Place) -> bool {
        self.app.deployment.as_ref().is_some_and(|deployment| {
            deployment.lanes.contains_key(&place)
                && !matches!(deployment.phase, Phase::Staging { .. } | Phase::Commands { .. })
        })
    }

    fn last_in(&self, place: Place) -> Option<&Instance> {
        self.app.instances.values().filter(|instance| instance.place == place).next_back()
    }

    /// An instance could not be brought up and nothing of it is left.
    pub(super) fn failed_to_start(&mut self, id: InstanceId, reason: String, tail: Option<String>) {
        let at = self.at;
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let place = instance.place;
        instance.status =
            Status::Stopped { at, why: Ending::Failed { reason: reason.clone(), tail: tail.clone() } };
        if self.is_in_lanes_at_work(place) {
            return;
        }
        let state = self.app.places.entry(place).or_default();
        state.failed_starts += 1;
        let wait = (Duration::from_secs(2) * state.failed_starts).min(LONGEST_WAIT);
        let again = self.after(wait);
        self.app.places.entry(place).or_default().retry_at = Some(again);
        let text = format!(
            "instance {place} could not be started: {reason}; again in {}",
            crate::human::duration(wait)
        );
        let note = self.note_of(id, Step::Ended, text);
        note.level = Level::Alarm;
        note.tail = tail;
    }

    /// Keeps one ended instance per place, the newest; removes what older ones left.
    pub(super) fn prune(&mut self) {
        let places: Vec<Place> = self.app.places.keys().copied().collect();
        for place in places {
            let ended: Vec<InstanceId> = self
                .app
                .instances
                .values()
                .filter(|it| it.place == place && it.is_gone())
                .map(|it| it.id)
                .collect();
            let in_use = |id: &InstanceId| {
                self.app
                    .deployment
                    .as_ref()
                    .and_then(|it| it.lanes.get(&place))
                    .is_some_and(|lane| [lane.old, lane.new, lane.back].contains(&Some(*id)))
            };
            let leaving: Vec<InstanceId> = ended
                .iter()
                .rev()
                .skip(1)
                .filter(|id| !in_use(id) && !self.is_being_removed(**id))
                .copied()
                .collect();
            for id in leaving {
                self.issue(Effect::Remove { instance: id });
            }
        }
        self.app.places.retain(|place, _| self.app.instances.values().any(|it| it.place == *place));
    }

    fn is_being_removed(&self, id: InstanceId) -> bool {
        self.app.outbox.values().any(|effect| *effect == Effect::Remove { instance: id })
    }

    /// Points the links of each place at what serves it now.
    pub(super) fn relink(&mut self) {
        let places: Vec<Place> = self.app.places.keys().copied().collect();
        for place in places {
            let links = self.links(place);
            let state = self.app.places.entry(place).or_default();
            if state.links != links {
                state.links = links;
                self.issue(Effect::Link { place, links });
            }
        }
    }

    fn links(&self, place: Place) -> Links {
        let in_place = || self.app.instances.values().filter(|it| it.place == place);
        let living: Vec<&Instance> = in_place().filter(|it| !it.is_gone()).collect();
        // The newest that has been ready serves; before that, the oldest that is not being stopped.
        let current = living
            .iter()
            .rev()
            .find(|it| it.is_ready())
            .or_else(|| living.iter().find(|it| !it.is_ending() && it.ready_at.is_some()))
            .or_else(|| living.first())
            .map(|it| it.id);
        let new = living.iter().rev().find(|it| !it.is_ending() && Some(it.id) > current).map(|it| it.id);
        let previous = in_place()
            .filter(|it| it.is_gone() || (it.is_ending() && Some(it.id) != current))
            .map(|it| it.id)
            .next_back();
        Links { current, new, previous }
    }
}
