//! One life of the daemon: adoption, the engine, and around it what the daemon's other parts do: shims' news are brought,
//! checks are made, commands are handed on. It ends where the daemon dies, or where nothing more is to come.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use engine::fault_points::Faulty;
use engine::{AppHandle, Clock, Mistake, Partners};
use jiff::{SignedDuration, Timestamp};
use model::InstanceId;
use model::app::{App, CheckWanted, Command, Counted, Event, Instance, Origin, ShimFact, Verdict};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{TurnedClock, WallClock};
use crate::disturbance::{Ask, Disturbance, What};
use crate::doer::Hands;
use crate::gremlin::Gremlin;
use crate::journal::{Disk, Remembers};
use crate::shared::Shared;
use crate::world::{Seen, Shim, State, World, after};

/// Longest that everything may take to come to rest when all goes well.
const REST: SignedDuration = SignedDuration::from_hours(8);

/// More turns than any run needs: whoever takes them goes round in circles.
const MOST_TURNS: u64 = 30_000;

/// Between two checks of an instance that is not ready, and of one that is.
const RETRY: Duration = Duration::from_millis(400);
const HEALTH: Duration = Duration::from_secs(5);

/// Between two looks at an instance that stays unhealthy.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The daemon died; it is started again after this time.
    Died(Duration),
    /// Nothing more is to come.
    Rests,
    /// Something was seen that must never be.
    Broken,
}

/// One life.
pub(crate) struct Life<'a> {
    shared: Arc<Shared>,
    clock: TurnedClock,
    handle: AppHandle,
    disturbances: &'a mut VecDeque<Disturbance>,
    /// Checks under way, and when each looks next.
    checks: BTreeMap<CheckWanted, Timestamp>,
    /// When somebody looks again whether an instance that stays unhealthy is to be replaced.
    ailing_at: Timestamp,
    /// When all began to go well.
    calm_since: Option<Timestamp>,
}

/// Plays one life to its end.
pub(crate) fn live(
    shared: &Arc<Shared>,
    disk: &Disk,
    mistake: Option<Mistake>,
    disturbances: &mut VecDeque<Disturbance>,
) -> End {
    // Where it is dropped, every task of the life ends at the await where it is: like a death by SIGKILL.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without IO needs nothing of the host");
    runtime.block_on(async {
        let clock = TurnedClock::new(shared.world().now);
        let (journal, app) = match disk.open(shared) {
            Ok(opened) => opened,
            Err(error) => {
                shared.world().breaks(format!("the journal cannot be opened: {error}"));
                return End::Broken;
            }
        };
        let first = adopt(&mut shared.world(), &app);
        let partners = Partners {
            journal: Faulty::new(
                Remembers { journal, shared: shared.clone() },
                Arc::new(Gremlin(shared.clone())),
            ),
            doer: Faulty::new(
                Hands { shared: shared.clone(), clock, mistake },
                Arc::new(Gremlin(shared.clone())),
            ),
            clock: WallClock { time: clock, set_by: shared.world().clock_set_by },
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let handle = engine::start(app, first, Arc::new(partners), &tasks, stop);
        let life = Life {
            shared: shared.clone(),
            clock,
            handle,
            disturbances,
            checks: BTreeMap::new(),
            ailing_at: clock.now(),
            calm_since: None,
        };
        life.run().await
    })
}

/// Asks every shim, as a daemon does that starts: what the engine takes first.
fn adopt(world: &mut World, app: &App) -> Vec<Event> {
    world.life += 1;
    let life = world.life;
    world.note(|_| format!("== life {life} of the daemon"));
    world.runners.forget_given_up();
    world.busy.clear();
    if *app != *world.durable {
        world.breaks("the journal gives back another state than was made durable");
    }
    let (mut alive, mut unknown, mut news) = (Vec::new(), Vec::new(), Vec::new());
    let ids: Vec<InstanceId> = world.shims.keys().copied().collect();
    for id in ids {
        let known = app.instances.get(&id).filter(|it| !it.is_gone()).map(|it| it.seq);
        let Some(shim) = world.shims.get_mut(&id) else { continue };
        match known {
            // Told to stop; of one that does not answer nobody knows.
            None if shim.lives() && shim.is_mute => unknown.push(id),
            None => {
                world.befall(id, |shim, _| shim.die());
                world.shims.remove(&id);
            }
            Some(seq) => {
                shim.begin_to_tell(seq);
                match (shim.lives(), shim.is_mute) {
                    (true, false) => alive.push(id),
                    (true, true) => unknown.push(id),
                    (false, _) => {
                        let told = shim.log.iter().filter(|(number, _)| *number > seq);
                        news.extend(told.map(|(seq, fact)| Event::Shim {
                            instance: id,
                            seq: *seq,
                            fact: fact.clone(),
                        }));
                    }
                }
            }
        }
    }
    news.push(Event::Adopted { alive, unknown });
    // The proxy is told each app's route before any effect is performed again.
    world.serve(app.routing.wanted.clone(), app.routing.effect);
    news
}

impl Life<'_> {
    async fn run(mut self) -> End {
        let mut snapshots = self.handle.watch();
        loop {
            let now = self.clock.now();
            self.shared.world().go_on(now);
            self.bring_news();
            self.check(now);
            self.restart_ailing(now);
            if let Some(end) = self.disturb(now).or_else(|| self.end(now)) {
                return end;
            }
            let next = self.next_at();
            tokio::select! {
                biased;
                () = self.shared.changed.notified() => {}
                Ok(()) = snapshots.changed() => {}
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    fn next_at(&self) -> Timestamp {
        let world = self.shared.world();
        let disturbance = self.disturbances.front().map(|it| {
            let wait = it.at.saturating_sub(world.age());
            after(world.now, wait)
        });
        let checks = self.checks.values().min().copied();
        let ailing = self.handle.snapshot().ailing().map(|_| self.ailing_at);
        // Where nobody does anything any more, that is seen then.
        let given_up = self.calm_since.and_then(|since| since.checked_add(REST).ok());
        let given_up = given_up.map(|at| after(at, Duration::from_secs(1)));
        [world.next_at(), disturbance, checks, ailing, given_up]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Timestamp::MAX)
    }

    /// Whether and how the life ends now.
    fn end(&mut self, now: Timestamp) -> Option<End> {
        if self.shared.world().broken.is_some() {
            return Some(End::Broken);
        }
        if std::mem::take(&mut self.shared.plan().is_dead) {
            let world = self.shared.world();
            let away = world.chance(&[7, world.life]).one_of(&[10, 300, 3_000, 30_000]);
            return Some(End::Died(Duration::from_millis(away)));
        }
        if self.shared.witness().turns > MOST_TURNS {
            self.shared.world().breaks("it goes round in circles");
            return Some(End::Broken);
        }
        if !self.disturbances.is_empty() {
            return None;
        }
        let since = *self.calm_since.get_or_insert(now);
        if since == now {
            self.shared.world().calm();
            self.shared.plan().calm();
        }
        let what_is_left = self.what_is_left();
        if what_is_left.is_none() {
            return Some(End::Rests);
        }
        if now.duration_since(since) > REST {
            let what = what_is_left.unwrap_or_default();
            self.shared.world().breaks(format!("it does not come to rest: {what}"));
            return Some(End::Broken);
        }
        None
    }

    /// What is still to come, though all goes well.
    fn what_is_left(&self) -> Option<String> {
        let app = self.handle.snapshot();
        if let Some(deployment) = &app.deployment {
            return Some(format!("deployment {} is {}", deployment.id, deployment.word()));
        }
        if let Some((id, effect)) = app.outbox.iter().next() {
            return Some(format!("{id} {} has no outcome", crate::witness::effect_text(effect)));
        }
        if app.queued.is_some() {
            return Some("a deployment is queued".into());
        }
        let world = self.shared.world();
        if world.shims.values().any(|shim| shim.is_telling || shim.has_news()) {
            return Some("a shim has something to tell".into());
        }
        if let Some(id) = world.untold(&app) {
            return Some(format!("something that {id} has told was forgotten"));
        }
        if let Some(place) = world.wrong_links(&app) {
            return Some(format!("the links of place {place} are not those that the app knows"));
        }
        let active = app.active().filter(|_| app.running && app.stuck.is_none())?;
        let wanted = (1..=app.replicas(active)).map(model::Place);
        let is_unknown =
            |place: model::Place| app.places.get(&place).is_some_and(|state| state.unknown.is_some());
        let is_there = |place: model::Place| {
            let living: Vec<&Instance> = app.living(place).collect();
            let is_well = |it: &Instance| world.shims.get(&it.id).is_some_and(|shim| shim.is_well(world.now));
            living.len() == 1 && living[0].is_ready() && is_well(living[0])
        };
        let missing = wanted.into_iter().find(|place| !is_unknown(*place) && !is_there(*place));
        missing.map(|place| format!("place {place} has no ready instance"))
    }

    /// Brings the engine what shims have to tell: of each one after another.
    fn bring_news(&self) {
        let mut world = self.shared.world();
        let life = world.life;
        let mut news: Vec<(InstanceId, u64, ShimFact)> = Vec::new();
        for (id, shim) in &mut world.shims {
            if let Some((seq, fact)) = shim.tell() {
                news.push((*id, seq, fact));
            }
        }
        for (instance, seq, fact) in news {
            let wait = Duration::from_millis(1 + world.chance(&[8, instance.0, seq, life]).below(30));
            let (shared, handle, clock) = (self.shared.clone(), self.handle.clone(), self.clock);
            tokio::spawn(async move {
                sleep(wait).await;
                let answer = handle.tell(Event::Shim { instance, seq, fact }).await;
                let mut world = shared.world_at(clock.now());
                world.look_at_answer(answer);
                world.shims.get_mut(&instance).into_iter().for_each(|shim| shim.has_told(seq));
            });
        }
    }

    /// Makes the checks that the app wants.
    fn check(&mut self, now: Timestamp) {
        let app = self.handle.snapshot();
        let world = self.shared.world();
        let mut checks = BTreeMap::new();
        for check in app.checks_wanted() {
            let wait = world.chance(&[9, check.instance.0, u64::from(check.run)]).below(400);
            let first = || after(now, Duration::from_millis(1 + wait));
            let mut next = self.checks.get(&check).copied().unwrap_or_else(first);
            if next <= now {
                if let Some(verdict) = verdict(&world, &app, check) {
                    self.tell(Event::Check { instance: check.instance, run: check.run, verdict }, wait % 20);
                }
                next = after(now, if check.readiness { RETRY } else { HEALTH });
            }
            checks.insert(check, next);
        }
        drop(world);
        self.checks = checks;
    }

    /// Has an instance replaced that stays unhealthy, when that may be.
    fn restart_ailing(&mut self, now: Timestamp) {
        let app = self.handle.snapshot();
        if now < self.ailing_at {
            return;
        }
        let Some((instance, due)) = app.ailing() else { return };
        self.ailing_at = after(now, ASK_AGAIN);
        let mut world = self.shared.world();
        let by_the_hosts_clock = now + world.clock_set_by;
        if due <= by_the_hosts_clock && app.lets_watchdog_restart(instance.place, by_the_hosts_clock).is_ok()
        {
            let command =
                Command::Restart { place: Some(instance.place), deployment: world.take_deployment() };
            drop(world);
            self.tell(Event::Command { command, by: Origin::Watchdog { reason: "unhealthy".into() } }, 5);
        }
    }

    fn tell(&self, event: Event, wait_ms: u64) {
        let (handle, shared) = (self.handle.clone(), self.shared.clone());
        tokio::spawn(async move {
            sleep(Duration::from_millis(1 + wait_ms)).await;
            let is_fact = !matches!(event, Event::Command { .. });
            let answer = handle.tell(event).await;
            if is_fact {
                shared.world().look_at_answer(answer);
            }
        });
    }

    /// Has happen what is due.
    fn disturb(&mut self, now: Timestamp) -> Option<End> {
        let age = self.shared.world().age();
        while self.disturbances.front().is_some_and(|it| it.at <= age) {
            let Some(disturbance) = self.disturbances.pop_front() else { break };
            self.shared.world().note(|_| format!("  ! {:?}", disturbance.what));
            match disturbance.what {
                What::Asks(ask) => self.ask(&ask),
                What::Death(away) => return Some(End::Died(away)),
                What::Reboot(away) => {
                    self.shared.world().reboot();
                    return Some(End::Died(away));
                }
                What::ClockIsSet(hours) => {
                    self.shared.world().clock_set_by += SignedDuration::from_hours(hours);
                    return Some(End::Died(Duration::from_millis(300)));
                }
                What::AtEffect(action, after) => self.shared.plan().next_effect = Some((action, after)),
                What::AtCommit(action, after) => self.shared.plan().next_commit = Some((action, after)),
                What::Errs => self.err(),
                What::LooksDown(pick, down) => self.look_down(pick, down),
                What::ShimDies(pick) => self.befall(pick, |shim, _| shim.die()),
                What::Exits(pick) => self.befall(pick, Shim::exit),
                What::Sickens(pick) => self.befall(pick, Shim::sicken),
                What::Hangs(pick, lasting) => self.befall(pick, |shim, now| shim.hang(now, lasting)),
                What::FallsMute(pick) => self.befall(pick, |shim, _| shim.is_mute = true),
            }
            self.shared.world().go_on(now);
            // There may be news to bring.
            self.shared.changed.notify_one();
        }
        None
    }

    /// The proxy counts errors of what is being watched.
    fn err(&self) {
        let app = self.handle.snapshot();
        if let Some(counts) = canary_counts(&app) {
            return self.tell(counts, 3);
        }
        let target = app.deployment.as_ref().and_then(|it| it.to);
        if let Some(target) = target {
            self.tell(Event::ServerErrors { target, reason: "2 % answered with 5xx".into() }, 3);
        }
    }

    /// The proxy's own checks of an instance come to another end.
    fn look_down(&self, pick: usize, down: bool) {
        let app = self.handle.snapshot();
        let ready: Vec<&Instance> = app.instances.values().filter(|it| it.is_ready()).collect();
        if let Some(it) = ready.get(pick % ready.len().max(1)) {
            let down = down.then(|| "connection refused".to_owned());
            self.tell(Event::ProxyHealth { instance: it.id, run: it.run, down, changes: 1 }, 3);
        }
    }

    fn befall(&self, pick: usize, change: impl FnOnce(&mut Shim, Timestamp)) {
        let mut world = self.shared.world();
        let up: Vec<InstanceId> = world
            .shims
            .iter()
            .filter(|(_, shim)| matches!(shim.state, State::Up(_)))
            .map(|(id, _)| *id)
            .collect();
        if let Some(id) = up.get(pick % up.len().max(1)) {
            world.befall(*id, change);
        }
    }

    fn ask(&self, ask: &Ask) {
        let app = self.handle.snapshot();
        let (running, queued) =
            (app.deployment.as_ref().map(|it| it.id), app.queued.as_ref().map(|it| it.deployment));
        let mut world = self.shared.world();
        let deployment = world.take_deployment();
        let (command, by) = ask.command(&world.versions, deployment, running, queued);
        if by != model::app::Origin::Store {
            world.be_looked_at();
        }
        if let model::app::Command::Deploy { version, .. } = &command {
            // Taken in before the command is given.
            world.packages.insert(version.label.clone());
        }
        drop(world);
        self.tell(Event::Command { command, by }, 5);
    }
}

/// What the proxy has counted in a canary: both answer well, the new one fails, or both do.
fn canary_counts(app: &App) -> Option<Event> {
    let deployment = app.deployment.as_ref()?;
    let window = deployment.running_canary()?.window;
    let answered = |errors| Counted { requests: 1000, errors, ..Counted::default() };
    let (old, new) = match deployment.id.0 % 4 {
        0 | 1 => (0, 0),
        2 => (0, 500),
        _ => (500, 500),
    };
    let (old, new) = (answered(old), answered(new));
    Some(Event::CanaryCounts { deployment: deployment.id, window, old, new })
}

fn verdict(world: &World, app: &App, check: CheckWanted) -> Option<Verdict> {
    let instance = app.instances.get(&check.instance)?;
    let shim = world.shims.get(&check.instance).filter(|shim| shim.run == check.run)?;
    let (seen, why, tail) = (shim.seen(world.now), "503".to_owned(), None);
    if !check.readiness {
        return match (seen, instance.is_ready()) {
            (Seen::Sick, true) => Some(Verdict::Unhealthy { why, tail }),
            (Seen::Well, false) => Some(Verdict::Healthy),
            _ => None,
        };
    }
    let State::Up(up) = &shim.state else { return None };
    let timeout = app.revision(instance.target)?.settings.readiness.failure_timeout;
    match seen {
        Seen::Well => Some(Verdict::Ready),
        _ if world.now >= after(up.since, timeout) => Some(Verdict::NeverReady { why, tail }),
        _ => None,
    }
}
