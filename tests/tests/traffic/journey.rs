//! An app under load on its way through everything that an operator or a bad version can do to it.

use std::time::{Duration, SystemTime};

use api::app::{App, InstanceState};
use api::change::Granted;
use api::deployment::Phase;
use testkit::app::get;
use testkit::client::Upload;
use testkit::load::{Crash, Crashed, Load, Plan, Report};
use testkit::{TempHost, TestApp, sample};

use super::kinds::AppKind;
use super::{answered_anew, plan};

/// What becomes of the daemon in the middle of every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Daemon {
    /// It lives.
    Stays,
    /// SIGKILL, and a new start.
    IsKilled,
}

/// One app on its way, and its load.
pub(super) struct Journey<'h> {
    app: TestApp<'h>,
    kind: &'static AppKind,
    daemon: Daemon,
    load: Load,
    /// Which of the two versions serves.
    serves: usize,
    /// Instances that the journey itself made crash.
    crashes: Vec<Crash>,
}

impl<'h> Journey<'h> {
    /// The first version serves, and requests of every kind are answered.
    pub(super) async fn begin(
        host: &'h TempHost,
        kind: &'static AppKind,
        strategy: &str,
        daemon: Daemon,
    ) -> Self {
        Self::under(plan(host, kind), host, kind, strategy, daemon).await
    }

    /// The same under a load of another plan.
    pub(super) async fn under(
        plan: Plan,
        host: &'h TempHost,
        kind: &'static AppKind,
        strategy: &str,
        daemon: Daemon,
    ) -> Self {
        // long-lived connections end at random moments of the first half of it
        let settings = format!("strategy = '{strategy}'\ndrain_timeout = '5 s'\n{}", kind.settings);
        let app = host.app(kind.app, &settings);
        let first = app.deploy(kind.samples[0], Phase::Committed).await.deployment;
        assert_eq!(first.strategy, strategy);
        let load = Load::start(plan).unwrap();
        let journey = Journey { app, kind, daemon, load, serves: 0, crashes: Vec::new() };
        journey.all_is_answered().await;
        journey
    }

    async fn all_is_answered(&self) {
        answered_anew(&self.load, self.kind).await;
    }

    /// Ends the load; nothing was lost but what was in flight in a VM that the journey made crash.
    pub(super) async fn end(self) -> Report {
        let report = self.load.end().await.with_crashes(&self.crashes);
        report.assert_nothing_lost();
        let versions: Vec<&str> = report.versions.keys().map(String::as_str).collect();
        assert_eq!(versions, self.kind.versions, "{report}");
        report
    }

    /// Waits for the middle of a change, in which the daemon is killed if it is to be.
    async fn middle(&self, what: &str, is_it: impl Fn(&App) -> bool) {
        if self.daemon == Daemon::IsKilled {
            self.app.wait_for(what, is_it).await;
            self.app.host.restart_daemon().await;
        }
    }

    async fn ends(&self, granted: Granted, phase: Phase) {
        self.app.ends(granted, phase).await;
        self.all_is_answered().await;
    }

    fn other(&self) -> usize {
        1 - self.serves
    }

    /// Asks for the version that does not serve, with settings laid over the app's own.
    async fn deploy_other(&self, settings: &str) -> Granted {
        let package = sample(self.kind.samples[self.other()]);
        let upload = Upload::file(&package.path).settings(settings);
        self.app.api.deploy(&self.app.name, upload).await.unwrap()
    }

    /// Deploys the other version. The daemon is killed while the first of its instances starts, or when one serves.
    pub(super) async fn deploys(&mut self, round: u32) {
        let granted = self.deploy_other("").await;
        if round.is_multiple_of(2) {
            self.middle("an instance starts", starts).await;
        } else {
            let new = self.kind.versions[self.other()];
            self.middle("an instance has arrived", |app| has_ready(app, new)).await;
        }
        self.ends(granted, Phase::Committed).await;
        self.serves = self.other();
    }

    pub(super) async fn activates(&mut self) {
        let version = self.kind.versions[self.other()];
        let granted = self.app.api.activate(&self.app.name, version).await.unwrap();
        self.middle("an instance starts", starts).await;
        self.ends(granted, Phase::Committed).await;
        self.serves = self.other();
    }

    /// Goes back by hand from a version that was committed.
    pub(super) async fn rolls_back(&mut self) {
        let granted = self.app.api.rollback(&self.app.name).await.unwrap();
        self.middle("an instance starts", starts).await;
        self.ends(granted, Phase::Committed).await;
        self.forgive().await;
        self.serves = self.other();
    }

    /// Goes back by hand from a version that is still watched.
    pub(super) async fn rolls_back_while_it_is_watched(&mut self) {
        let granted = self.deploy_other("watch_window = '60 s'").await;
        self.app.ends(granted.clone(), Phase::Watching).await;
        self.all_is_answered().await;
        self.app.api.rollback(&self.app.name).await.unwrap();
        self.is_rolled_back(granted).await;
    }

    pub(super) async fn never_gets_ready(&mut self) {
        let settings = "tries = 1\nvariables.WARMUP_MS = '600000'\n\
                        readiness.failure_timeout = '3 s'\nreadiness.within = '1 s'";
        let granted = self.deploy_other(settings).await;
        self.middle("an instance starts", starts).await;
        self.was_not_there(granted).await;
    }

    pub(super) async fn misses_the_deadline(&mut self) {
        let settings = "variables.WARMUP_MS = '600000'\ndeploy_deadline = '3 s'\nreadiness.within = '1 s'";
        let granted = self.deploy_other(settings).await;
        self.middle("an instance starts", starts).await;
        self.was_not_there(granted).await;
    }

    /// Takes traffic, and then a page that it does not have is its health.
    pub(super) async fn fails_its_health_check(&mut self) {
        let settings = "watch_window = '60 s'\nhealth.path = '/env?name=NOBODY_SET_THIS'";
        let granted = self.deploy_other(settings).await;
        self.is_rolled_back(granted).await;
    }

    /// Takes traffic, and then its first place exits until that is enough.
    pub(super) async fn crashes_while_it_is_watched(&mut self) {
        let granted = self.deploy_other("watch_window = '60 s'\nhealth.kind = 'off'").await;
        self.app.ends(granted.clone(), Phase::Watching).await;
        self.all_is_answered().await;
        for _ in 0..3 {
            let is_back = |app: &App| place_1(app).is_some();
            let state = self.app.wait_for("the first place serves", is_back).await;
            let (port, pid) = place_1(&state).unwrap();
            let from = SystemTime::now();
            get(port, "/exit?status=9").await.unwrap();
            self.app.wait_for("its end is known", |app| place_1(app).is_none_or(|(_, now)| now != pid)).await;
            let until = SystemTime::now() + Duration::from_secs(1);
            self.crashes.push(Crash { who: Crashed::Instance, from, until });
        }
        self.is_rolled_back(granted).await;
    }

    /// The version took traffic, and the old one comes back.
    async fn is_rolled_back(&mut self, granted: Granted) {
        let is_on_its_way =
            |app: &App| app.deployment.as_ref().is_some_and(|it| it.phase == Phase::RollingBack);
        self.middle("it rolls back", is_on_its_way).await;
        self.was_not_there(granted).await;
    }

    async fn was_not_there(&mut self, granted: Granted) {
        self.ends(granted, Phase::RolledBack).await;
        self.forgive().await;
        assert_eq!(self.app.state().await.version.as_deref(), Some(self.kind.versions[self.serves]));
    }

    /// The version that does not serve may be deployed again.
    async fn forgive(&mut self) {
        for ghost in self.app.api.ghosts(&self.app.name).await.unwrap() {
            self.app.api.clear_ghost(&self.app.name, &ghost.version).await.unwrap();
        }
    }

    pub(super) async fn scales_up_and_down(&mut self) {
        let granted = self.app.api.scale(&self.app.name, 3).await.unwrap();
        self.middle("an instance starts", starts).await;
        self.ends(granted, Phase::Committed).await;
        let granted = self.app.api.scale(&self.app.name, 2).await.unwrap();
        // it may be over at the next look
        self.middle("it was asked for", |_| true).await;
        self.ends(granted, Phase::Committed).await;
    }

    pub(super) async fn restarts(&mut self) {
        let before = self.app.pids().await;
        let granted = self.app.api.restart(&self.app.name, None).await.unwrap();
        self.middle("an instance starts", starts).await;
        self.ends(granted, Phase::Committed).await;
        assert!(self.app.pids().await.iter().all(|pid| !before.contains(pid)));
    }
}

fn starts(app: &App) -> bool {
    app.instances.iter().any(|it| it.state == InstanceState::Starting)
}

fn has_ready(app: &App, version: &str) -> bool {
    app.instances.iter().any(|it| it.state == InstanceState::Ready && it.version == version)
}

/// Port and process of the first place's ready instance.
fn place_1(app: &App) -> Option<(u16, u32)> {
    let found = app.instances.iter().find(|it| it.place == 1 && it.state == InstanceState::Ready)?;
    Some((found.port, found.pid?))
}
