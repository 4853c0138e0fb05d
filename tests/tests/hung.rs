//! Nodes that hang: noticed, and replaced one at a time.

use std::time::SystemTime;

use api::app::{App, InstanceState};
use api::deployment::{DeploymentKind, Phase};
use api::version::By;
use rustix::process::Signal;
use testkit::load::{Load, Plan, Weights};
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, processes};

const SETTINGS: &str = "watch_window = '0 s'
    stop_timeout = '2 s'
    watchdog = { restart_every = '1 day' }
    readiness = { kind = 'node', retry_period = '100 ms' }
    health = { kind = 'node', interval = '200 ms', within = '1 s', failures = 2, restart_after = '1 s' }";

fn is_unhealthy(app: &App, place: u16) -> bool {
    app.instances.iter().any(|it| it.place == place && it.state == InstanceState::Unhealthy)
}

/// Why watchdogs have restarted something, the last one first.
async fn reasons(app: &TestApp<'_>) -> Vec<String> {
    let deployments = app.api.deployments(&app.name).await.unwrap();
    let restarts = deployments.into_iter().filter(|it| it.kind == DeploymentKind::Restart);
    restarts
        .map(|it| match it.by {
            By::Watchdog { reason } => reason,
            by => panic!("restarted by {by}"),
        })
        .collect()
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

#[tokio::test]
async fn a_vm_that_hangs_loses_its_requests_and_is_replaced() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &format!("replicas = 3\n{SETTINGS}"));
    app.deploy("beacon-base", Phase::Committed).await;
    let weights = Weights { keep_alive: 90, new_connection: 10, ..Weights::none() };
    let plan =
        Plan { weights, answer_within: LONG, losses_told: 1000, ..Plan::new(host.http(), 50, 10 * LONG) };
    let load = Load::start(Plan { app: Some("beacon".to_owned()), ..plan }).unwrap();
    let hung = app.instance(2).await;
    assert!(processes::signal(hung.pid.unwrap() as i32, host.root(), Signal::STOP));
    app.wait_for("it is noticed", |app| is_unhealthy(app, 2)).await;
    let noticed = unix_ms();
    app.wait_for("it is replaced", |app| {
        let second = app.instances.iter().find(|it| it.place == 2);
        app.ready == 3 && app.deployment.is_none() && second.is_some_and(|it| it.instance != hung.instance)
    })
    .await;
    let report = load.end().await;
    let told = "init:get_status/0 had no answer within 1s";
    let reasons = reasons(&app).await;
    assert!(reasons.len() == 1 && reasons[0].starts_with("unhealthy for "), "{reasons:?}");
    assert!(reasons[0].contains(told), "{reasons:?}");
    // what was in flight in it may be lost with it, and nothing else
    let late = report.losses.iter().filter(|loss| report.began_at_unix_ms + loss.sent_ms > noticed);
    assert_eq!(late.count(), 0, "{report}");
    assert_eq!(report.losses.len() as u64, report.lost, "{report}");
    let crashes: u64 = app.state().await.instances.iter().map(|it| it.crashes).sum();
    assert_eq!(crashes, 0);
}

#[tokio::test]
async fn of_two_that_hang_at_once_one_is_replaced_and_the_other_one_waits() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &format!("replicas = 2\n{SETTINGS}"));
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.state().await;
    let pids: Vec<i32> = before.instances.iter().map(|it| it.pid.unwrap() as i32).collect();
    for pid in &pids {
        assert!(processes::signal(*pid, host.root(), Signal::STOP));
    }
    let is_old = |id| before.instances.iter().any(|it| it.instance == id);
    let old = |app: &App| -> Vec<u16> {
        app.instances.iter().filter(|it| is_old(it.instance)).map(|it| it.place).collect()
    };
    let is_replaced = |app: &App| app.ready == 1 && app.deployment.is_none() && old(app).len() == 1;
    let one = app.wait_for("one is replaced", is_replaced).await;
    let stays = old(&one)[0];
    assert!(is_unhealthy(&one, stays), "{:?}", one.instances);
    assert_eq!(reasons(&app).await.len(), 1);
    for pid in pids {
        // one of them is gone
        let _ = processes::is_alive(pid) && processes::signal(pid, host.root(), Signal::CONT);
    }
    app.wait_for("the other one is well again by itself", |app| app.ready == 2).await;
    assert_eq!(reasons(&app).await.len(), 1);
}

#[tokio::test]
async fn a_code_server_that_hangs_holds_up_nobody_who_looks() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    app.wait_for("its node is linked", |app| {
        app.instances.iter().any(|it| it.node.as_ref().is_some_and(|node| node.connected.is_some()))
    })
    .await;
    let (name, before) = (app.name.as_str(), app.pids().await);
    let ran = async |arguments: &[&str]| {
        let ran = tokio::time::timeout(LONG, host.bellrock(arguments)).await;
        ran.unwrap_or_else(|_| panic!("{arguments:?} takes too long"))
    };
    assert_eq!(ran(&["eval", name, "sys:suspend(code_server)"]).await.stdout, "ok\n");
    let hangs = ran(&["eval", name, "no_such:thing()", "--for", "1 s"]).await;
    assert_eq!(hangs.code, 124, "{hangs:?}");
    assert!(
        hangs.stderr.contains("no value within 1.0 s (--for); it was in code_server:call/1"),
        "{hangs:?}"
    );
    let elsewhere = ran(&["trace", name, "no_such:thing"]).await;
    assert_eq!(elsewhere.code, 1, "{elsewhere:?}");
    assert!(elsewhere.stderr.contains("code server did not answer within 5 s"), "{elsewhere:?}");
    assert_eq!(ran(&["eval", name, "1 + 1"]).await.stdout, "2\n", "what needs no code is done");
    for look in [
        &["status", name][..],
        &["top", name, "--once", "--every", "100 ms"],
        &["tree", name, "kernel"],
        &["info", name, "code_server"],
        &["trace", name, "lists:seq", "--for", "1 s"],
    ] {
        let ran = ran(look).await;
        assert_eq!(ran.code, 0, "{look:?}: {ran:?}");
    }
    assert_eq!(ran(&["eval", name, "sys:resume(code_server)"]).await.stdout, "ok\n");
    assert_eq!(app.pids().await, before);
}
