//! A deployment on its way forward.

use std::collections::BTreeMap;

use super::deployment::{Deployment, Ended, GiveUp, Kind, Lane, Phase, Verdict};
use super::effect::{CommandLine, Effect, Run, RunKind};
use super::instance::{Ending, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::{Ghost, Origin, Target};
use crate::names::{DeploymentId, InstanceId, Place, Slot};
use crate::settings::{NodeName, PreCommandScope, Strategy};

/// What a deployment is begun with.
pub(super) struct Beginning {
    pub(super) id: DeploymentId,
    pub(super) kind: Kind,
    pub(super) by: Origin,
    pub(super) to: Option<Target>,
    pub(super) only: Option<Place>,
    pub(super) scaled_before: Option<u16>,
}

fn strategy_word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Rolling => "rolling",
        Strategy::TemporaryShutdown => "temporary shutdown",
    }
}

pub(super) fn places(number: u16) -> String {
    if number == 1 { "1 place".to_owned() } else { format!("{number} places") }
}

impl Turn {
    /// Begins a deployment: lanes are drawn, nothing is started before the host was found fit.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        let Beginning { id, kind, by, to, only, scaled_before } = beginning;
        let lanes = self.lanes(to, kind, only);
        self.look_at_places(&lanes, &by);
        let strategy =
            to.or(self.app.active()).map_or(Strategy::Rolling, |target| self.settings(target).strategy);
        let mut deployment = Deployment {
            id,
            kind,
            by,
            from: self.app.active(),
            to,
            strategy,
            begun_at: self.at,
            started_at: None,
            serving_at: None,
            ended_at: None,
            phase: Phase::Replacing,
            lanes,
            scaled_before,
            pre_commands_ran: false,
            give_up: None,
        };
        // What only takes instances away needs nothing of the host.
        let takes_away = kind == Kind::Scale && deployment.lanes.values().all(|lane| !lane.wants_new);
        match to.filter(|_| !takes_away) {
            Some(target) => {
                let places = self.slots_needed(&deployment);
                deployment.phase = Phase::Staging { effect: self.issue(Effect::Stage { target, places }) };
            }
            None => deployment.started_at = Some(self.at),
        }
        let text = self.begun_text(&deployment);
        self.app.deployment = Some(deployment);
        self.note(Step::Begun, text);
    }

    fn begun_text(&self, deployment: &Deployment) -> String {
        let name = |target: Option<Target>| {
            target.map_or("nothing".to_owned(), |target| format!("v{}", self.app.label(target)))
        };
        let kind = deployment.kind.word();
        match deployment.kind {
            Kind::Deploy | Kind::Activate | Kind::Rollback | Kind::Variables => {
                format!(
                    "{kind} {} → {}, {}",
                    name(deployment.from),
                    name(deployment.to),
                    strategy_word(deployment.strategy)
                )
            }
            Kind::Scale => {
                format!("{kind} to {}", places(deployment.to.map_or(0, |target| self.app.replicas(target))))
            }
            Kind::Restart | Kind::Start | Kind::Stop => {
                format!("{kind} {}", name(deployment.to.or(deployment.from)))
            }
        }
    }

    /// Draws a lane for each place that the deployment touches.
    fn lanes(&self, to: Option<Target>, kind: Kind, only: Option<Place>) -> BTreeMap<Place, Lane> {
        let wanted = to.map_or(0, |target| self.app.replicas(target));
        let last = self.app.places.keys().next_back().map_or(0, |place| place.0).max(wanted);
        (1..=last)
            .map(Place)
            .filter(|place| only.is_none_or(|only| only == *place))
            .filter_map(|place| {
                let living = || self.app.living(place).map(|instance| instance.id);
                let old = living().rfind(|id| !self.app.is_ending(Some(*id)));
                let old = old.or_else(|| living().next_back());
                let wants_new = place.0 <= wanted && (kind != Kind::Scale || old.is_none());
                let leaves = place.0 > wanted && old.is_some();
                (wants_new || leaves).then_some((place, Lane { old, wants_new, ..Lane::default() }))
            })
            .collect()
    }

    /// A person who has a place's instances replaced has looked at it.
    fn look_at_places(&mut self, lanes: &BTreeMap<Place, Lane>, by: &Origin) {
        let places = lanes.keys().filter(|_| matches!(by, Origin::Operator { .. }));
        for place in places {
            if let Some(state) = self.app.places.get_mut(place) {
                state.unknown = None;
            }
        }
    }

    fn slots_needed(&self, deployment: &Deployment) -> Vec<(Place, Slot)> {
        let to = deployment.to;
        deployment
            .lanes
            .iter()
            .filter(|(_, lane)| lane.wants_new)
            .map(|(place, lane)| (*place, self.new_slot(lane, to)))
            .collect()
    }

    /// The slot of a lane's new instance: the other one than the old one's, or always `a` where names are plain.
    fn new_slot(&self, lane: &Lane, to: Option<Target>) -> Slot {
        if to.is_some_and(|target| self.settings(target).node_name == NodeName::Plain) {
            return Slot::A;
        }
        lane.old.and_then(|old| self.app.instances.get(&old)).map_or(Slot::A, |old| old.slot.other())
    }

    /// Host and package are fit: the commands come next, then the lanes.
    pub(super) fn staged(&mut self, detail: Option<String>) {
        let begun_at = self.deployment().begun_at;
        let took = self.since(begun_at);
        self.note(Step::Staged, detail.unwrap_or_else(|| "staged".into())).took(took);
        self.run_command(0);
    }

    /// Ends a deployment that has started nothing yet, if somebody gave it up; says whether it did.
    pub(super) fn gave_up(&mut self) -> bool {
        let Some(GiveUp { reason, verdict }) = self.deployment().give_up.take() else { return false };
        self.turn_back(reason, None, verdict);
        true
    }

    /// Runs the command with this index, or goes on to the lanes when there is none.
    pub(super) fn run_command(&mut self, index: usize) {
        if self.gave_up() {
            return;
        }
        let at = self.at;
        let Some(run) = self.commands().into_iter().nth(index) else {
            let deployment = self.deployment();
            deployment.phase = Phase::Replacing;
            deployment.started_at = Some(at);
            return;
        };
        if matches!(run.kind, RunKind::Pre { .. }) {
            self.deployment().pre_commands_ran = true;
        }
        let effect = self.issue(Effect::Run { run });
        self.deployment().phase = Phase::Commands { effect, index };
    }

    /// All commands that come before the first instance, in order.
    fn commands(&mut self) -> Vec<Run> {
        let deployment = self.deployment();
        let (id, kind, Some(target)) = (deployment.id, deployment.kind, deployment.to) else {
            return Vec::new();
        };
        if !kind.is_watched() || kind == Kind::Variables {
            return Vec::new();
        }
        let places: Vec<Place> =
            deployment.lanes.iter().filter(|(_, lane)| lane.wants_new).map(|(place, _)| *place).collect();
        let settings = self.settings(target);
        let run = |kind, command| Run { kind, command, target, deployment: Some(id) };
        let mut runs: Vec<Run> = settings
            .prepare_commands
            .iter()
            .map(|command| run(RunKind::Prepare, CommandLine::Program(command.clone())))
            .collect();
        // A rollback or an activation brings back a version whose commands were run when it was deployed.
        if kind != Kind::Deploy {
            return runs;
        }
        let of_file =
            self.app.version(target.version).map(|version| version.pre_commands.clone()).unwrap_or_default();
        let scope: Vec<Option<Place>> = match settings.pre_command_scope {
            PreCommandScope::Deployment => vec![None],
            PreCommandScope::Place => places.into_iter().map(Some).collect(),
        };
        for place in scope {
            let all = of_file.iter().chain(&settings.pre_commands).cloned();
            runs.extend(all.map(|command| run(RunKind::Pre { place }, CommandLine::Release(command))));
        }
        runs
    }

    pub(super) fn advance_forward(&mut self) {
        if self.is_past_deadline() {
            return;
        }
        if self.is_watch_over() {
            return self.commit();
        }
        if self.app.deployment.as_ref().is_some_and(Deployment::is_serving) {
            self.end_laggards();
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
        self.notice_serving();
    }

    fn is_past_deadline(&mut self) -> bool {
        let deployment = self.deployment().clone();
        let is_past = self.app.deadline(&deployment).is_some_and(|deadline| self.at >= deadline);
        let (Phase::Replacing, true, Some(to)) = (&deployment.phase, is_past, deployment.to) else {
            return false;
        };
        let mut laggard = deployment.lanes.values().filter_map(|lane| lane.new);
        let laggard = laggard.rfind(|id| !self.app.is_ready(Some(*id)));
        let reason = format!(
            "not serving {} after the first start (deploy_deadline)",
            crate::human::duration(self.settings(to).deploy_deadline)
        );
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
        let (to, lane) = {
            let deployment = self.deployment();
            (deployment.to, deployment.lanes[&place].clone())
        };
        if let Some(failed) = lane.new.and_then(|id| self.app.instances.get(&id)).filter(|new| new.is_gone())
        {
            let failed = failed.clone();
            return self.new_one_failed(place, &failed);
        }
        if let (true, None, Some(target)) = (lane.wants_new, lane.new, to) {
            let slot = self.new_slot(&lane, to);
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

    fn notice_serving(&mut self) {
        let at = self.at;
        let deployment = self.deployment();
        if deployment.phase != Phase::Replacing {
            return;
        }
        let lanes = deployment.lanes.clone();
        let (kind, to) = (deployment.kind, deployment.to);
        if !lanes.values().all(|lane| self.app.is_settled(lane)) {
            return;
        }
        self.deployment().serving_at = Some(at);
        let window = to.filter(|_| kind.is_watched()).map(|target| self.settings(target).watch_window);
        let Some(window) = window.filter(|window| !window.is_zero()) else { return self.commit() };
        let until = self.after(window);
        let begun_at = self.deployment().begun_at;
        let took = self.since(begun_at);
        let label = to.map(|target| self.app.label(target)).unwrap_or_default();
        self.deployment().phase = Phase::Watching { until };
        let ready = lanes.values().filter(|lane| lane.wants_new).count();
        let window = crate::human::duration(window);
        self.note(
            Step::Serving,
            format!("serving v{label}: {ready} of {ready} ready; watching for {window}"),
        )
        .took(took);
    }

    /// The deployment held: what it brought is what we go back to from now on.
    fn commit(&mut self) {
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

    /// Begins the way back; `culprit` is an instance that is to be ended as failed.
    pub(super) fn roll_back(&mut self, reason: String, tail: Option<String>, culprit: Option<InstanceId>) {
        if let Some(culprit) = culprit {
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
