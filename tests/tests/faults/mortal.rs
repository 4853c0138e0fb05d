//! An app whose daemon dies at wanted fault points, over and over, while changes are asked for under load.

use std::time::Duration;

use api::app::{App, AppState, Instance, InstanceState};
use api::change::Granted;
use api::deployment::Phase;
use testkit::client::{Answer, Upload};
use testkit::load::{Kind, Load, Plan};
use testkit::wanted::fault_points;
use testkit::{ApiError, TempHost, TestApp, sample, wait_for};

use super::SOON;

/// Longest for one change, with all of its deaths.
const LONG: Duration = Duration::from_secs(600);

/// An app whose daemon dies now and then.
pub(super) struct Mortal<'h> {
    pub(super) app: TestApp<'h>,
}

impl<'h> Mortal<'h> {
    /// The first version is committed before anything is wanted.
    pub(super) async fn begin(host: &'h TempHost, settings: &str) -> Self {
        let app = host.app("beacon", settings);
        app.deploy("beacon-base", Phase::Committed).await;
        Mortal { app }
    }

    /// Has the daemon do wrong at all points that `is_due` says.
    pub(super) fn wants(&self, fault: &str, is_due: impl Fn(&str) -> bool) {
        let points = fault_points().into_iter().filter(|point| is_due(point));
        let lines: Vec<String> = points.map(|point| format!("{fault} {point}")).collect();
        assert!(!lines.is_empty());
        self.app.host.want_faults(&lines);
    }

    pub(super) async fn waits<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        self.app.host.wait_reviving(format!("{}: {what}", self.app.name), LONG, look).await
    }

    /// The number of the newest deployment.
    pub(super) async fn newest(&self) -> Option<u64> {
        let listed = self.app.api.deployments(&self.app.name).await.ok()?;
        Some(listed.iter().map(|deployment| deployment.id).max().unwrap_or(0))
    }

    /// Asks for something until it is granted; a daemon that dies over it may have taken it or not.
    pub(super) async fn asks(&self, what: &str, ask: impl AsyncFn() -> Answer<Granted>) {
        let before = self.waits("a deployment before", async || self.newest().await).await;
        let mut tried = false;
        self.waits(what, async || {
            if tried && self.newest().await? > before {
                return Some(());
            }
            match ask().await {
                Ok(_) => Some(()),
                Err(ApiError::Unreachable(_)) => {
                    tried = true;
                    None
                }
                // It was taken, and nothing is left of it to be granted again.
                Err(ApiError::Refused(_)) if tried => Some(()),
                Err(error) => panic!("{what}: {error}"),
            }
        })
        .await;
    }

    pub(super) async fn deploys(&self, name: &str, settings: &str) {
        let upload = Upload::file(&sample(name).path).settings(settings);
        self.asks(name, async || self.app.api.deploy(&self.app.name, upload.clone()).await).await;
    }

    /// Waits until a version, with whatever variables, serves in so many places and nothing is under way.
    pub(super) async fn serves(&self, version: &str, places: u16) {
        let is_there = |state: &App| {
            state.deployment.is_none()
                && state.queued.is_none()
                && state.state == AppState::Ready
                && state.version.as_deref().and_then(|it| it.split('+').next()) == Some(version)
                && state.ready == places
                && state
                    .instances
                    .iter()
                    .all(|it| matches!(it.state, InstanceState::Ready | InstanceState::Stopped))
        };
        self.sees(&format!("v{version} serves in {places} places"), is_there).await;
    }

    pub(super) async fn sees(&self, what: &str, look: impl Fn(&App) -> bool) -> App {
        self.waits(what, async || self.app.api.app(&self.app.name).await.ok().filter(|it| look(it))).await
    }

    /// The instance that is ready in a place, in another process than `before` if there was one.
    pub(super) async fn ready_in(&self, place: u16, before: Option<&Instance>) -> Instance {
        let pid = before.map_or(0, super::pid);
        self.waits(&format!("place {place} is ready"), async || {
            let state = self.app.api.app(&self.app.name).await.ok()?;
            super::ready_in(&state, place, pid).cloned()
        })
        .await
    }

    /// Begins a deployment in which something takes long, and gives it up in a phase.
    pub(super) async fn cancels(&self, name: &str, slow: &str, phase: Phase) {
        self.deploys(name, &format!("{slow} = [['/bin/sleep', '20']]")).await;
        let is_there = |state: &App| state.deployment.as_ref().is_some_and(|it| it.phase == phase);
        let state = self.sees(&format!("it is {}", phase.word()), is_there).await;
        let id = state.deployment.map(|it| it.id).unwrap_or_default();
        self.asks("cancel", async || self.app.api.cancel(id).await).await;
    }

    /// Waits until the daemon has died at a point.
    pub(super) async fn reached(&self, what: &str, point: &str) {
        let is_left = |line: &String| line.ends_with(&format!(" {point}"));
        self.waits(what, async || (!self.app.host.faults_left().iter().any(is_left)).then_some(())).await;
    }

    /// Waits for a state, and may do something at each look.
    pub(super) async fn sees_meanwhile(&self, what: &str, look: impl AsyncFn(&App) -> bool) {
        self.waits(what, async || {
            let state = self.app.api.app(&self.app.name).await.ok()?;
            look(&state).await.then_some(())
        })
        .await;
    }

    /// Every point that was wanted was reached.
    pub(super) fn has_died_everywhere(&self) {
        let left = self.app.host.faults_left();
        assert!(left.is_empty(), "nothing came to these points: {left:#?}");
    }
}

pub(super) async fn load(host: &TempHost) -> Load {
    let plan = Plan::new(host.http(), 30, Duration::from_secs(1_800));
    let plan = Plan { kept_connections: 1_000, most_under_way: 2_000, ..plan };
    let load =
        Load::start(Plan { app: Some("beacon".to_owned()), sse_clients: 1, web_sockets: 1, ..plan }).unwrap();
    wait_for("an answer of every kind", SOON, async || {
        let report = load.report();
        let answered = |kind| report.kinds.get(&kind).map_or(0, |each| each.answered);
        Kind::SCHEDULED.iter().all(|kind| answered(*kind) > 0).then_some(())
    })
    .await;
    load
}
