//! A deployment on its way forward, lane by lane.

use super::beginning::places;
use super::deployment::{Deployment, Ended, Kind, Lane, Phase, Verdict};
use super::effect::{CommandLine, Effect, Run, RunKind};
use super::instance::{Ending, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::{Ghost, Target};
use crate::names::{InstanceId, Place};
use std::time::Duration;

impl Turn {
    pub(super) fn advance_forward(&mut self) {
        if self.is_past_deadline() {
            return;
        }
        if self.is_watch_over() {
            return self.commit();
        }
        if let Some(place) = self.app.deployment.as_ref().and_then(|it| self.app.lost_canary(it)) {
            let reason = format!("the canary of place {place} is lost, and nothing may be started there now");
            return self.turn_back(reason, None, Verdict::Interrupted);
        }
        if self.app.deployment.as_ref().is_some_and(|it| it.is_serving() || it.running_canary().is_some()) {
            self.end_laggards();
        }
        self.switch();
        if self.deployment().is_rolling_back() {
            return;
        }
        let places: Vec<Place> = self.deployment().lanes.keys().copied().collect();
        for place in places {
            self.advance_lane(place);
            if self.app.deployment.as_ref().is_none_or(|deployment| {
                !matches!(deployment.phase, Phase::Replacing | Phase::Watching { .. })
            }) {
                return;
            }
        }
        self.ask_members();
        self.notice_serving();
    }

    fn is_past_deadline(&mut self) -> bool {
        let deployment = self.deployment().clone();
        let is_past = self.app.deadline(&deployment).is_some_and(|deadline| self.at >= deadline);
        let (Phase::Replacing, false, true, Some(to)) =
            (&deployment.phase, deployment.is_serving(), is_past, deployment.to)
        else {
            return false;
        };
        let within = crate::human::duration(self.settings(to).deploy_deadline);
        let is_ready = |lane: &Lane| lane.new.is_none_or(|new| self.app.is_ready(Some(new)));
        let is_idle = deployment.lanes.values().all(|lane| is_ready(lane) && !self.app.is_away(lane));
        let waits_for = self.app.members_wait_for(&deployment).filter(|_| is_idle);
        if let Some((what, verdict)) = waits_for {
            self.turn_back(format!("{what}, within {within} (deploy_deadline)"), None, verdict);
            return true;
        }
        if deployment.lanes.values().all(|lane| !lane.wants_new || self.app.is_ready(lane.new)) {
            let reason = format!("the proxy did not take the routes within {within} (deploy_deadline)");
            self.turn_back(reason, None, Verdict::Interrupted);
            return true;
        }
        let mut laggard = deployment.lanes.values().filter_map(|lane| lane.new);
        let laggard = laggard.rfind(|id| !self.app.is_ready(Some(*id)));
        let reason = format!("not serving {within} after the first start (deploy_deadline)");
        self.roll_back(reason, None, laggard);
        true
    }

    fn is_watch_over(&mut self) -> bool {
        let (at, deployment) = (self.at, self.deployment().clone());
        matches!(deployment.phase, Phase::Watching { until } if at >= until) && self.app.holds(&deployment)
    }

    /// Gives up instances of which nobody has heard that they are ready for too long.
    pub(super) fn end_laggards(&mut self) {
        let deployment = self.deployment().clone();
        let laggards: Vec<(InstanceId, Target)> = self
            .app
            .brought_up(&deployment)
            .filter(|it| self.app.ready_by(it).is_some_and(|by| self.at >= by))
            .map(|it| (it.id, it.target))
            .collect();
        for (id, target) in laggards {
            let deadline = crate::human::duration(self.settings(target).deploy_deadline);
            let reason = format!("it was not ready {deadline} after it was created (deploy_deadline)");
            self.stop(id, Ending::Failed { reason, tail: None });
        }
    }

    fn advance_lane(&mut self, place: Place) {
        let (to, strategy, lane) = {
            let deployment = self.deployment();
            (deployment.to, deployment.strategy, deployment.lanes[&place].clone())
        };
        if let Some(failed) = lane.new.and_then(|id| self.app.instances.get(&id)).filter(|new| new.is_gone())
        {
            let failed = failed.clone();
            return self.new_one_failed(place, &failed);
        }
        if let (true, None, Some(target)) = (lane.wants_new, lane.new, to) {
            let slot = self.new_slot(&lane, to, strategy);
            if self.app.may_start(place) && self.app.is_free(place, slot) {
                let id = self.create(place, slot, target);
                self.deployment().lanes.entry(place).or_default().new = Some(id);
            }
        }
        if let Some(old) = lane.old.filter(|_| self.app.may_retire(place, &lane)) {
            self.retire(old);
        }
    }

    pub(super) fn retire(&mut self, id: InstanceId) {
        self.stop(id, Ending::Retired);
    }

    /// A new instance has ended though it should not have: a fresh one, or the way back.
    fn new_one_failed(&mut self, place: Place, failed: &super::Instance) {
        let (reason, tail) = match failed.failure() {
            Some((reason, tail)) => (reason.to_owned(), tail.map(str::to_owned)),
            None => ("its shim died".to_owned(), None),
        };
        let deployment = self.deployment();
        let to = deployment.to;
        let lane = deployment.lanes.entry(place).or_default();
        lane.new = None;
        if failed.ready_at.is_some() {
            // It had been brought up: what came later was a crash, which is counted as one.
            return;
        }
        lane.failures += 1;
        let failures = lane.failures;
        let tries = to.map_or(1, |target| self.settings(target).tries);
        let note = self.note_of(
            failed.id,
            Step::Ended,
            format!("instance {place} failed (try {failures} of {tries}): {reason}"),
        );
        note.level = Level::Warning;
        note.tail.clone_from(&tail);
        if failures >= tries {
            let times = if tries == 1 { "once".to_owned() } else { format!("{tries} times") };
            self.roll_back(format!("instance {place} failed {times}: {reason}"), tail, None);
        }
    }

    /// All new instances are ready: from now on they get the traffic, and the old ones only end what they have. Where
    /// there is a canary, it comes first.
    fn switch(&mut self) {
        let (at, deployment) = (self.at, self.deployment().clone());
        if self.app.may_switch(&deployment) && !self.canary_goes_on() {
            self.deployment().switched_at = Some(at);
        }
    }

    fn notice_serving(&mut self) {
        let (at, deployment) = (self.at, self.deployment().clone());
        if deployment.phase != Phase::Replacing {
            return;
        }
        if !deployment.is_serving() {
            if !self.app.serves(&deployment) {
                return;
            }
            self.deployment().serving_at = Some(at);
            let window = deployment
                .to
                .filter(|_| deployment.kind.is_watched())
                .map(|to| self.settings(to).watch_window);
            if let Some(window) = window.filter(|window| !window.is_zero()) {
                return self.watch(&deployment, window);
            }
        }
        if self.app.holds(&deployment) {
            self.commit();
        }
    }

    pub(super) fn watch(&mut self, deployment: &Deployment, window: Duration) {
        let until = self.after(window);
        let took = self.since(deployment.begun_at);
        let label = deployment.to.map(|target| self.app.label(target)).unwrap_or_default();
        self.deployment().phase = Phase::Watching { until };
        let ready = deployment.lanes.values().filter(|lane| lane.wants_new).count();
        let window = crate::human::duration(window);
        self.note(
            Step::Serving,
            format!("serving v{label}: {ready} of {ready} ready; watching for {window}"),
        )
        .took(took);
    }

    /// The deployment held: what it brought is what we go back to from now on.
    pub(super) fn commit(&mut self) {
        let deployment = self.deployment().clone();
        self.app.stuck = None;
        self.ghost_what_was_left(&deployment);
        if let Some(to) = deployment.to {
            self.make_active(to);
            self.app.running = true;
        }
        let took = self.since(deployment.begun_at);
        let text = match (deployment.kind, deployment.to) {
            (Kind::Stop, _) => "stopped".to_owned(),
            (Kind::Scale, Some(to)) => format!("scaled to {}", places(self.app.replicas(to))),
            (kind, Some(to)) if kind.is_watched() => format!("committed v{}", self.app.label(to)),
            (Kind::Restart, Some(to)) => format!("restarted v{}", self.app.label(to)),
            (_, to) => format!("started v{}", to.map(|to| self.app.label(to)).unwrap_or_default()),
        };
        self.note(Step::Committed, text).took(took);
        self.end(Ended::Committed);
        self.keep_last_versions();
    }

    /// Going back by hand is a verdict on the version that was left.
    fn ghost_what_was_left(&mut self, deployment: &Deployment) {
        let left = deployment.from.filter(|from| Some(from.version) != deployment.to.map(|to| to.version));
        if let Some(left) = left.filter(|_| deployment.kind == Kind::Rollback) {
            let reason = "rolled back by hand".to_owned();
            self.ghost(left, Ghost { deployment: deployment.id, at: self.at, reason });
            let text = format!("v{} is ghosted: it was rolled back by hand", self.app.label(left));
            self.note(Step::Set, text);
        }
    }

    fn make_active(&mut self, to: Target) {
        if let Some(version) = self.app.versions.iter_mut().find(|version| version.id == to.version) {
            version.revision = to.revision;
        }
        self.app.committed.retain(|target| target.version != to.version);
        self.app.committed.push(to);
    }

    /// Begins the way back; `culprit` is an instance that is to be ended as failed. A member waits for its turn all the same.
    pub(super) fn roll_back(&mut self, reason: String, tail: Option<String>, culprit: Option<InstanceId>) {
        if let Some(culprit) =
            culprit.filter(|_| !self.deployment().takes_turns() && !self.deployment().is_hot())
        {
            self.stop(culprit, Ending::Failed { reason: reason.clone(), tail: tail.clone() });
        }
        self.turn_back(reason, tail, Verdict::RolledBack);
    }

    /// Whether an instance is one that the running deployment brings up.
    pub(super) fn is_new(&self, id: InstanceId) -> bool {
        self.app.deployment.as_ref().is_some_and(|deployment| {
            !deployment.is_rolling_back() && deployment.lanes.values().any(|lane| lane.new == Some(id))
        })
    }

    /// The instance's tree is laid out: its init commands come next, then its start.
    pub(super) fn initialise(&mut self, id: InstanceId, index: usize) {
        let Some(target) = self.app.instances.get(&id).map(|instance| instance.target) else { return };
        let deployment = self.app.deployment.as_ref().map(|deployment| deployment.id);
        let command = self.settings(target).init_commands.get(index).cloned().map(CommandLine::Program);
        let status = match command {
            Some(command) => {
                let run = Run { kind: RunKind::Init { instance: id }, command, target, deployment };
                Status::Initialising { effect: self.issue(Effect::Run { run }), index }
            }
            None => Status::Launching { effect: self.issue(Effect::Launch { instance: id }) },
        };
        if let Some(instance) = self.instance(id) {
            instance.status = status;
        }
    }
}
