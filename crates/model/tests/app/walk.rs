//! A world without a script: at each step chance decides what ends, dies, is asked for or comes late.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use model::app::{
    App, Command, Deployment, Effect, Ended, Event, ExitHow, NotTaken, Origin, Outcome, Phase, RunKind,
    ShimFact, Status, Verdict, Way, Wish,
};
use model::settings::{AppSettings, PreCommand, PreCommandScope, Strategy, UpgradeMode, WhenUnsure};
use model::{DeploymentId, EffectId, InstanceId, Place};

use crate::invariants;
use crate::proxy::Proxy;
use crate::world::{World, answered, done_well, label, seconds};

/// What a step does, as chance gives it; `pick` and `how` choose among what there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) act: Act,
    pub(crate) pick: usize,
    pub(crate) how: u8,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Act {
    End,
    Shim,
    Check,
    Command,
    Time,
    NewDaemon,
    /// All goes well for a while, until nothing is under way.
    Rest,
}

/// How many versions there are.
const VERSIONS: usize = 8;

/// What may go wrong in a walk.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Weather {
    /// All of it.
    Storm,
    /// Only instances that were never ready fail, and no command changes the number of places.
    Calm,
}

pub(crate) struct Walk {
    pub(crate) app: App,
    now: Timestamp,
    weather: Weather,
    under_way: BTreeMap<EffectId, Effect>,
    seqs: BTreeMap<InstanceId, u64>,
    next_deployment: u64,
    commands_run: BTreeSet<(u64, String)>,
    exits: BTreeSet<(InstanceId, u32)>,
    was_stuck: bool,
    proxy: Proxy,
}

/// Settings of a version, decided by its number so that all sorts meet.
fn settings(weather: Weather, version: usize) -> AppSettings {
    let mut settings = AppSettings { replicas: 3, max: Some(16), tries: 2, ..AppSettings::default() };
    settings.watch_window = seconds(if version == 3 { 0 } else { 60 });
    if version % 2 == 1 {
        settings.strategy = Strategy::Rolling;
    }
    if version.is_multiple_of(4) {
        settings.canary.steps = if version == 0 { vec![10] } else { vec![5, 50] };
        settings.canary.step_time = seconds(30);
        settings.canary.minimum_requests = 20;
        settings.canary.hold_limit = seconds(120);
        settings.canary.when_unsure = if version == 0 { WhenUnsure::Abort } else { WhenUnsure::Promote };
    }
    if version >= 5 {
        settings.upgrade = UpgradeMode::Auto;
    }
    if weather == Weather::Calm {
        return settings;
    }
    settings.replicas = [3, 2, 8, 1, 3, 2, 3, 1][version];
    settings.proxy = version != 4;
    if version % 3 == 2 {
        settings.strategy = Strategy::TemporaryShutdown;
    }
    if version % 2 == 1 {
        let command = |text| PreCommand::parse(text).expect("it is one");
        settings.pre_commands = vec![command("eval A.a"), command("eval B.b")];
        settings.post_rollback = vec![command("rpc C.c")];
        settings.init_commands = vec![model::settings::Command::split("bin/init").expect("it is one")];
    }
    if version == 5 {
        settings.strategy = Strategy::Member;
        settings.member.check = PreCommand::parse("rpc D.whole").ok();
        settings.pre_command_scope = PreCommandScope::Place;
        settings.keep_versions = 3;
    }
    settings
}

fn waits_until(effect: &Effect) -> Option<Timestamp> {
    match effect {
        Effect::Drain { until, .. } => Some(*until),
        _ => None,
    }
}

impl Walk {
    pub(crate) fn new(weather: Weather) -> Self {
        let now = "2026-11-21T09:00:00Z".parse().expect("it is a time");
        let mut walk = Walk {
            app: App::new("beacon".parse().expect("it is a name")),
            now,
            weather,
            under_way: BTreeMap::new(),
            seqs: BTreeMap::new(),
            next_deployment: 1,
            commands_run: BTreeSet::new(),
            exits: BTreeSet::new(),
            was_stuck: false,
            proxy: Proxy::default(),
        };
        if weather == Weather::Calm {
            walk.deploy(0, World::operator());
            walk.come_to_rest();
        }
        walk
    }

    pub(crate) fn step(&mut self, choice: Choice) {
        match choice.act {
            Act::End => self.end_one(choice),
            Act::Shim => self.hear_of_a_shim(choice),
            Act::Check => self.check_one(choice),
            Act::Command => self.command(choice),
            Act::Time => self.let_time_pass(choice),
            Act::NewDaemon => self.start_daemon_again(choice),
            Act::Rest => self.come_to_rest(),
        }
    }

    fn event(&mut self, event: Event) -> Result<(), NotTaken> {
        let before = self.app.clone();
        let stepped = before.step(self.now, event.clone())?;
        let effects: Vec<Effect> = stepped.effects.iter().map(|(_, effect)| effect.clone()).collect();
        self.proxy.look(&before, self.now, &event, &effects);
        self.app = stepped.app;
        for (id, effect) in stepped.effects {
            self.never_run_twice(&effect);
            self.under_way.insert(id, effect);
        }
        for (instance, _, exit) in stepped.exits {
            assert!(self.exits.insert((instance, exit.run)), "an exit is counted twice: {instance} {exit:?}");
        }
        let counted: u64 = self.app.places.values().map(|place| place.crashes).sum();
        assert_eq!(counted, self.exits.len() as u64, "the counters are the history");
        invariants::check(&self.app, self.now);
        invariants::members_take_turns(&before, &self.app);
        for record in &stepped.records {
            self.ended_well(record, &before);
        }
        self.nobody_notices();
        self.was_stuck = self.app.stuck.is_some();
        Ok(())
    }

    fn never_run_twice(&mut self, effect: &Effect) {
        let Effect::Run { run } = effect else { return };
        if let (RunKind::Pre { place }, Some(deployment)) = (run.kind, run.deployment) {
            let what = (deployment.0, format!("{place:?} {}", run.command));
            assert!(self.commands_run.insert(what), "a pre-command is run twice: {run:?}");
        }
    }

    /// A deployment that has ended leaves one version in the places it covers.
    fn ended_well(&self, record: &Deployment, before: &App) {
        let Phase::Ended { outcome } = &record.phase else { return };
        if record.started_at.is_none() || before.deployment.is_none() {
            return;
        }
        let in_last_command =
            before.deployment.as_ref().is_some_and(|it| matches!(it.phase, Phase::AfterRollback { .. }));
        for (place, lane) in &record.lanes {
            let living: Vec<_> = self.app.living(*place).filter(|it| !it.is_ending()).collect();
            match outcome {
                Ended::Committed if lane.wants_new => {
                    assert_eq!(living.len(), 1, "place {place} has one instance");
                    assert_eq!(Some(living[0].target), record.to, "place {place} runs what was committed");
                }
                Ended::Committed => assert!(living.is_empty(), "place {place} has left"),
                Ended::RollbackFailed { .. } => assert!(living.len() <= 1, "place {place} has one at most"),
                _ if self.was_stuck || record.from == record.to || self.app.stuck.is_some() => {
                    assert!(living.len() <= 1, "place {place} has one at most");
                }
                _ if lane.old.is_some() && record.from.is_some() => {
                    // One that is lost while the last command runs is made anew without a deployment.
                    // Nothing is started where one may still run that nobody can end.
                    let is_unknown = self.app.places.get(place).is_some_and(|it| it.unknown.is_some());
                    let is_lost = living.is_empty() && (in_last_command || is_unknown);
                    assert!(living.len() == 1 || is_lost, "place {place} has one instance again");
                    let ran = record.from.map(|from| from.version);
                    assert!(
                        living.iter().all(|it| Some(it.runs().version) == ran),
                        "place {place} runs that version"
                    );
                }
                _ => assert!(living.len() <= 1, "place {place} has one at most"),
            }
        }
    }

    fn nobody_notices(&self) {
        if self.weather == Weather::Calm && self.app.active().is_some() {
            let serves = |id: &InstanceId| self.app.instances.get(id).is_some_and(|it| !it.is_told_to_stop());
            let serving = self.proxy.offered().iter().filter(|id| serves(id)).count();
            assert!(serving >= 3, "only {serving} instances get requests and answer them");
        }
    }

    /// Ends one effect; those about the same instance end in order.
    fn end_one(&mut self, choice: Choice) {
        let subject = |effect: &Effect| match effect {
            Effect::Create { instance }
            | Effect::Launch { instance }
            | Effect::Stop { instance }
            | Effect::Remove { instance }
            | Effect::Upgrade { instance, .. }
            | Effect::Undo { instance, .. }
            | Effect::Settle { instance, .. } => Some(*instance),
            Effect::Run { run } => match run.kind {
                RunKind::Init { instance } => Some(instance),
                _ => None,
            },
            // Routes are applied in order, too.
            Effect::Route { .. } => Some(InstanceId(0)),
            _ => None,
        };
        let mut busy = BTreeSet::new();
        let free: Vec<EffectId> = self
            .under_way
            .iter()
            .filter(|(_, effect)| subject(effect).is_none_or(|instance| busy.insert(instance)))
            .filter(|(_, effect)| self.proxy.can_end(&self.app, effect, self.now))
            .map(|(id, _)| *id)
            .collect();
        let Some(id) = free.get(choice.pick % free.len().max(1)).copied() else { return };
        let effect = self.under_way.remove(&id).expect("it was just listed");
        let outcome = self.outcome(&effect, choice.how);
        self.done(id, &effect, outcome.clone(), choice.pick.is_multiple_of(2));
        if choice.how % 5 == 4 {
            let again = self.event(Event::Done { effect: id, outcome });
            assert!(matches!(again, Err(NotTaken::Stale(_))), "an outcome counts once");
        }
    }

    /// An effect ends; one that failed may have been done all the same.
    fn done(&mut self, id: EffectId, effect: &Effect, outcome: Outcome, was_done: bool) {
        if was_done || matches!(outcome, Outcome::Ok { .. } | Outcome::Upgraded { .. }) {
            self.proxy.did(&self.app, effect);
        }
        let is_awaited = self.app.outbox.contains_key(&id);
        let taken = self.event(Event::Done { effect: id, outcome });
        let is_superseded = matches!((effect, &taken), (Effect::Route { .. }, Err(NotTaken::Stale(_))));
        assert!(taken.is_ok() == is_awaited && (is_awaited || is_superseded), "{effect:?}: {taken:?}");
    }

    fn outcome(&self, effect: &Effect, how: u8) -> Outcome {
        let ok = done_well(effect);
        let failed = Outcome::Failed { reason: "it did not work".into(), tail: None };
        let unknown = Outcome::Unknown { reason: "the host went down".into() };
        match (self.weather, effect) {
            // It ends when nothing is in flight or the time has come, which cannot fail.
            (_, Effect::Drain { .. }) => ok,
            (Weather::Calm, Effect::Stop { .. } | Effect::Link { .. } | Effect::Remove { .. }) => ok,
            (_, Effect::Upgrade { .. }) if how % 4 == 3 => Outcome::Upgraded { undo: false, detail: None },
            (_, Effect::Stage { .. }) if how % 4 == 3 => Outcome::NoRoom { detail: "1 GB is free".into() },
            _ if how < 236 => ok,
            _ if how < 250 => failed,
            _ => unknown,
        }
    }

    fn hear_of_a_shim(&mut self, choice: Choice) {
        let launched: Vec<InstanceId> = self
            .app
            .instances
            .values()
            .filter(|it| it.is_launched() || matches!(it.status, Status::Launching { .. }))
            .filter(|it| self.weather == Weather::Storm || it.ready_at.is_none())
            .map(|it| it.id)
            .collect();
        let Some(id) = launched.get(choice.pick % launched.len().max(1)).copied() else { return };
        let it = &self.app.instances[&id];
        let fact = match (it.pid, choice.how) {
            (_, 0..6) => ShimFact::Gone,
            (None, 6..220) => ShimFact::Started { run: it.run + 1, pid: 7, at: self.now },
            (None, _) => ShimFact::BackingOff { until: self.now, consecutive: 4 },
            (Some(_), 6..40) => ShimFact::Exited {
                run: it.run,
                at: self.now,
                how: ExitHow::Status(0),
                uptime_ms: 5,
                crash_dump: None,
                tail: None,
            },
            (Some(_), _) => return,
        };
        self.fact(id, fact);
    }

    fn fact(&mut self, instance: InstanceId, fact: ShimFact) {
        let next = self.seqs.entry(instance).or_default();
        *next += 1;
        let seq = if fact == ShimFact::Gone { 0 } else { *next };
        self.event(Event::Shim { instance, seq, fact: fact.clone() }).expect("a fact is taken");
        if seq != 0 {
            assert!(self.event(Event::Shim { instance, seq, fact }).is_err(), "a fact counts once");
        }
    }

    fn check_one(&mut self, choice: Choice) {
        let wanted: Vec<_> = self.app.checks_wanted().collect();
        let Some(check) = wanted.get(choice.pick % (wanted.len() + 1)).copied() else {
            return self.count_errors(choice);
        };
        let (why, tail) = ("503".to_owned(), None);
        let is_well = self.app.instances[&check.instance].is_ready();
        let verdict = match (check.readiness, choice.how) {
            (true, 0..230) => Verdict::Ready,
            (true, _) => Verdict::NeverReady { why, tail },
            (false, _) if !is_well => Verdict::Healthy,
            (false, 0..16) if self.weather == Weather::Storm => Verdict::Unhealthy { why, tail },
            (false, _) => return,
        };
        self.event(Event::Check { instance: check.instance, run: check.run, verdict })
            .expect("a verdict that is wanted is taken");
    }

    fn deployment(&mut self) -> DeploymentId {
        self.next_deployment += 1;
        DeploymentId(self.next_deployment - 1)
    }

    fn deploy(&mut self, version: usize, by: Origin) {
        let deployment = self.deployment();
        let way = match (&by, self.next_deployment % 5) {
            (Origin::Store, _) | (_, 0) => Way::AsSet,
            (_, 1) => Way::Hot,
            (_, 2) => Way::Full,
            _ => Way::Auto,
        };
        let wish = Wish { way, ..Wish::default() };
        let version = World::package(&version.to_string(), settings(self.weather, version));
        let command = Command::Deploy { version: Box::new(version), wish, deployment };
        // Refusals change nothing, which the next steps would show.
        let _ = self.event(Event::Command { command, by });
    }

    fn command(&mut self, Choice { pick, how, .. }: Choice) {
        let version = label(&(pick % VERSIONS).to_string());
        let deployment = self.deployment();
        let running = self.app.deployment.as_ref().map_or(DeploymentId(0), |it| it.id);
        let commands = if self.weather == Weather::Calm { how % 4 } else { how % 16 };
        let command = match commands {
            0 => return self.deploy(pick % VERSIONS, World::operator()),
            1 => Command::Cancel { deployment: running },
            2 => Command::Activate { version, settings: None, wish: Wish::default(), deployment },
            3 => Command::ClearGhosts { version: None },
            4 | 5 => return self.deploy(pick % VERSIONS, Origin::Store),
            6 => Command::Rollback { wish: Wish::default(), deployment },
            7 => Command::Restart { place: None, deployment },
            8 => Command::Restart { place: Some(Place(1 + (pick % 3) as u16)), deployment },
            9 => Command::Stop { deployment },
            10 => Command::Start { deployment },
            11 => Command::Scale { replicas: (pick % 5) as u16, deployment },
            12 => {
                let name = "A".parse().expect("it is a name");
                let value = pick.to_string().parse().expect("it is a value");
                let changes = BTreeMap::from([(name, Some(value))]);
                Command::SetVariables { changes, later: pick.is_multiple_of(3), deployment }
            }
            13 => Command::Follow,
            14 if pick.is_multiple_of(2) => Command::Promote,
            14 => Command::PinTo { version, deployment },
            _ => Command::Delete { version },
        };
        let _ = self.event(Event::Command { command, by: World::operator() });
    }

    fn let_time_pass(&mut self, choice: Choice) {
        let is_told = self.under_way.values().any(|it| matches!(it, Effect::Route { .. }));
        if self.weather == Weather::Calm && is_told {
            // A proxy that is well answers long before the end of a drain.
            return;
        }
        let by = SignedDuration::from_secs(
            i64::from(choice.how) * if choice.pick.is_multiple_of(7) { 10 } else { 1 },
        );
        let end = self.now.checked_add(by).expect("it is near");
        // The engine wakes when the state wants it.
        self.now = self.app.wake_at().map_or(end, |at| at.clamp(self.now, end));
        self.event(Event::Tick).expect("a tick is taken");
    }

    /// A daemon is started again: what is in the outbox is done again, the shims are asked.
    fn start_daemon_again(&mut self, choice: Choice) {
        if self.weather == Weather::Calm {
            return;
        }
        self.under_way = self.app.outbox.clone();
        let launched = self.app.instances.values().filter(|it| it.is_launched()).map(|it| it.id);
        let (mut alive, mut unknown) = (Vec::new(), Vec::new());
        for (nth, id) in launched.enumerate() {
            match (usize::from(choice.how) >> nth) % 8 {
                _ if choice.how > 250 => {}
                0 => {}
                1 if choice.pick.is_multiple_of(5) => unknown.push(id),
                _ => alive.push(id),
            }
        }
        self.event(Event::Adopted { alive, unknown }).expect("adoption is taken");
    }

    /// What a version answered: now and then it is found to be bad.
    fn count_errors(&mut self, choice: Choice) {
        if let Some((deployment, window)) = self.canary() {
            let old = answered((if choice.pick.is_multiple_of(7) { 30 } else { 0 }, 100));
            let new = answered((if choice.how < 20 { 30 } else { 0 }, 30));
            let counts = Event::CanaryCounts { deployment, window, old, new };
            self.event(counts).expect("counts of a running canary are taken");
            return;
        }
        let target = self.app.deployment.as_ref().and_then(|it| it.to).filter(|_| choice.how < 30);
        if let Some(target) = target.filter(|_| self.weather == Weather::Storm) {
            // A deployment that does not watch (any more) does not take it.
            let _ = self.event(Event::ServerErrors { target, reason: "it answers with 5xx".into() });
        }
    }

    fn canary(&self) -> Option<(DeploymentId, u32)> {
        let deployment = self.app.deployment.as_ref()?;
        Some((deployment.id, deployment.running_canary()?.window))
    }

    /// From now on all goes well: whatever is under way comes to its end, and what should run does.
    pub(crate) fn come_to_rest(&mut self) {
        let deadline = self.now.checked_add(SignedDuration::from_hours(4)).expect("it is near");
        while self.now < deadline {
            if self.one_thing_goes_well() {
                continue;
            }
            match self.app.wake_at() {
                Some(at) => {
                    self.now = self.now.max(at);
                    self.event(Event::Tick).expect("a tick is taken");
                }
                None => match self.under_way.values().find_map(waits_until) {
                    Some(until) => self.now = self.now.max(until),
                    None => break,
                },
            }
        }
        assert!(self.app.deployment.is_none() && self.app.queued.is_none(), "a deployment never ends");
        assert!(self.app.outbox.is_empty(), "an effect never ends");
        assert_eq!(self.proxy.served, self.app.route(), "the proxy serves what is wanted");
        let Some(active) = self.app.active().filter(|_| self.app.running && self.app.stuck.is_none()) else {
            return;
        };
        for place in (1..=self.app.replicas(active)).map(Place) {
            if self.app.places.get(&place).is_some_and(|state| state.unknown.is_some()) {
                continue;
            }
            let living: Vec<_> = self.app.living(place).collect();
            assert_eq!(living.len(), 1, "place {place} has its instance");
            assert!(living[0].is_ready(), "the instance of place {place} is ready");
            let proxied = self.app.revision(living[0].target).is_some_and(|it| it.settings.proxy);
            assert_eq!(self.proxy.offered().contains(&living[0].id), proxied, "place {place} gets requests");
        }
    }

    fn one_thing_goes_well(&mut self) -> bool {
        let next = self.under_way.iter().find(|(_, it)| self.proxy.can_end(&self.app, it, self.now));
        if let Some(id) = next.map(|(id, _)| *id) {
            let effect = self.under_way.remove(&id).expect("it was just found");
            self.done(id, &effect, done_well(&effect), true);
            return true;
        }
        let down = self.app.instances.values().find(|it| it.is_launched() && it.pid.is_none());
        if let Some((id, run)) = down.map(|it| (it.id, it.run + 1)) {
            self.fact(id, ShimFact::Started { run, pid: 7, at: self.now });
            return true;
        }
        let check = self.app.checks_wanted().find(|check| !self.app.instances[&check.instance].is_ready());
        if let Some(check) = check {
            let verdict = if check.readiness { Verdict::Ready } else { Verdict::Healthy };
            self.event(Event::Check { instance: check.instance, run: check.run, verdict })
                .expect("a verdict that is wanted is taken");
            return true;
        }
        false
    }
}
