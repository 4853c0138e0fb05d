//! Does effects on the simulated host, as the real doer promises: done twice, an effect finds what was done.

use std::sync::Arc;
use std::time::Duration;

use engine::{Clock, Mistake};
use jiff::Timestamp;
use model::app::{App, Effect, Outcome, Run, RunKind, Target};
use model::{EffectId, InstanceId, Place, VersionId};
use tokio::time::sleep;

use crate::clock::TurnedClock;
use crate::shared::Shared;
use crate::world::{Progress, Shim, State, World, after};

/// How long a shim that does not answer is waited for.
const ANSWER: Duration = Duration::from_secs(10);

/// The host, as the engine sees it in one life of the daemon.
pub(crate) struct Hands {
    pub(crate) shared: Arc<Shared>,
    pub(crate) clock: TurnedClock,
    pub(crate) mistake: Option<Mistake>,
}

impl engine::Doer for Hands {
    async fn perform(&self, app: Arc<App>, id: EffectId, effect: Effect) -> Outcome {
        let about = about(&effect);
        self.begin(id, &effect, about);
        sleep(self.wait(id, 1, 150)).await;
        let outcome = self.act(&app, id, effect).await;
        sleep(self.wait(id, 2, 30)).await;
        if let Some(subject) = about {
            self.world().busy.remove(&subject);
        }
        outcome
    }

    async fn tidy_up(&self, app: Arc<App>) {
        sleep(Duration::from_millis(50)).await;
        self.world().runners.tidy_up(|id| app.has_ended(id));
    }

    fn mistake(&self) -> Option<Mistake> {
        self.mistake
    }
}

/// What an effect is about: of two about the same thing the later one must find what the earlier one has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Instance(InstanceId),
    Links(Place),
    Version(VersionId),
}

/// `None`: it may be done beside all others.
fn about(effect: &Effect) -> Option<Subject> {
    match effect {
        Effect::Create { instance }
        | Effect::Launch { instance }
        | Effect::Stop { instance }
        | Effect::Remove { instance }
        | Effect::Upgrade { instance, .. }
        | Effect::Undo { instance, .. }
        | Effect::Settle { instance, .. } => Some(Subject::Instance(*instance)),
        Effect::Run { run } => match run.kind {
            RunKind::Init { instance } => Some(Subject::Instance(instance)),
            RunKind::Prepare | RunKind::Pre { .. } | RunKind::PostRollback | RunKind::Member { .. } => None,
        },
        Effect::Link { place, .. } => Some(Subject::Links(*place)),
        Effect::Stage { target, .. } => Some(Subject::Version(target.version)),
        Effect::Plan { to, .. } => Some(Subject::Version(to.version)),
        Effect::Forget { version, .. } => Some(Subject::Version(*version)),
        Effect::Halt { .. } | Effect::Route { .. } | Effect::Drain { .. } => None,
    }
}

impl Hands {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.shared.world_at(self.clock.now())
    }

    /// A duration that follows from the effect and from the daemon's life.
    fn wait(&self, id: EffectId, about: u64, most_ms: u64) -> Duration {
        let world = self.shared.world();
        Duration::from_millis(1 + world.chance(&[5, id.0, about, world.life]).below(most_ms))
    }

    /// Looks at what the engine promises: what is done is durable, and nothing else is being done about the same.
    fn begin(&self, id: EffectId, effect: &Effect, about: Option<Subject>) {
        let mut world = self.world();
        // A route may have been followed by another one.
        let is_wanted = world.durable.outbox.contains_key(&id)
            || (matches!(effect, Effect::Route { .. }) && Some(id) < world.durable.routing.effect);
        if !is_wanted {
            world.breaks(format!("{id} is performed and is not in the journal's outbox"));
        }
        if let Some(subject) = about.filter(|subject| !world.busy.insert(*subject)) {
            world.breaks(format!("two effects about {subject:?} are done side by side"));
        }
    }

    async fn act(&self, app: &App, id: EffectId, effect: Effect) -> Outcome {
        match effect {
            Effect::Stage { target, .. } => {
                sleep(self.wait(id, 3, 2_000)).await;
                let has_room = !self.world().chance(&[11, id.0]).once_in(10);
                match self.use_package(app, target) {
                    OK if !has_room => Outcome::NoRoom { detail: "1 GB is free, 2 GB are needed".into() },
                    outcome => outcome,
                }
            }
            Effect::Route { route } => {
                self.world().serve(route, Some(id));
                OK
            }
            Effect::Drain { instance, .. } => {
                let target = app.instances.get(&instance).map(|it| it.target);
                let settings = target.and_then(|target| Some(&app.revision(target)?.settings));
                let limit = settings.map_or(Duration::ZERO, |settings| settings.drain_timeout);
                // After a start of the daemon the proxy may hear of it only now.
                self.drain(instance, after(self.clock.now(), limit + Duration::from_secs(2))).await
            }
            Effect::Run { run } => self.run(id, &run).await,
            Effect::Halt { run } => {
                if !app.has_ended(run) {
                    self.world().runners.halt(run);
                }
                OK
            }
            Effect::Create { instance } => match app.instances.get(&instance) {
                Some(it) => {
                    self.world().trees.insert(instance);
                    self.use_package(app, it.target)
                }
                None => failed("the instance is not known any more"),
            },
            Effect::Launch { instance } => self.launch(app, id, instance).await,
            Effect::Stop { instance } => self.stop(instance).await,
            Effect::Remove { instance } => self.remove(instance),
            Effect::Link { place, links } => {
                self.world().links.insert(place, links);
                OK
            }
            Effect::Plan { to, .. } => {
                sleep(self.wait(id, 6, 2_000)).await;
                let is_safe = self.may_go_wrong() && self.world().chance(&[12, id.0]).once_in(6);
                if is_safe { failed("OTP changes (BR-H001)") } else { self.use_package(app, to) }
            }
            Effect::Upgrade { instance, run, from, to, .. } => {
                sleep(self.wait(id, 7, 4_000)).await;
                self.upgrade(app, id, instance, run, from, to)
            }
            Effect::Undo { instance, run, from, .. } => {
                sleep(self.wait(id, 8, 4_000)).await;
                self.undo(app, id, instance, run, from)
            }
            Effect::Settle { instance, run, to, .. } => self.settle(app, id, instance, run, to),
            Effect::Forget { version, label } => {
                let mut world = self.world();
                let durable = world.durable.clone();
                let lives = |id: &InstanceId| durable.instances.get(id).is_some_and(|it| !it.is_gone());
                let mut shims = world.shims.iter();
                let needs = |shim: &Shim| [shim.target, shim.live].iter().any(|it| it.version == version);
                if shims.any(|(id, shim)| lives(id) && shim.runs() && needs(shim)) {
                    world.breaks(format!("the package of v{label}, which runs, is deleted"));
                }
                world.packages.remove(&label);
                OK
            }
        }
    }

    fn may_go_wrong(&self) -> bool {
        let world = self.world();
        !world.is_calm && world.versions.all.is_none()
    }

    /// Takes another version into a running instance; whoever asks again hears the same.
    fn upgrade(
        &self,
        app: &App,
        id: EffectId,
        instance: InstanceId,
        run: u32,
        from: Target,
        to: Target,
    ) -> Outcome {
        let may_go_wrong = self.may_go_wrong();
        let mut chance = self.world().chance(&[13, id.0]);
        let (refuses, is_lost) = (may_go_wrong && chance.once_in(8), may_go_wrong && chance.once_in(12));
        let undo = !(may_go_wrong && chance.once_in(5));
        let mut world = self.world();
        let nature = world.nature(app, to);
        let Some(shim) = world.shims.get(&instance).filter(|shim| shim.is_in_run(run)) else {
            return failed("it does not run any more");
        };
        if shim.live != from && shim.live != to {
            world.breaks(format!("{instance} is upgraded from {from:?}, which does not run in it"));
        }
        if refuses {
            return failed("a process waits in old code (BR-H060)");
        }
        if is_lost {
            return Outcome::Unknown { reason: "its node does not answer".into() };
        }
        world.befall(instance, |shim, now| shim.take_in(to, nature, now));
        Outcome::Upgraded { undo, detail: None }
    }

    fn undo(&self, app: &App, id: EffectId, instance: InstanceId, run: u32, from: Target) -> Outcome {
        let fails = self.may_go_wrong() && self.world().chance(&[14, id.0]).once_in(4);
        let mut world = self.world();
        let nature = world.nature(app, from);
        if fails || !world.shims.get(&instance).is_some_and(|shim| shim.is_in_run(run)) {
            return failed("a process does not answer");
        }
        world.befall(instance, |shim, now| shim.take_in(from, nature, now));
        OK
    }

    /// What the next run of an instance is, if the upgraded one goes on.
    fn settle(&self, app: &App, id: EffectId, instance: InstanceId, run: u32, to: Target) -> Outcome {
        let fails = self.may_go_wrong() && self.world().chance(&[15, id.0]).once_in(10);
        let mut world = self.world();
        let nature = world.nature(app, to);
        if fails || !world.shims.get(&instance).is_some_and(|shim| shim.is_in_run(run)) {
            return failed("no space left");
        }
        world.befall(instance, |shim, _| (shim.target, shim.nature) = (to, nature));
        OK
    }

    fn use_package(&self, app: &App, target: Target) -> Outcome {
        let Some(version) = app.version(target.version) else {
            return failed("its version is not registered");
        };
        let mut world = self.world();
        if !world.packages.contains(&version.label) {
            world.breaks(format!("the package of v{}, which is to run, is gone", version.label));
        }
        OK
    }

    async fn run(&self, id: EffectId, run: &Run) -> Outcome {
        let lasts = self.wait(EffectId(id.0), 4, 5_000);
        {
            let mut world = self.world();
            let rarely = if matches!(run.kind, RunKind::Member { .. }) { 3 } else { 12 };
            let is_bad =
                !world.is_calm && world.versions.all.is_none() && world.chance(&[6, id.0]).once_in(rarely);
            let ends = if is_bad { failed("ended with exit 1") } else { OK };
            let until = after(world.now, lasts);
            if let Err(what) = world.runners.begin(id, run, until, ends) {
                world.breaks(what);
            }
        }
        loop {
            let progress = {
                let mut world = self.world();
                let now = world.now;
                world.runners.progress(id, now)
            };
            match progress {
                Some(Progress::Ended(outcome)) => return outcome,
                // It may be ended before, by hand.
                Some(Progress::Until(until)) => {
                    let now: Timestamp = self.clock.now();
                    let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                    sleep(wait.clamp(Duration::from_millis(1), Duration::from_millis(200))).await;
                }
                None => return failed("its runner is gone"),
            }
        }
    }

    async fn launch(&self, app: &App, id: EffectId, instance: InstanceId) -> Outcome {
        let (found, is_mute) = {
            let world = self.world();
            let shim = world.shims.get(&instance);
            (shim.map(|shim| shim.state.clone()), shim.is_some_and(|shim| shim.is_mute))
        };
        if is_mute {
            sleep(ANSWER).await;
            return Outcome::Unknown { reason: "its shim does not answer".into() };
        }
        match found {
            None => {
                let mut world = self.world();
                if !world.trees.contains(&instance) {
                    world.breaks(format!("{instance} is launched without its tree"));
                }
                world.spawn(app, instance);
            }
            Some(State::Waiting) => {}
            Some(State::Dead) => {
                self.world().shims.remove(&instance);
                return failed("its shim died");
            }
            Some(_) => return OK,
        }
        sleep(self.wait(id, 5, 60)).await;
        self.world().change(instance, |shim, now| {
            if shim.state == State::Waiting {
                shim.start_run(now);
            }
        });
        OK
    }

    /// Waits until the proxy, once it serves by a route that drains the instance, says that nothing is in flight.
    async fn drain(&self, instance: InstanceId, until: Timestamp) -> Outcome {
        loop {
            let (now, drained_at) = {
                let world = self.world();
                let is_told = !world.proxy.offers(instance);
                (world.now, world.proxy.drained_at(instance).filter(|_| is_told))
            };
            if now >= until || drained_at.is_some_and(|at| at <= now) {
                return OK;
            }
            let look_again = after(now, Duration::from_millis(100));
            self.clock.sleep_until(drained_at.unwrap_or(look_again).min(until)).await;
        }
    }

    async fn stop(&self, instance: InstanceId) -> Outcome {
        let is_mute = self.world().shims.get(&instance).is_some_and(|shim| shim.is_mute);
        if is_mute {
            sleep(ANSWER).await;
            return failed("its shim does not answer");
        }
        {
            let mut world = self.world();
            world.look_at_stop(instance);
            world.look_at_members(instance);
            world.change(instance, Shim::begin_stop);
        }
        loop {
            let ends = {
                let mut world = self.world();
                match world.shims.get(&instance).map(|shim| &shim.state) {
                    Some(State::Stopping { until }) => *until,
                    _ => {
                        world.shims.remove(&instance);
                        return OK;
                    }
                }
            };
            self.clock.sleep_until(ends).await;
        }
    }

    fn remove(&self, instance: InstanceId) -> Outcome {
        let mut world = self.world();
        if world.shims.get(&instance).is_some_and(|shim| shim.runs() && !shim.is_mute) {
            world.breaks(format!("the tree of {instance}, which runs, is deleted"));
        }
        world.trees.remove(&instance);
        OK
    }
}

const OK: Outcome = Outcome::Ok { detail: None };

fn failed(reason: &str) -> Outcome {
    Outcome::Failed { reason: reason.into(), tail: None }
}
