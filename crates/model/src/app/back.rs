//! A deployment on its way back.

use super::Mode;
use super::deployment::{Deployment, Ended, Kind, Lane, Phase, Verdict};
use super::effect::{CommandLine, Effect, Run, RunKind};
use super::instance::{Ending, Instance, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::{Ghost, Target};
use crate::names::{InstanceId, Place, Slot};
use crate::settings::Strategy;

impl Turn {
    /// Turns the running deployment round, whatever phase it is in.
    pub(super) fn turn_back(&mut self, reason: String, tail: Option<String>, then: Verdict) {
        if self.deployment().is_rolling_back() {
            return;
        }
        let at = self.at;
        self.ask_no_more();
        self.deployment().turned_at = Some(at);
        self.deployment().phase = Phase::RollingBack { reason: reason.clone(), tail: tail.clone(), then };
        self.keep_what_is_right(then);
        self.take_back();
        if self.deployment().kind == Kind::Scale {
            self.app.scaled_to = self.deployment().scaled_before;
        }
        let way_back = self.deployment().from.filter(|_| self.changes_version());
        let way_back = way_back.map(|from| self.app.label(from));
        let text = match (way_back, then) {
            (_, Verdict::Superseded) => reason,
            (Some(label), _) if self.has_started() && self.app.running => {
                format!("going back to v{label}: {reason}")
            }
            _ => format!("giving up: {reason}"),
        };
        let note = self.note(Step::RollingBack, text);
        note.level = if then == Verdict::RolledBack { Level::Alarm } else { Level::Warning };
        note.tail = tail;
    }

    /// Whether there is another version (or revision) to go back to. Where there is not, what is missing is made
    /// anew without a deployment: it backs off and alarms, but it is never given up.
    fn changes_version(&self) -> bool {
        self.app.deployment.as_ref().is_some_and(|it| it.from != it.to)
    }

    fn has_started(&self) -> bool {
        self.app.deployment.as_ref().is_some_and(|it| it.started_at.is_some())
    }

    /// A new instance of the very version that we go back to is not replaced by another of it.
    fn keep_what_is_right(&mut self, then: Verdict) {
        let (kind, from) = (self.deployment().kind, self.deployment().from);
        let mut lanes = std::mem::take(&mut self.deployment().lanes);
        for lane in lanes.values_mut() {
            let new = lane.new.and_then(|id| self.app.instances.get(&id));
            let is_right = new.is_some_and(|new| Some(new.target) == from && !new.is_ending());
            let is_vacant = match lane.old {
                Some(_) => self.app.is_ending(lane.old),
                None => kind == Kind::Start && then != Verdict::Cancelled,
            };
            if is_right && is_vacant {
                lane.back = lane.new.take();
            }
        }
        self.deployment().lanes = lanes;
    }

    /// Old instances that have not been told to stop yet get traffic again.
    fn take_back(&mut self) {
        let lanes = self.deployment().lanes.clone();
        for old in lanes.values().filter(|lane| lane.back.is_none()).filter_map(|lane| lane.old) {
            if let Some(old) = self.instance(old).filter(|old| old.is_draining()) {
                old.status = Status::Ready;
            }
        }
    }

    pub(super) fn advance_back(&mut self) {
        if !self.has_started() {
            // The lanes are as they were; what is lost there meanwhile is made anew without a deployment.
            return self.after_rollback(0);
        }
        if self.undo_hot() {
            return;
        }
        self.end_laggards();
        let places: Vec<Place> = self.deployment().lanes.keys().copied().collect();
        for place in &places {
            let lane = self.deployment().lanes[place].clone();
            self.retire_new(*place, &lane);
            self.retire_upgraded(&lane);
            if !self.bring_back(*place, &lane) {
                return;
            }
        }
        let deployment = self.deployment().clone();
        let is_over = self.app.way_back_ends(&deployment).is_some_and(|end| self.at >= end);
        let lanes = deployment.lanes.clone();
        let missing: Vec<(&Place, &Lane)> =
            lanes.iter().filter(|(place, lane)| !self.is_back(**place, lane)).collect();
        match missing.first() {
            None => self.after_rollback(0),
            Some((place, _)) if missing.iter().all(|(place, lane)| self.is_held(**place, lane)) => {
                let text =
                    format!("nobody knows whether the old instance {place} still runs beside the new one");
                self.give_up_rollback(text);
            }
            Some(_) if is_over => {
                let waited = self.app.members_wait_for(&deployment).map(|(what, _)| what);
                self.give_up_rollback(waited.unwrap_or_else(|| "its members wait for each other".into()));
            }
            Some(_) => self.ask_members(),
        }
    }

    /// Nothing can be started in the place before a person has looked.
    fn is_blind(&self, place: Place, lane: &Lane) -> bool {
        self.app.is_unknown(place) && self.app.is_gone(lane.old) && self.app.is_gone(lane.back)
    }

    /// What is new in the place serves for want of anything better, and nothing better can come.
    fn is_held(&self, place: Place, lane: &Lane) -> bool {
        self.is_blind(place, lane) && !self.app.is_ending(lane.new)
    }

    /// Whether an instance of the old version serves in any place.
    fn old_serves(&self) -> bool {
        let lanes = self.app.deployment.iter().flat_map(|it| it.lanes.values());
        lanes.flat_map(|lane| [lane.old, lane.back]).any(|id| self.app.is_ready(id))
    }

    /// The old instance still runs and may go on.
    fn old_lives(&self, lane: &Lane) -> bool {
        !self.app.is_ending(lane.old) && self.app.beyond_undo(lane).is_none()
    }

    fn has_been_ready(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.app.instances.get(&id))
            .is_some_and(|it| it.ready_at.is_some() && !it.is_ending())
    }

    fn is_back(&self, place: Place, lane: &Lane) -> bool {
        let has_old = lane.old.is_none() || self.old_lives(lane) || self.has_been_ready(lane.back);
        let has_old = has_old || (self.app.is_unknown(place) && self.app.is_gone(lane.back));
        let is_checked =
            |deployment: &Deployment| !deployment.takes_turns() || self.app.is_checked(deployment, lane);
        let is_checked = self.app.deployment.as_ref().is_none_or(is_checked);
        let is_new_gone = self.app.is_gone(lane.new) && self.app.is_taken_back(lane);
        ((has_old && is_checked) || !self.changes_version()) && is_new_gone
    }

    /// A new instance that is ready goes on serving until something better is there, in another place if nothing can be
    /// started in its own; any other ends at once.
    fn retire_new(&mut self, place: Place, lane: &Lane) {
        let Some(new) = lane.new.and_then(|id| self.app.instances.get(&id)) else { return };
        let deployment = self.app.deployment.as_ref().filter(|it| it.takes_turns());
        if deployment.is_some_and(|deployment| !self.app.may_end_new_member(deployment, place, new)) {
            return;
        }
        let covered = lane.old.is_none()
            || self.old_lives(lane)
            || self.has_been_ready(lane.back)
            || (self.is_blind(place, lane) && self.old_serves());
        let overlaps = self.app.is_chosen(new)
            && self
                .app
                .deployment
                .as_ref()
                .is_some_and(|it| !matches!(it.strategy, Strategy::TemporaryShutdown | Strategy::Member));
        if !new.is_ready() || covered || !overlaps {
            let id = new.id;
            self.stop(id, Ending::Retired);
        }
    }

    /// An instance that runs the new version and cannot be taken back serves until a fresh one of the old version does,
    /// where both may run side by side.
    fn retire_upgraded(&mut self, lane: &Lane) {
        let Some(old) = self.app.beyond_undo(lane) else { return };
        let (id, is_ready) = (old.id, old.is_ready());
        let from = self.deployment().from.map(|from| self.settings(from)).unwrap_or_default();
        let overlaps = self.deployment().strategy != Strategy::TemporaryShutdown && !from.has_one_slot();
        // Where a new one serves beside it, that one makes room for the one of the old version later.
        if !is_ready || !overlaps || self.has_been_ready(lane.back) || self.app.is_ready(lane.new) {
            self.stop(id, Ending::Retired);
        }
    }

    /// Starts a fresh instance of the old version where the old one is gone; false when the way back has failed.
    fn bring_back(&mut self, place: Place, lane: &Lane) -> bool {
        let (Some(from), Some(old)) = (self.deployment().from, lane.old) else { return true };
        let is_in_the_way = !self.app.is_gone(Some(old)) && self.app.beyond_undo(lane).is_none();
        if is_in_the_way || !self.changes_version() {
            return true;
        }
        if self.app.is_unknown(place) {
            // Nothing is started before a person has looked.
            return true;
        }
        match lane.back.and_then(|id| self.app.instances.get(&id)).cloned() {
            Some(back) if back.is_gone() => self.back_failed(place, &back, from),
            Some(_) => true,
            None => {
                let slot = self.back_slot(lane, old, from);
                if self.may_bring_back(lane) && self.app.is_free(place, slot) {
                    let id = self.create(place, slot, from);
                    self.deployment().lanes.entry(place).or_default().back = Some(id);
                }
                true
            }
        }
    }

    /// Where versions must not overlap, every new instance ends before an old one is started; a member's, before it is.
    fn may_bring_back(&mut self, lane: &Lane) -> bool {
        let deployment = self.deployment().clone();
        match deployment.strategy {
            Strategy::Parallel | Strategy::Rolling => true,
            Strategy::TemporaryShutdown => {
                let is_left =
                    |lane: &Lane| self.app.is_gone(lane.new) && self.app.beyond_undo(lane).is_none();
                deployment.lanes.values().all(is_left)
            }
            Strategy::Member => self.app.is_gone(lane.new),
        }
    }

    /// Beside the new instance while that one serves, else where the old one was.
    fn back_slot(&self, lane: &Lane, old: InstanceId, from: Target) -> Slot {
        if self.settings(from).has_one_slot() {
            return Slot::A;
        }
        match lane.new.and_then(|id| self.app.instances.get(&id)) {
            Some(new) if !new.is_gone() => new.slot.other(),
            _ => self.app.instances.get(&old).map_or(Slot::A, |old| match old.is_gone() {
                true => old.slot,
                false => old.slot.other(),
            }),
        }
    }

    fn back_failed(&mut self, place: Place, back: &Instance, from: Target) -> bool {
        let reason = back.failure().map_or("its shim died".to_owned(), |(reason, _)| reason.to_owned());
        let tail = back.failure().and_then(|(_, tail)| tail.map(str::to_owned));
        let tries = self.settings(from).tries;
        let lane = self.deployment().lanes.entry(place).or_default();
        lane.back = None;
        if back.ready_at.is_some() {
            // It had been brought up: a fresh one takes its place.
            return true;
        }
        lane.back_failures += 1;
        let failures = lane.back_failures;
        let text =
            format!("instance {place} of the old version failed (try {failures} of {tries}): {reason}");
        let note = self.note_of(back.id, Step::Ended, text);
        note.level = Level::Warning;
        note.tail = tail;
        if failures < tries {
            return true;
        }
        self.give_up_rollback(format!(
            "instance {place} of v{} failed {tries} times: {reason}",
            self.app.label(from)
        ));
        false
    }

    /// The way back has failed: stop here and call a person. What is ready stays; nothing is tried again.
    fn give_up_rollback(&mut self, then: String) {
        let Phase::RollingBack { reason, then: verdict, .. } = self.deployment().phase.clone() else {
            return;
        };
        self.leave_one_in_each_place();
        if verdict == Verdict::RolledBack {
            self.ghost_it(&reason);
        }
        let text = format!(
            "the way back failed: {then}; nothing more is tried until somebody deploys or starts a version"
        );
        self.note(Step::RolledBack, text.clone()).level = Level::Alarm;
        self.app.stuck = Some(text);
        self.end(Ended::RollbackFailed { reason, then });
        self.keep_last_versions();
    }

    fn leave_one_in_each_place(&mut self) {
        for lane in self.deployment().lanes.clone().into_values() {
            let new = lane.new.or(self.app.beyond_undo(&lane).map(|old| old.id));
            if self.app.is_ending(new) || self.app.is_ending(lane.back) {
                continue;
            }
            let surplus = if self.app.is_ready(lane.back) { new } else { lane.back };
            surplus.into_iter().for_each(|id| self.stop(id, Ending::Retired));
        }
    }

    /// Runs the post-rollback command with this index, or ends the deployment when there is none.
    pub(super) fn after_rollback(&mut self, index: usize) {
        let (reason, tail, then) = match self.deployment().phase.clone() {
            Phase::RollingBack { reason, tail, then } | Phase::AfterRollback { reason, tail, then, .. } => {
                (reason, tail, then)
            }
            _ => return,
        };
        let (id, from) = (self.deployment().id, self.deployment().from);
        let is_due = self.has_started()
            && self.app.running
            && self.deployment().kind.is_watched()
            && then != Verdict::Superseded;
        let target = from.filter(|_| is_due);
        let command = target.and_then(|target| {
            self.settings(target).post_rollback.get(index).cloned().map(CommandLine::Release)
        });
        if let (Some(command), Some(target)) = (command, target) {
            let run = Run { kind: RunKind::PostRollback, command, target, deployment: Some(id) };
            let effect = self.issue(Effect::Run { run });
            self.deployment().phase = Phase::AfterRollback { effect, index, reason, tail, then };
            return;
        }
        self.rolled_back(reason, tail, then);
    }

    fn rolled_back(&mut self, reason: String, tail: Option<String>, then: Verdict) {
        let deployment = self.deployment().clone();
        if deployment.kind == Kind::Start && then != Verdict::Cancelled {
            self.app.running = true;
        }
        let outcome = match then {
            Verdict::Superseded => Ended::Superseded,
            Verdict::Cancelled => Ended::Cancelled,
            Verdict::RolledBack | Verdict::Interrupted
                if deployment.from.is_none()
                    || deployment.started_at.is_none()
                    || deployment.kind == Kind::Start =>
            {
                Ended::Failed { reason: reason.clone(), tail }
            }
            Verdict::RolledBack | Verdict::Interrupted => Ended::RolledBack { reason: reason.clone(), tail },
        };
        let ghosted = then == Verdict::RolledBack && self.ghost_it(&reason);
        if then == Verdict::Cancelled {
            self.follow_no_more(format!("deployment {} was given up by hand", deployment.id));
        }
        let mut text = format!("{}: {}", outcome.word(), self.what_is_left(&deployment));
        if let Some(to) = deployment.to.and_then(|to| self.app.version(to.version)).filter(|_| ghosted) {
            text += &format!(
                "; v{} is ghosted, to try it again: bellrock ghosts {} clear {}",
                to.label, self.app.name, to.label
            );
        }
        if deployment.pre_commands_ran {
            text += "; what its pre-commands did was not undone (a database stays migrated)";
        }
        let took = self.since(deployment.begun_at);
        let note = self.note(Step::RolledBack, text);
        note.took(took);
        note.level = Level::Warning;
        self.end(outcome);
        self.keep_last_versions();
    }

    /// What runs after a deployment that did not succeed.
    fn what_is_left(&self, deployment: &Deployment) -> String {
        let Some(from) = deployment.from.map(|from| self.app.label(from)) else {
            return if deployment.started_at.is_some() {
                "nothing runs; what failed is kept stopped for inspection".into()
            } else {
                "nothing was started".into()
            };
        };
        if !self.app.running {
            format!("v{from} stays stopped")
        } else if self.app.stuck.is_some() {
            format!("v{from} is as it was; nothing more is tried until somebody deploys or starts a version")
        } else if deployment.kind == Kind::Start {
            format!("what is ready of v{from} goes on, the rest is tried again")
        } else if deployment.started_at.is_none() {
            format!("nothing was changed, v{from} goes on")
        } else {
            format!("v{from} serves")
        }
    }

    /// Ghosts the version of the running deployment where its kind says so.
    fn ghost_it(&mut self, reason: &str) -> bool {
        let deployment = self.deployment().clone();
        let Some(to) = deployment.to.filter(|_| deployment.kind.judges_version()) else { return false };
        let by_store = deployment.by == super::Origin::Store;
        if deployment.from.is_some_and(|from| from.version == to.version)
            || (deployment.started_at.is_none() && !by_store)
        {
            return false;
        }
        let ghost = Ghost { deployment: deployment.id, at: self.at, reason: reason.to_owned() };
        self.ghost(to, ghost);
        true
    }

    pub(super) fn ghost(&mut self, target: Target, ghost: Ghost) {
        if let Some(version) = self.app.versions.iter_mut().find(|version| version.id == target.version) {
            version.ghost = Some(ghost);
        }
    }

    /// From now on the store is not followed; said once.
    pub(super) fn follow_no_more(&mut self, because: String) {
        if self.app.mode == Mode::Automatic {
            self.note(
                Step::Set,
                format!(
                    "manual mode: {because}; bellrock mode {} automatic follows the store again",
                    self.app.name
                ),
            );
            self.app.mode = Mode::Manual { because, since: self.at };
        }
    }
}
