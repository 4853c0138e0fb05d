//! Places without a deployment: what should run does.

use std::time::Duration;

use jiff::Timestamp;

use super::App;
use super::deployment::Phase;
use super::effect::{Effect, Links};
use super::instance::{Ending, Instance, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use crate::names::{InstanceId, Place, Slot};
use crate::settings::Strategy;

/// Longest wait between two attempts to bring an instance up (D09).
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// An instance that was ready this long has put an end to the row of failures before it (D09).
const STEADY: Duration = Duration::from_secs(60);

/// A place that should have an instance and has none.
pub(super) struct Vacancy {
    pub(super) place: Place,
    /// Nothing is started before this time.
    pub(super) not_before: Option<Timestamp>,
}

impl App {
    /// Places that no deployment works on, that should have an instance and have none.
    pub(super) fn vacancies(&self) -> Vec<Vacancy> {
        let active = self.active().filter(|_| self.running && self.stuck.is_none());
        let replicas = active.map_or(0, |active| self.replicas(active));
        (1..=replicas)
            .map(Place)
            .filter(|place| self.is_supervised(*place) && self.living(*place).next().is_none())
            .filter_map(|place| match self.places.get(&place) {
                Some(state) if state.unknown.is_some() => None,
                state => Some(Vacancy { place, not_before: state.and_then(|state| state.retry_at) }),
            })
            .collect()
    }

    /// Whether a place is looked after here: a deployment looks after its lanes itself once it works on them.
    fn is_supervised(&self, place: Place) -> bool {
        let Some(deployment) = &self.deployment else { return true };
        let Some(lane) = deployment.lanes.get(&place) else { return true };
        match deployment.phase {
            // A place that was empty waits for its new instance, unless commands may take long before that.
            Phase::Staging { .. } | Phase::Planning { .. } | Phase::Commands { .. } => {
                lane.old.is_some() || deployment.kind.is_watched()
            }
            // An old instance that is lost before its turn is replaced by one of the old version.
            Phase::Replacing => {
                matches!(deployment.strategy, Strategy::Rolling | Strategy::Member)
                    && (lane.wants_new && lane.old.is_some() && lane.new.is_none() && lane.failures == 0)
                    && !self.may_start(place)
            }
            Phase::AfterRollback { .. } => true,
            Phase::Upgrading
            | Phase::Watching { .. }
            | Phase::Settling
            | Phase::RollingBack { .. }
            | Phase::Ended { .. } => false,
        }
    }
}

impl Turn {
    /// Brings up an instance in each place that should have one and has none.
    pub(super) fn supervise(&mut self) {
        let Some(active) = self.app.active() else { return };
        for Vacancy { place, not_before } in self.app.vacancies() {
            if not_before.is_some_and(|not_before| self.at < not_before) {
                continue;
            }
            let slot = match self.settings(active).has_one_slot() {
                true => Slot::A,
                false => self.last_in(place).map_or(Slot::A, |last| last.slot),
            };
            let id = self.create(place, slot, active);
            if let Some(lane) = self.app.deployment.as_mut().and_then(|it| it.lanes.get_mut(&place)) {
                lane.old = Some(id);
            }
        }
    }

    fn last_in(&self, place: Place) -> Option<&Instance> {
        self.app.instances.values().rfind(|instance| instance.place == place)
    }

    /// An instance could not be brought up and nothing of it is left.
    pub(super) fn failed_to_start(&mut self, id: InstanceId, reason: String, tail: Option<String>) {
        let at = self.at;
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let place = instance.place;
        instance.status =
            Status::Stopped { at, why: Ending::Failed { reason: reason.clone(), tail: tail.clone() } };
        let Some(wait) = self.back_off(id) else { return };
        let text = format!(
            "instance {place} could not be started: {reason}; again in {}",
            crate::human::duration(wait)
        );
        let note = self.note_of(id, Step::Ended, text);
        note.level = Level::Alarm;
        note.tail = tail;
    }

    /// An instance that nobody stopped has ended, and no shim starts it again: says how long its place waits
    /// for the next one, by the rule for exits (D09). `None` where a deployment decides that.
    pub(super) fn back_off(&mut self, id: InstanceId) -> Option<Duration> {
        let instance = self.app.instances.get(&id)?;
        let (place, ready_at) = (instance.place, instance.ready_at);
        if !self.app.is_supervised(place) {
            return None;
        }
        let was_steady = ready_at.is_some_and(|ready_at| self.since(ready_at) >= STEADY);
        let state = self.app.places.entry(place).or_default();
        state.failed_starts = if was_steady { 1 } else { state.failed_starts.saturating_add(1) };
        let wait = match state.failed_starts {
            1 if ready_at.is_some() => Duration::ZERO,
            failures => Duration::from_secs(2).saturating_mul(failures).min(LONGEST_WAIT),
        };
        let again = self.after(wait);
        self.app.places.entry(place).or_default().retry_at = Some(again);
        Some(wait)
    }

    /// Keeps one ended instance per place, the one that ended last, and one that may still run; removes what the others
    /// left.
    pub(super) fn prune(&mut self) {
        let places: Vec<(Place, Option<InstanceId>)> =
            self.app.places.iter().map(|(place, state)| (*place, state.unknown)).collect();
        for (place, unknown) in places {
            let last = self.last_ended(place);
            let leaving: Vec<InstanceId> = self
                .app
                .instances
                .values()
                .filter(|it| it.place == place && it.is_gone() && ![last, unknown].contains(&Some(it.id)))
                .map(|it| it.id)
                .filter(|id| !self.is_in_a_lane(*id) && !self.is_being_removed(*id))
                .collect();
            for id in leaving {
                self.issue(Effect::Remove { instance: id });
            }
        }
    }

    fn last_ended(&self, place: Place) -> Option<InstanceId> {
        let ended = self.app.instances.values().filter(|it| it.place == place);
        ended.filter_map(|it| Some((it.ended_at()?, it.id))).max().map(|(_, id)| id)
    }

    fn is_in_a_lane(&self, id: InstanceId) -> bool {
        let mut lanes = self.app.deployment.iter().flat_map(|it| it.lanes.values());
        lanes.any(|lane| [lane.old, lane.new, lane.back].contains(&Some(id)))
    }

    fn is_being_removed(&self, id: InstanceId) -> bool {
        self.app.outbox.values().any(|effect| *effect == Effect::Remove { instance: id })
    }

    /// Points the links of each place at what serves it now; again, where that failed a while ago.
    pub(super) fn relink(&mut self) {
        let places: Vec<Place> = self.app.places.keys().copied().collect();
        for place in places {
            let (links, at) = (self.links(place), self.at);
            let state = self.app.places.entry(place).or_default();
            if state.links != links || state.relink_at.is_some_and(|relink_at| relink_at <= at) {
                state.links = links;
                state.relink_at = None;
                self.issue(Effect::Link { place, links });
            }
        }
    }

    /// The links of a place were set, or could not be: then they are later, by the rule for failed starts.
    pub(super) fn relink_after(&mut self, place: Place, failed: bool) {
        let state = self.app.places.entry(place).or_default();
        state.link_failures = if failed { state.link_failures.saturating_add(1) } else { 0 };
        let wait = Duration::from_secs(2).saturating_mul(state.link_failures).min(LONGEST_WAIT);
        let relink_at = failed.then(|| self.after(wait));
        self.app.places.entry(place).or_default().relink_at = relink_at;
    }

    fn links(&self, place: Place) -> Links {
        let in_place = || self.app.instances.values().filter(|it| it.place == place);
        // An instance whose tree is being laid out has nothing to point at.
        let living: Vec<&Instance> =
            in_place().filter(|it| !it.is_gone() && !matches!(it.status, Status::Creating { .. })).collect();
        // The newest that is ready and shall serve does; else one that has served, else the oldest.
        let current = living
            .iter()
            .rev()
            .find(|it| it.is_ready() && self.app.is_chosen(it) && !self.app.is_canary(it))
            .or_else(|| living.iter().find(|it| !it.is_ending() && it.ready_at.is_some()))
            .or_else(|| living.iter().find(|it| !it.is_ending()))
            .or_else(|| living.first())
            .map(|it| it.id);
        let new = living.iter().rev().find(|it| !it.is_ending() && Some(it.id) > current).map(|it| it.id);
        let previous = in_place()
            .filter(|it| it.is_ending() && !it.is_gone() && Some(it.id) != current)
            .map(|it| it.id)
            .next_back()
            .or_else(|| self.last_ended(place));
        Links { current, new, previous }
    }
}
