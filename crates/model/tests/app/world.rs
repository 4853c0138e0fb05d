//! A scripted world around an app: effects are done as the script says, time is turned by hand, and all that
//! happens is kept as lines.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::app::{
    App, Command, CommandLine, Counted, Deployment, Effect, Event, ExitHow, Instance, Level, NewVersion,
    NotTaken, Origin, Outcome, Refused, RunKind, ShimFact, Status, Verdict, Wish,
};
use model::settings::{AppSettings, Strategy};
use model::{DeploymentId, EffectId, InstanceId, Place, VersionLabel};

use crate::invariants;
use crate::proxy::{Proxy, route_text};

/// How an instance of a version behaves once it is launched.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Boot {
    /// Ready after 2 s.
    Ready,
    /// Exits after 1 s.
    Exits,
    /// Told not to be ready after 5 min.
    NeverReady,
    /// Nothing is heard of it.
    Silent,
}

/// What becomes of an effect.
pub(crate) enum Reply {
    Ok,
    Fail(&'static str),
    NoRoom(&'static str),
    Unknown(&'static str),
    /// Under way until the test ends it.
    Hold,
}

/// What time brings.
enum Coming {
    Event(Event),
    /// The shim starts the instance again.
    Restart(InstanceId),
}

type Script = Box<dyn FnMut(&App, &Effect) -> Reply>;

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) now: Timestamp,
    pub(crate) records: BTreeMap<DeploymentId, Deployment>,
    /// Effects under way.
    pub(crate) held: Vec<(EffectId, Effect)>,
    /// Exits as the history of exits has them.
    pub(crate) exits: Vec<(InstanceId, ExitHow)>,
    /// Fewest instances ready at once since the test set it.
    pub(crate) fewest_ready: usize,
    /// Fewest instances that the proxy sent requests to at once, since then.
    pub(crate) fewest_offered: usize,
    pub(crate) proxy: Proxy,
    began: Timestamp,
    lines: Vec<String>,
    to_do: VecDeque<(EffectId, Effect)>,
    /// Drains of what the proxy still offers.
    draining: Vec<(EffectId, Effect)>,
    to_come: Vec<(Timestamp, Coming)>,
    boots: BTreeMap<String, Boot>,
    script: Script,
    next_deployment: u64,
    next_seq: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let began = "2026-11-21T09:00:00Z".parse().expect("it is a time");
        World {
            app: App::new("beacon".parse().expect("it is a name")),
            now: began,
            records: BTreeMap::new(),
            held: Vec::new(),
            exits: Vec::new(),
            fewest_ready: 0,
            fewest_offered: 0,
            proxy: Proxy::default(),
            began,
            lines: Vec::new(),
            to_do: VecDeque::new(),
            draining: Vec::new(),
            to_come: Vec::new(),
            boots: BTreeMap::new(),
            script: Box::new(|_, _| Reply::Ok),
            next_deployment: 1,
            next_seq: 1,
        }
    }

    /// A world in which version 1 is committed; its story is forgotten.
    pub(crate) fn with_v1(settings: AppSettings) -> Self {
        let mut world = World::new();
        world.deploy("1", settings);
        world.pass(200);
        assert_eq!(world.ended(1), "committed");
        world.forget();
        world
    }

    /// Goes on with a state that was journalled.
    pub(crate) fn resume(&mut self, app: App) {
        self.now = self.after(3600);
        self.next_deployment = 100;
        self.next_seq = 10_000;
        self.to_do = app.outbox.clone().into_iter().collect();
        self.app = app;
    }

    pub(crate) fn boots(&mut self, label: &str, boot: Boot) {
        self.boots.insert(label.into(), boot);
    }

    pub(crate) fn script(&mut self, script: impl FnMut(&App, &Effect) -> Reply + 'static) {
        self.script = Box::new(script);
    }

    /// Drops what was told so far; the story begins here.
    pub(crate) fn forget(&mut self) {
        self.lines.clear();
        self.began = self.now;
        self.fewest_ready = self.ready();
        self.fewest_offered = self.offered();
    }

    /// What was told since the beginning.
    pub(crate) fn story(&self) -> String {
        self.lines.join("\n")
    }

    pub(crate) fn ready(&self) -> usize {
        self.app.instances.values().filter(|it| it.is_ready()).count()
    }

    /// Instances that the proxy sends requests to and that answer them: those that are to drain do, until it knows.
    pub(crate) fn offered(&self) -> usize {
        let answers = |it: &Instance| it.is_ready() || matches!(it.status, Status::Draining { .. });
        self.proxy.offered().iter().filter(|id| self.app.instances.get(id).is_some_and(answers)).count()
    }

    /// `1a v1 ready, 2b v2 starting`: what stands where.
    pub(crate) fn places(&self) -> String {
        let living = self.app.instances.values().filter(|it| !it.is_gone());
        let mut words: Vec<String> = living
            .map(|it| format!("{}{} v{} {}", it.place, it.slot, self.app.label(it.runs()), it.word()))
            .collect();
        words.sort();
        words.join(", ")
    }

    /// How a deployment ended.
    pub(crate) fn ended(&self, id: u64) -> &'static str {
        self.records.get(&DeploymentId(id)).map_or("no record", |record| record.word())
    }

    pub(crate) fn in_place(&self, place: u16) -> InstanceId {
        self.app.living(Place(place)).next_back().expect("there is an instance").id
    }

    // Commands

    pub(crate) fn next_deployment(&mut self) -> DeploymentId {
        self.next_deployment += 1;
        DeploymentId(self.next_deployment - 1)
    }

    pub(crate) fn package(label: &str, settings: AppSettings) -> NewVersion {
        NewVersion {
            label: label.parse().expect("it is a label"),
            digest: format!("digest of {label}"),
            size_bytes: 1,
            settings,
            meta: BTreeMap::new(),
            pre_commands: Vec::new(),
        }
    }

    pub(crate) fn operator() -> Origin {
        Origin::Operator { uid: 1000, user: Some("ada".into()) }
    }

    pub(crate) fn try_command(&mut self, command: Command, by: Origin) -> Result<(), Refused> {
        match self.event(Event::Command { command, by }) {
            Ok(()) => Ok(()),
            Err(NotTaken::Refused(refused)) => Err(refused),
            Err(NotTaken::Stale(why)) => panic!("a command cannot be stale: {why}"),
        }
    }

    pub(crate) fn command(&mut self, command: Command) {
        if let Err(refused) = self.try_command(command, World::operator()) {
            panic!("refused: {refused}\n{}", self.story());
        }
    }

    /// A command that must be refused; the reason becomes part of the story.
    pub(crate) fn refused(&mut self, command: Command) {
        let refused = self.try_command(command, World::operator()).expect_err("it must be refused");
        self.line(format!("refused: {refused}"));
    }

    pub(crate) fn deploy(&mut self, label: &str, settings: AppSettings) -> DeploymentId {
        let deployment = self.next_deployment();
        let version = Box::new(World::package(label, settings));
        self.command(Command::Deploy { version, wish: Wish::default(), deployment });
        deployment
    }

    pub(crate) fn store_names(&mut self, label: &str, settings: AppSettings) -> Result<(), Refused> {
        let deployment = self.next_deployment();
        let version = Box::new(World::package(label, settings));
        self.try_command(Command::Deploy { version, wish: Wish::default(), deployment }, Origin::Store)
    }

    pub(crate) fn activate(&mut self, label: &str) {
        let deployment = self.next_deployment();
        self.command(Command::Activate {
            version: self::label(label),
            settings: None,
            wish: Wish::default(),
            deployment,
        });
    }

    pub(crate) fn activate_is_refused(&mut self, label: &str) {
        let deployment = self.next_deployment();
        self.refused(Command::Activate {
            version: self::label(label),
            settings: None,
            wish: Wish::default(),
            deployment,
        });
    }

    /// The last line that is not an effect.
    pub(crate) fn last_line(&self) -> &str {
        let told = |line: &&String| !line[4..].starts_with("     ");
        self.lines.iter().rev().find(told).map_or("", String::as_str).trim_start()
    }

    // Events

    pub(crate) fn event(&mut self, event: Event) -> Result<(), NotTaken> {
        let stepped = self.app.step(self.now, event.clone())?;
        let effects: Vec<Effect> = stepped.effects.iter().map(|(_, effect)| effect.clone()).collect();
        self.proxy.look(&self.app, self.now, &event, &effects);
        invariants::members_take_turns(&self.app, &stepped.app);
        self.app = stepped.app;
        for note in stepped.notes {
            let mark = match note.level {
                Level::Info => " ",
                Level::Warning => "~",
                Level::Alarm => "!",
            };
            self.line(format!("{mark} {}", note.text));
        }
        for (id, effect) in stepped.effects {
            if let Some(text) = self.effect_text(&effect) {
                self.line(format!("    {text}"));
            }
            self.to_do.push_back((id, effect));
        }
        for record in stepped.records {
            self.records.insert(record.id, record);
        }
        self.exits.extend(stepped.exits.into_iter().map(|(id, _, exit)| (id, exit.how)));
        self.fewest_ready = self.fewest_ready.min(self.ready());
        self.fewest_offered = self.fewest_offered.min(self.offered());
        invariants::check(&self.app, self.now);
        Ok(())
    }

    /// What the store's poller hears when it tells of a version with default settings.
    pub(crate) fn store_is_told(&mut self, label: &str) -> String {
        match self.store_names(label, settings()) {
            Ok(()) => "taken".into(),
            Err(refused) => refused.to_string(),
        }
    }

    fn line(&mut self, text: impl std::fmt::Display) {
        let since = u64::try_from(self.now.duration_since(self.began).as_secs()).expect("time goes on");
        self.lines.push(format!("{since:>4} {text}"));
    }

    fn effect_text(&self, effect: &Effect) -> Option<String> {
        let name = |id: &InstanceId| {
            let it = &self.app.instances[id];
            format!("{id} ({}{} v{})", it.place, it.slot, self.app.label(it.target))
        };
        Some(match effect {
            Effect::Stage { target, places } => {
                let places: Vec<String> =
                    places.iter().map(|(place, slot)| format!("{place}{slot}")).collect();
                format!("stage v{} for {}", self.app.label(*target), places.join(" "))
            }
            Effect::Run { run } => match (&run.kind, &run.command) {
                (RunKind::Init { instance }, command) => format!("init {instance} `{command}`"),
                (RunKind::Member { instance }, command) => format!("ask {} `{command}`", name(instance)),
                (kind, CommandLine::Release(command)) => format!("{kind} `{command}`"),
                (kind, CommandLine::Program(command)) => format!("{kind} `{command}`"),
            },
            Effect::Halt { run } => format!("halt {run}"),
            Effect::Create { instance } => format!("create {}", name(instance)),
            Effect::Stop { instance } => format!("stop {}", name(instance)),
            Effect::Remove { instance } => format!("remove {instance}"),
            Effect::Plan { from, to, .. } => {
                format!("plan v{} → v{}", self.app.label(*from), self.app.label(*to))
            }
            Effect::Upgrade { instance, to, .. } => {
                format!("upgrade {} to v{}", name(instance), self.app.label(*to))
            }
            Effect::Undo { instance, .. } => format!("undo {}", name(instance)),
            Effect::Settle { instance, .. } => format!("settle {}", name(instance)),
            Effect::Forget { label, .. } => format!("forget v{label}"),
            Effect::Route { route } => route_text(route.as_ref()),
            Effect::Drain { instance, .. } => format!("drain {}", name(instance)),
            Effect::Launch { .. } | Effect::Link { .. } => return None,
        })
    }

    pub(crate) fn shim(&mut self, instance: InstanceId, fact: ShimFact) {
        let seq = if fact == ShimFact::Gone { 0 } else { self.next_seq };
        self.next_seq += 1;
        self.event(Event::Shim { instance, seq, fact }).expect("the fact is taken");
    }

    pub(crate) fn started(&mut self, instance: InstanceId) {
        let run = self.app.instances[&instance].run + 1;
        let pid = u32::try_from(1000 + instance.0 * 10).expect("it is small") + run;
        self.shim(instance, ShimFact::Started { run, pid, at: self.now });
    }

    pub(crate) fn exits(&mut self, instance: InstanceId, status: i32) {
        let it = &self.app.instances[&instance];
        let up = it.up_since.map_or(0, |since| self.now.duration_since(since).as_millis());
        let fact = ShimFact::Exited {
            run: it.run,
            at: self.now,
            how: ExitHow::Status(status),
            uptime_ms: u64::try_from(up).expect("time goes on"),
            crash_dump: None,
            tail: Some("** (RuntimeError) the end of the log".into()),
        };
        self.shim(instance, fact);
    }

    pub(crate) fn verdict(&mut self, instance: InstanceId, verdict: Verdict) {
        let run = self.app.instances[&instance].run;
        self.event(Event::Check { instance, run, verdict }).expect("the verdict is taken");
    }

    /// An instance exits by itself and its shim starts it again at once.
    pub(crate) fn crash(&mut self, place: u16) {
        let instance = self.in_place(place);
        self.exits(instance, 1);
        if self.app.instances[&instance].is_launched() {
            self.started(instance);
        }
        self.settle();
    }

    pub(crate) fn unhealthy(&mut self, place: u16) {
        let why = "GET /health: 500".to_owned();
        self.verdict(self.in_place(place), Verdict::Unhealthy { why, tail: None });
        self.settle();
    }

    pub(crate) fn kill_shim(&mut self, place: u16) {
        let instance = self.in_place(place);
        self.shim(instance, ShimFact::Gone);
        self.settle();
    }

    /// The daemon starts again and finds none of its shims: the host was down.
    pub(crate) fn reboot(&mut self) {
        self.line("  the host restarts");
        self.to_come.clear();
        self.event(Event::Adopted { alive: Vec::new(), unknown: Vec::new() }).expect("adoption is taken");
        self.settle();
    }

    /// Both versions of the running canary have answered: (errors, requests) of the old one, of the new one.
    pub(crate) fn counts(&mut self, old: (u64, u64), new: (u64, u64)) {
        let running = self.app.deployment.as_ref().expect("a deployment is under way");
        let (deployment, canary) = (running.id, running.canary.as_ref().expect("it has a canary"));
        let window = canary.window;
        self.event(Event::CanaryCounts { deployment, window, old: answered(old), new: answered(new) })
            .expect("the counts are taken");
        self.settle();
    }

    // Time

    /// Does what is to be done, until only time could change anything.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            let Some((id, effect)) = self.to_do.pop_front() else { return };
            if !self.proxy.can_end(&self.app, &effect, self.now) {
                self.draining.push((id, effect));
                continue;
            }
            let outcome = match (self.script)(&self.app, &effect) {
                Reply::Ok => done_well(&effect),
                Reply::Fail(reason) => Outcome::Failed { reason: reason.into(), tail: None },
                Reply::NoRoom(detail) => Outcome::NoRoom { detail: detail.into() },
                Reply::Unknown(reason) => Outcome::Unknown { reason: reason.into() },
                Reply::Hold => {
                    self.held.push((id, effect));
                    continue;
                }
            };
            self.done(id, effect, outcome);
        }
        panic!("it never settles:\n{}", self.story());
    }

    fn done(&mut self, id: EffectId, effect: Effect, outcome: Outcome) {
        let was_ok =
            matches!(outcome, Outcome::Ok { .. } | Outcome::Drained { .. } | Outcome::Upgraded { .. });
        if was_ok {
            self.proxy.did(&self.app, &effect);
            self.to_do.extend(std::mem::take(&mut self.draining));
        }
        match self.event(Event::Done { effect: id, outcome }) {
            Ok(()) => {}
            Err(_) if matches!(effect, Effect::Route { .. }) => {}
            Err(stale) => panic!("the outcome is taken: {stale}"),
        }
        if let (Effect::Launch { instance }, true) = (effect, was_ok) {
            self.launched(instance);
        }
    }

    fn launched(&mut self, id: InstanceId) {
        if self.app.instances.get(&id).is_none_or(|it| it.status != Status::Starting) {
            return;
        }
        self.boot(id);
    }

    /// A run begins, and goes as the version's runs go.
    fn boot(&mut self, id: InstanceId) {
        self.started(id);
        let run = self.app.instances[&id].run;
        let label = self.app.label(self.app.instances[&id].target);
        let boot = self.boots.get(&label).copied().unwrap_or(Boot::Ready);
        let check = |verdict| Event::Check { instance: id, run, verdict };
        let exit = ShimFact::Exited {
            run,
            at: self.after(1),
            how: ExitHow::Status(1),
            uptime_ms: 1000,
            crash_dump: None,
            tail: Some("** (Mix.Error) could not load runtime.exs".into()),
        };
        let (wait, event) = match boot {
            Boot::Ready => (2, check(Verdict::Ready)),
            Boot::Exits => (1, Event::Shim { instance: id, seq: 0, fact: exit }),
            Boot::NeverReady => {
                (300, check(Verdict::NeverReady { why: "GET /health: 503".into(), tail: None }))
            }
            Boot::Silent => return,
        };
        self.to_come.push((self.after(wait), Coming::Event(event)));
    }

    fn comes(&mut self, coming: Coming) {
        let lives = |world: &World, id| world.app.instances.get(&id).is_some_and(|it| it.is_launched());
        match coming {
            Coming::Event(event) => {
                let exited = match event {
                    Event::Shim { instance, fact: ShimFact::Exited { .. }, .. } => Some(instance),
                    _ => None,
                };
                // An instance that has been stopped meanwhile tells nothing any more.
                let _ = self.event(event);
                if let Some(id) = exited.filter(|id| lives(self, *id)) {
                    self.to_come.push((self.after(4), Coming::Restart(id)));
                }
            }
            Coming::Restart(id) if lives(self, id) => self.boot(id),
            Coming::Restart(_) => {}
        }
    }

    /// Ends the held effects for which `which` holds.
    pub(crate) fn release(&mut self, which: impl Fn(&Effect) -> bool, outcome: Outcome) {
        let (ended, held) = std::mem::take(&mut self.held).into_iter().partition(|(_, effect)| which(effect));
        self.held = held;
        let ended: Vec<(EffectId, Effect)> = ended;
        assert!(!ended.is_empty(), "nothing of that sort is under way");
        for (id, effect) in ended {
            self.done(id, effect, outcome.clone());
        }
        self.settle();
    }

    fn after(&self, seconds: i64) -> Timestamp {
        self.now.checked_add(SignedDuration::from_secs(seconds)).expect("it is near")
    }

    /// Lets time pass: what was to come comes, ticks come when they are wanted.
    pub(crate) fn pass(&mut self, seconds: i64) {
        let end = self.after(seconds);
        for _ in 0..10_000 {
            self.to_do.extend(std::mem::take(&mut self.draining));
            self.settle();
            let event = self.to_come.iter().map(|(at, _)| *at).min();
            let tick = self.app.wake_at().map(|at| at.max(self.now));
            let drained = self.draining.iter().filter_map(|(_, effect)| match effect {
                Effect::Drain { until, .. } => Some(*until),
                _ => None,
            });
            let next = [event, tick, drained.min()].into_iter().flatten().min().filter(|at| *at <= end);
            let Some(next) = next else {
                self.now = end;
                return;
            };
            self.now = next;
            match self.to_come.iter().position(|(at, _)| *at == next) {
                Some(index) => {
                    let (_, coming) = self.to_come.remove(index);
                    self.comes(coming);
                }
                None => self.event(Event::Tick).expect("a tick is taken"),
            }
        }
        panic!("time does not pass:\n{}", self.story());
    }
}

/// How an effect ends that was done.
pub(crate) fn done_well(effect: &Effect) -> Outcome {
    match effect {
        Effect::Upgrade { .. } => Outcome::Upgraded { undo: true, detail: None },
        _ => Outcome::Ok { detail: None },
    }
}

pub(crate) fn label(text: &str) -> VersionLabel {
    text.parse().expect("it is a label")
}

/// 3 places, rolling, 2 min of watching, 3 tries, 10 min deadline; not behind our proxy.
pub(crate) fn settings() -> AppSettings {
    AppSettings { strategy: Strategy::Rolling, proxy: false, ..AppSettings::default() }
}

/// The defaults of the settings: as above, but parallel and behind our proxy.
pub(crate) fn web() -> AppSettings {
    AppSettings::default()
}

pub(crate) fn with(change: impl FnOnce(&mut AppSettings)) -> AppSettings {
    let mut settings = settings();
    change(&mut settings);
    settings
}

/// As [`web`], in two places, with a canary of two steps of a minute.
pub(crate) fn canary() -> AppSettings {
    let mut settings = AppSettings { replicas: 2, ..web() };
    settings.canary.steps = vec![5, 50];
    settings.canary.step_time = seconds(60);
    settings.canary.hold_limit = seconds(600);
    settings
}

/// What a version has answered: so many errors of so many requests.
pub(crate) fn answered((errors, requests): (u64, u64)) -> Counted {
    Counted { requests, errors, latency: [(20_000, requests)].into() }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
