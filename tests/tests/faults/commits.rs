//! The daemon dies by SIGKILL before and after the commit of everything that may happen: what operators ask for, what
//! shims tell, what checks and the proxy find. What comes of effects is in `points`.

use std::collections::BTreeSet;
use std::time::Duration;

use api::app::AppState;
use api::change::SetMode;
use api::deployment::Phase;
use api::variable::ChangeVariables;
use rustix::process::Signal;
use testkit::wanted::fault_points;
use testkit::{TempHost, processes};

use super::mortal::{Mortal, load};
use super::points::is_of_effect;
use super::{all, beams, kill, left_over, pid, shim};

/// What no real host is brought to at will: a log's disk would have to be full, or the proxy to find for a second what the
/// daemon's own checks do not; the simulator's scenarios do it. What a watchdog finds leads to a restart as a wish does.
const SIMULATED: [&str; 3] = ["-commit:shim-log-dropped", "-commit:proxy-health", "-commit:watchdog"];

/// A step of the canary that does not end by itself.
const CANARY: &str = "strategy = 'parallel'\n[canary]\nsteps = [50]\nstep_time = '10 min'";

/// Whether it is the commit of something that operators ask for, or that only happens in what they ask for here.
fn is_of_wish(point: &str) -> bool {
    point.contains("-commit:command-") || point.contains("-commit:canary-")
}

/// The commits of all else but effects.
fn is_of_illness(point: &str) -> bool {
    !is_of_effect(point) && !is_of_wish(point) && !is_simulated(point)
}

fn is_simulated(point: &str) -> bool {
    SIMULATED.iter().any(|name| point.ends_with(name))
}

/// Strategies that a test goes through.
fn strategies() -> &'static [&'static str] {
    if all() { &["parallel", "rolling", "temporary_shutdown"] } else { &["parallel"] }
}

/// What changes no instance.
async fn small_wishes(mortal: &Mortal<'_>) {
    let (api, name) = (&mortal.app.api, &mortal.app.name);
    mortal.asks("keep", async || api.pin(name, "1.0.0", true).await).await;
    mortal.asks("follow", async || api.mode(name, &SetMode::Automatic).await).await;
    let stay = SetMode::Manual { version: "1.1.0".into() };
    mortal.asks("stay", async || api.mode(name, &stay).await).await;
    mortal.asks("freeze", async || api.freeze(name, true).await).await;
    mortal.asks("unfreeze", async || api.freeze(name, false).await).await;
    mortal.asks("pause", async || api.pause(name, Duration::from_secs(60)).await).await;
    mortal.asks("resume", async || api.resume(name).await).await;
    mortal.serves("1.1.0", 2).await;
}

/// What operators ask for while clients are served.
async fn wishes_under_load(mortal: &Mortal<'_>) {
    let (api, name) = (&mortal.app.api, &mortal.app.name);
    mortal.deploys("beacon-module-changed", "").await;
    mortal.serves("1.1.0", 2).await;
    small_wishes(mortal).await;
    mortal.asks("activate", async || api.activate(name, "1.0.0").await).await;
    mortal.serves("1.0.0", 2).await;
    mortal.asks("rollback", async || api.rollback(name).await).await;
    mortal.serves("1.1.0", 2).await;
    mortal.asks("clear", async || api.clear_ghost(name, "1.0.0").await).await;
    mortal.asks("scale up", async || api.scale(name, 3).await).await;
    mortal.serves("1.1.0", 3).await;
    mortal.asks("scale down", async || api.scale(name, 2).await).await;
    mortal.serves("1.1.0", 2).await;
    mortal.asks("restart", async || api.restart(name, None).await).await;
    mortal.serves("1.1.0", 2).await;
    let set = ChangeVariables { set: [("A".into(), "1".into())].into(), ..ChangeVariables::default() };
    mortal.asks("set", async || api.change_variables(name, &set).await).await;
    mortal.serves("1.1.0", 2).await;
    mortal.cancels("beacon-module-added", "init_commands", Phase::Replacing).await;
    mortal.serves("1.1.0", 2).await;
    mortal.asks("delete", async || api.delete(name, "1.2.0").await).await;
    mortal.deploys("beacon-state-changed", CANARY).await;
    mortal.reached("the canary's counts", "after-commit:canary-counts").await;
    mortal.asks("promote", async || api.promote(name).await).await;
    mortal.serves("1.3.0", 2).await;
}

/// What operators ask for that keeps clients away.
async fn wishes_without_load(mortal: &Mortal<'_>) {
    let (api, name) = (&mortal.app.api, &mortal.app.name);
    mortal.asks("maintenance", async || api.maintenance(name, true).await).await;
    mortal.asks("no maintenance", async || api.maintenance(name, false).await).await;
    mortal.asks("stop", async || api.stop(name).await).await;
    let is_stopped = |state: &api::app::App| state.state == AppState::Stopped && state.deployment.is_none();
    mortal.sees("it is stopped", is_stopped).await;
    assert!(beams(&mortal.app).is_empty());
    mortal.asks("start", async || api.start(name).await).await;
    mortal.serves("1.3.0", 2).await;
}

#[tokio::test]
async fn a_daemon_that_dies_before_and_after_the_commit_of_any_wish_loses_nothing() {
    for strategy in strategies() {
        let host = TempHost::start().await;
        let mortal = Mortal::begin(&host, &format!("strategy = '{strategy}'\nwatch_window = '500 ms'")).await;
        let load = load(&host).await;
        mortal.wants("kill", is_of_wish);
        wishes_under_load(&mortal).await;
        load.end().await.assert_nothing_lost();
        wishes_without_load(&mortal).await;
        mortal.has_died_everywhere();
        left_over::nothing_left(&mortal.app).await;
    }
}

/// Versions that are never ready, fail their checks, and answer with errors: each leads back.
async fn ill_versions(mortal: &Mortal<'_>) {
    let never = "tries = 1\nreadiness.failure_timeout = '2 s'\nreadiness.within = '1 s'";
    mortal.deploys("beacon-never-ready", never).await;
    mortal.serves("1.0.0", 2).await;
    let ill = "variables.FAIL_HEALTH_AFTER_MS = '500'\nwatch_window = '60 s'";
    mortal.deploys("beacon-unhealthy", ill).await;
    mortal.serves("1.0.0", 2).await;
    mortal.deploys("beacon-module-changed", "watch_window = '10 min'").await;
    let watched = mortal
        .sees("it is watched", |state| {
            state.deployment.as_ref().is_some_and(|it| it.phase == Phase::Watching)
        })
        .await;
    let watched = watched.deployment.map(|it| it.id);
    let bad = format!("http://{}/slow?ms=-5", mortal.app.host.http());
    mortal
        .sees_meanwhile("it is not watched any more", async |state| {
            // What an answer is does not matter to us: the proxy counts it.
            let _ = reqwest::get(&bad).await;
            state.deployment.as_ref().map(|it| it.id) != watched
        })
        .await;
    mortal.serves("1.0.0", 2).await;
}

/// Instances that hang for a while, exit, or lose their shim.
async fn ill_instances(mortal: &Mortal<'_>) {
    let app = &mortal.app;
    let mut first = mortal.ready_in(1, None).await;
    assert!(processes::signal(pid(&first), app.host.root(), Signal::STOP));
    mortal.sees("it hangs", |state| state.ready == 1).await;
    mortal.reached("it is found ill", "after-commit:check-unhealthy").await;
    assert!(processes::signal(pid(&first), app.host.root(), Signal::CONT));
    mortal.serves("1.0.0", 2).await;
    // From the second time on its shim waits before it starts it again.
    for _ in 0..3 {
        kill(app.host, pid(&first));
        first = mortal.ready_in(1, Some(&first)).await;
    }
    // Where the daemon dies over one, the next daemon finds it out by itself; hence two of each.
    for place in [1, 2] {
        let lost = mortal.ready_in(place, None).await;
        kill(app.host, shim(app, &lost));
        mortal.ready_in(place, Some(&lost)).await;
        mortal.serves("1.0.0", 2).await;
    }
    // The end of a pause comes by itself, unless something else happens just then.
    for _ in 0..10 {
        if !app.host.faults_left().iter().any(|line| line.ends_with("-commit:tick")) {
            break;
        }
        let within = Duration::from_secs(1);
        mortal.asks("pause", async || app.api.pause(&app.name, within).await).await;
        mortal.sees("the pause is over", |state| state.paused_until.is_none()).await;
    }
    // Old ones ignore SIGTERM: that they had to be killed is told.
    mortal.deploys("beacon-module-added", "").await;
    mortal.serves("1.2.0", 2).await;
}

#[tokio::test]
async fn a_daemon_that_dies_before_and_after_the_commit_of_any_fact_goes_on() {
    for strategy in strategies() {
        let host = TempHost::start().await;
        let settings = format!(
            "strategy = '{strategy}'\nwatch_window = '500 ms'\nstop_timeout = '1 s'\n\
             variables = {{ IGNORE_SIGTERM = '1' }}\n\
             [health]\ninterval = '200 ms'\nwithin = '500 ms'"
        );
        let mortal = Mortal::begin(&host, &settings).await;
        mortal.wants("kill", is_of_illness);
        ill_versions(&mortal).await;
        ill_instances(&mortal).await;
        mortal.has_died_everywhere();
        left_over::settles(&mortal.app, "1.2.0", 2).await;
    }
}

/// Both tests and `points` together want all points but those that are simulated.
#[test]
fn every_fault_point_is_wanted_by_a_test_or_said_to_be_simulated() {
    let points: BTreeSet<String> = fault_points().into_iter().collect();
    assert!(points.iter().all(|point| is_of_effect(point) || point.contains("-commit:")), "{points:?}");
    assert_eq!(points.iter().filter(|point| is_simulated(point)).count(), 2 * SIMULATED.len());
    assert!(points.iter().filter(|point| is_of_wish(point)).count() >= 42, "{points:?}");
    assert!(points.iter().filter(|point| is_of_illness(point)).count() >= 24, "{points:?}");
}
