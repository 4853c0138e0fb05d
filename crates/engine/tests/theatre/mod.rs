//! Partners in memory, under a clock that is turned by waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::{AppHandle, Clock, Doer, Journal, Partners, Turn, Unreached};
use jiff::{SignedDuration, Timestamp};
use model::app::{App, Command, Effect, Event, NewVersion, Origin, Outcome, Wish};
use model::settings::AppSettings;
use model::{DeploymentId, EffectId};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest that anything may take in these tests, by their own clock.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// What happened in which order, and what the partners shall do.
#[derive(Default)]
pub(crate) struct Stage {
    lines: Mutex<Vec<String>>,
    durable: Mutex<BTreeSet<EffectId>>,
    turns: Mutex<Vec<Turn>>,
    /// So many commits fail from now on.
    pub(crate) broken_commits: AtomicUsize,
    /// From now on the clock wakes at once, whatever time it is.
    pub(crate) wakes_early: AtomicBool,
    /// How often it was asked to wake.
    pub(crate) sleeps: AtomicUsize,
    gates: Mutex<BTreeMap<&'static str, Arc<Notify>>>,
    faults: Mutex<BTreeSet<&'static str>>,
}

impl Stage {
    fn line(&self, text: impl Into<String>) {
        lock(&self.lines).push(text.into());
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        lock(&self.lines).clone()
    }

    /// Every turn that was made durable.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        lock(&self.turns).clone()
    }

    /// From now on effects of this sort wait, each for one permit.
    pub(crate) fn gate(&self, sort: &'static str) -> Arc<Notify> {
        lock(&self.gates).entry(sort).or_default().clone()
    }

    /// From now on doing effects of this sort panics.
    pub(crate) fn fault(&self, sort: &'static str) {
        lock(&self.faults).insert(sort);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}

#[derive(Debug, thiserror::Error)]
#[error("could not write the turn")]
pub(crate) struct NotWritten(#[source] std::io::Error);

struct Memory(Arc<Stage>);

impl Journal for Memory {
    type Error = NotWritten;

    async fn commit(&self, turn: Turn) -> Result<(), NotWritten> {
        // Long enough that an effect performed too early would be seen.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let broken = &self.0.broken_commits;
        if broken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            self.0.line("commit failed");
            return Err(NotWritten(std::io::Error::other("the disk is full")));
        }
        lock(&self.0.durable).extend(turn.stepped.effects.iter().map(|(id, _)| *id));
        lock(&self.0.turns).push(turn);
        Ok(())
    }
}

struct Hands(Arc<Stage>);

pub(crate) fn sort(effect: &Effect) -> &'static str {
    match effect {
        Effect::Stage { .. } => "stage",
        Effect::Run { .. } => "run",
        Effect::Halt { .. } => "halt",
        Effect::Create { .. } => "create",
        Effect::Launch { .. } => "launch",
        Effect::Stop { .. } => "stop",
        Effect::Remove { .. } => "remove",
        Effect::Route { .. } => "route",
        Effect::Drain { .. } => "drain",
        Effect::Link { .. } => "link",
        Effect::Plan { .. } => "plan",
        Effect::Upgrade { .. } => "upgrade",
        Effect::Undo { .. } => "undo",
        Effect::Settle { .. } => "settle",
        Effect::Forget { .. } => "forget",
    }
}

fn name(effect: &Effect) -> String {
    match effect {
        Effect::Create { instance }
        | Effect::Launch { instance }
        | Effect::Stop { instance }
        | Effect::Remove { instance } => format!("{} {instance}", sort(effect)),
        _ => sort(effect).to_owned(),
    }
}

impl Doer for Hands {
    async fn perform(&self, app: Arc<App>, id: EffectId, effect: Effect) -> Outcome {
        if !lock(&self.0.durable).contains(&id) || !app.outbox.contains_key(&id) {
            self.0.line(format!("{} is performed before it is durable", name(&effect)));
        }
        self.0.line(format!("{} begins", name(&effect)));
        let gate = lock(&self.0.gates).get(sort(&effect)).cloned();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        let is_at_fault = lock(&self.0.faults).contains(sort(&effect));
        assert!(!is_at_fault, "as the test wants it");
        self.0.line(format!("{} ends", name(&effect)));
        Outcome::Ok { detail: None }
    }
}

/// Tokio's clock, which jumps to the next timer when all tasks wait.
struct Turned {
    began: Instant,
    stage: Arc<Stage>,
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).expect("it is short");
        Timestamp::UNIX_EPOCH.checked_add(passed).expect("it is short")
    }

    async fn sleep_until(&self, time: Timestamp) {
        self.stage.sleeps.fetch_add(1, Ordering::SeqCst);
        if self.stage.wakes_early.load(Ordering::SeqCst) {
            return;
        }
        if time == Timestamp::MAX {
            return std::future::pending().await;
        }
        let wait = Duration::try_from(time.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(wait).await;
    }
}

/// An engine on its stage.
pub(crate) struct Theatre {
    pub(crate) stage: Arc<Stage>,
    pub(crate) handle: AppHandle,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

pub(crate) fn new_app() -> App {
    App::new("beacon".parse().expect("it is a name"))
}

pub(crate) fn one() -> AppSettings {
    AppSettings { replicas: 1, ..AppSettings::default() }
}

pub(crate) fn cancel() -> Event {
    Event::Command { command: Command::Cancel { deployment: DeploymentId(1) }, by: Origin::Store }
}

impl Theatre {
    pub(crate) fn open() -> Self {
        Theatre::open_with(new_app(), Vec::new())
    }

    pub(crate) fn open_with(app: App, first: Vec<Event>) -> Self {
        let stage = Arc::new(Stage::default());
        lock(&stage.durable).extend(app.outbox.keys());
        let partners = Arc::new(Partners {
            journal: Memory(stage.clone()),
            doer: Hands(stage.clone()),
            clock: Turned { began: Instant::now(), stage: stage.clone() },
        });
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let handle = engine::start(app, first, partners, &tasks, stop.clone());
        tasks.close();
        Theatre { stage, handle, tasks, stop }
    }

    /// The store names version 1; the deployment is number 1.
    pub(crate) async fn deploy(&self, settings: AppSettings) -> Result<(), Unreached> {
        let version = NewVersion {
            label: "1".parse().expect("it is a label"),
            digest: "d".into(),
            size_bytes: 1,
            settings,
            meta: BTreeMap::new(),
            pre_commands: Vec::new(),
        };
        let command = Command::Deploy {
            version: Box::new(version),
            wish: Wish::default(),
            deployment: DeploymentId(1),
        };
        self.handle.tell(Event::Command { command, by: Origin::Store }).await
    }

    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&App) -> bool) {
        let mut watch = self.handle.watch();
        let found = timeout(LONG, watch.wait_for(|app| holds(app))).await.is_ok_and(|it| it.is_ok());
        assert!(found, "never {what}: {:#?}", self.stage.lines());
    }

    pub(crate) async fn until_line(&self, line: &str) {
        let seen = async {
            while !self.stage.lines().iter().any(|it| it == line) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(timeout(LONG, seen).await.is_ok(), "never {line:?}: {:#?}", self.stage.lines());
    }
}
