//! The daemon dies by SIGKILL at every fault point of every effect, and is started again: nothing is lost, nothing is done
//! twice, and everything ends as it should.
//!
//! A test has all of its points wanted at once and goes through the changes that reach them, under load; a point kills
//! the first daemon that reaches it. What `make test` takes once with one strategy, `make test-faults`
//! (`BELLROCK_TEST_ALL=1`) takes with each, and has each effect done twice besides. What comes of effects that fail or
//! whose outcome is lost is the simulator's to show.

use std::time::Duration;

use api::app::{App, AppState, InstanceState};
use api::change::Granted;
use api::deployment::Phase;
use testkit::client::{Answer, Upload};
use testkit::load::{Kind, Load, Plan};
use testkit::wanted::fault_points;
use testkit::{ApiError, TempHost, TestApp, sample, wait_for};

use super::{SOON, left_over, migrated_once, migrating};

/// Longest for one change, with all of its deaths.
const LONG: Duration = Duration::from_secs(600);

/// Effects that are done before they wait for anything: they have no middle.
const AT_ONCE: [&str; 2] = ["during-effect:link", "during-effect:halt"];

/// Whether all of it was asked for.
fn all() -> bool {
    std::env::var_os("BELLROCK_TEST_ALL").is_some_and(|value| value == "1")
}

/// An app whose daemon dies now and then.
struct Mortal<'h> {
    app: TestApp<'h>,
}

impl<'h> Mortal<'h> {
    /// The first version is committed before anything is wanted.
    async fn begin(host: &'h TempHost, strategy: &str) -> Self {
        let member = if strategy == "member" { "member.check = 'rpc :ok'\n" } else { "" };
        let more = format!(
            "strategy = '{strategy}'\n{member}prepare_commands = [['/bin/true']]\ninit_commands = [['/bin/sleep', '0.5']]\n\
             post_rollback = ['eval IO.puts(:undone)']"
        );
        let app = host.app("beacon", &migrating(host, &more, ""));
        app.deploy("beacon-base", Phase::Committed).await;
        Mortal { app }
    }

    /// Has the daemon do wrong at all points that `is_due` says.
    fn wants(&self, fault: &str, is_due: impl Fn(&str) -> bool) {
        let points =
            fault_points().into_iter().filter(|point| is_due(point) && !AT_ONCE.contains(&point.as_str()));
        let lines: Vec<String> = points.map(|point| format!("{fault} {point}")).collect();
        assert!(!lines.is_empty());
        self.app.host.want_faults(&lines);
    }

    async fn waits<T>(&self, what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
        self.app.host.wait_reviving(format!("{}: {what}", self.app.name), LONG, look).await
    }

    /// The number of the newest deployment.
    async fn newest(&self) -> Option<u64> {
        let listed = self.app.api.deployments(&self.app.name).await.ok()?;
        Some(listed.iter().map(|deployment| deployment.id).max().unwrap_or(0))
    }

    /// Asks for something until it is granted; a daemon that dies over it may have taken it or not.
    async fn asks(&self, what: &str, ask: impl AsyncFn() -> Answer<Granted>) {
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

    async fn deploys(&self, name: &str, settings: &str) {
        let upload = Upload::file(&sample(name).path).settings(settings);
        self.asks(name, async || self.app.api.deploy(&self.app.name, upload.clone()).await).await;
    }

    /// Waits until a version, with whatever variables, serves in so many places and nothing is under way.
    async fn serves(&self, version: &str, places: u16) {
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

    async fn sees(&self, what: &str, look: impl Fn(&App) -> bool) -> App {
        self.waits(what, async || self.app.api.app(&self.app.name).await.ok().filter(|it| look(it))).await
    }

    /// Begins a deployment in which something takes long, and gives it up in a phase.
    async fn cancels(&self, name: &str, slow: &str, phase: Phase) {
        self.deploys(name, &format!("{slow} = [['/bin/sleep', '20']]")).await;
        let is_there = |state: &App| state.deployment.as_ref().is_some_and(|it| it.phase == phase);
        let state = self.sees(&format!("it is {}", phase.word()), is_there).await;
        let id = state.deployment.map(|it| it.id).unwrap_or_default();
        self.asks("cancel", async || self.app.api.cancel(id).await).await;
    }

    /// Every point that was wanted was reached.
    fn has_died_everywhere(&self) {
        let left = self.app.host.faults_left();
        assert!(left.is_empty(), "nothing came to these points: {left:#?}");
    }
}

async fn load(host: &TempHost) -> Load {
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

fn is_of_effect(point: &str) -> bool {
    point.contains("-effect:") || point.contains("-commit:done-")
}

/// Points that only members reach.
fn is_of_member(point: &str) -> bool {
    point.ends_with("member-check")
}

/// Changes that ask for every effect.
async fn every_effect(strategy: &str, fault: &str, is_due: impl Fn(&str) -> bool) {
    let host = TempHost::start().await;
    let mortal = Mortal::begin(&host, strategy).await;
    let load = load(&host).await;
    mortal.wants(fault, |point| is_due(point) && (strategy == "member" || !is_of_member(point)));
    mortal.deploys("beacon-module-changed", "").await;
    mortal.serves("1.1.0", 2).await;
    mortal.deploys("beacon-module-added", "").await;
    mortal.serves("1.2.0", 2).await;
    for (slow, phase) in [("prepare_commands", Phase::Commands), ("init_commands", Phase::Replacing)] {
        mortal.cancels("beacon-state-changed", slow, phase).await;
        mortal.serves("1.2.0", 2).await;
    }
    let delete = async || mortal.app.api.delete(&mortal.app.name, "1.0.0").await;
    mortal.asks("delete", delete).await;
    mortal
        .waits("its package is gone", async || {
            (!host.path(format!("var/lib/bellrock/papers/{}/1.0.0", mortal.app.name)).exists()).then_some(())
        })
        .await;
    mortal.serves("1.2.0", 2).await;
    mortal.has_died_everywhere();
    load.end().await.assert_nothing_lost();
    migrated_once(&mortal.app, &["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
    left_over::settles(&mortal.app, "1.2.0", 2).await;
}

#[tokio::test]
async fn a_daemon_that_dies_before_in_and_after_every_effect_loses_nothing() {
    every_effect("rolling", "kill", is_of_effect).await;
    if all() {
        every_effect("parallel", "kill", is_of_effect).await;
        every_effect("temporary_shutdown", "kill", is_of_effect).await;
        every_effect("member", "kill", is_of_effect).await;
        for strategy in ["parallel", "rolling", "temporary_shutdown", "member"] {
            every_effect(strategy, "repeat", |point| point.starts_with("before-effect:")).await;
        }
    }
}

#[tokio::test]
async fn a_daemon_that_dies_before_in_and_after_the_check_of_members_loses_nothing() {
    let host = TempHost::start().await;
    let mortal = Mortal::begin(&host, "member").await;
    let load = load(&host).await;
    mortal.wants("kill", |point| is_of_effect(point) && is_of_member(point));
    mortal.deploys("beacon-module-changed", "").await;
    mortal.serves("1.1.0", 2).await;
    mortal.has_died_everywhere();
    load.end().await.assert_nothing_lost();
    left_over::settles(&mortal.app, "1.1.0", 2).await;
}

/// What this test wants exists, and what it leaves out has a name.
#[test]
fn every_point_of_an_effect_is_wanted_or_said_to_have_no_middle() {
    let points = fault_points();
    assert!(points.iter().filter(|point| is_of_effect(point)).count() > 60, "{points:?}");
    assert!(AT_ONCE.iter().all(|name| points.iter().any(|point| point == name)), "{points:?}");
}
