//! The load generator against a real `beacon`, without anything in between: what it counts as right is what beacon
//! answers, and it sees when beacon dies.

use std::time::{Duration, SystemTime};

use api::deployment::Phase;
use rustix::process::Signal;
use testkit::load::{Crash, Crashed, Kind, Load, Plan};
use testkit::{TempHost, TestApp, processes, wait_for};

/// To the first place's instance, until it is stopped.
async fn plan(app: &TestApp<'_>) -> Plan {
    let port = app.instance(1).await.port;
    let plan = Plan::new(([127, 0, 0, 1], port).into(), 50, Duration::from_secs(120));
    Plan { app: Some("beacon".to_owned()), sse_clients: 2, web_sockets: 2, ..plan }
}

/// Waits until every kind has been answered and events have come.
async fn until_all_kinds_were_answered(load: &Load) {
    wait_for("an answer of every kind", Duration::from_secs(60), async || {
        let report = load.report();
        let is_answered = |kind| report.kinds.get(kind).is_some_and(|each| each.answered > 0);
        (report.events > 0 && Kind::SCHEDULED.iter().all(is_answered)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_request_is_answered_by_beacon_and_accounted_for() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Watching).await;
    let load = Load::start(plan(&app).await).unwrap();
    until_all_kinds_were_answered(&load).await;
    let report = load.end().await;
    report.assert_nothing_lost();
    let version = &report.versions["1.0.0"];
    let pid = app.instance(1).await.pid.unwrap();
    assert_eq!(version.instances, [format!("1/{pid}")], "{report}");
    assert_eq!(report.versions.len(), 1, "{report}");
}

#[tokio::test]
async fn an_instance_that_is_killed_is_seen_in_every_kind() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Watching).await;
    let load = Load::start(plan(&app).await).unwrap();
    until_all_kinds_were_answered(&load).await;
    let before = SystemTime::now();
    let pid = app.instance(1).await.pid.unwrap().try_into().unwrap();
    assert!(processes::signal(pid, host.root(), Signal::KILL));
    wait_for("the end of the streams and sockets", Duration::from_secs(60), async || {
        let report = load.report();
        let lost = |kind| report.kinds.get(&kind).map_or(0, |each| each.lost);
        (lost(Kind::Sse) >= 2 && lost(Kind::Socket) + lost(Kind::WebSocket) >= 2).then_some(())
    })
    .await;
    let crash = Crash { who: Crashed::Server, from: before, until: SystemTime::now() };
    let report = load.end().await;
    assert!(report.faults.contains_key("cut"), "{report}");
    let apart = report.clone().with_crashes(&[crash]);
    // two streams and two sockets were in flight in it; who came after it found nobody
    assert!(apart.in_crashes >= 4, "{apart}");
    assert!(apart.losses.iter().all(|loss| loss.fault.word() == "connect"), "{apart}");
    assert_eq!(apart.lost + apart.in_crashes, report.lost, "{apart}");
}
