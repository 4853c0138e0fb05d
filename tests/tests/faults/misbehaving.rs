//! Apps that run, and are of no use: they listen where nobody asks, or too late, or hang.

use std::time::Duration;

use api::app::{Instance, InstanceState};
use api::deployment::Phase;
use rustix::process::Signal;
use testkit::{TempHost, TestApp, processes};

use super::{left_over, numbered, pid};

#[tokio::test]
async fn an_app_that_listens_on_another_port_is_told_by_the_ports_that_it_has() {
    let host = TempHost::start().await;
    let settings = format!(
        "replicas = 1\nmax = 1\ntries = 1\n[ports]\nADMIN_PORT = {}\n[readiness]\nkind = 'http_get'\n\
         path = '/health'\nport = 'ADMIN_PORT'\nwithin = '1 s'\nfailure_timeout = '15 s'",
        host.ports(2)
    );
    let app = host.app("beacon", &settings);
    let failed = app.deploy("beacon-base", Phase::Failed).await.deployment;
    let reason = failed.reason.unwrap();
    assert!(reason.contains("refused") && reason.contains("it listens on "), "{reason}");
    assert!(reason.contains(&app.port.to_string()), "it listens on {} in truth: {reason}", app.port);
}

#[tokio::test]
async fn an_app_that_listens_late_is_waited_for_until_its_deadline() {
    let host = TempHost::start().await;
    let settings = |deadline: &str| {
        format!(
            "runtime = '/usr/lib/erlang'\nreplicas = 1\ntries = 1\n[readiness]\nwithin = '1 s'\nfailure_timeout = '{deadline}'"
        )
    };
    let app = host.app("lantern", &settings("60 s"));
    let late = numbered::beginning_with("lantern-1", "sleep 3\n");
    app.ends(app.api.deploy(&app.name, late).await.unwrap(), Phase::Committed).await;
    let instance = app.instance(1).await;
    let took = instance.ready_at.unwrap().duration_since(instance.up_since.unwrap());
    assert!(took.unsigned_abs() >= Duration::from_secs(3), "{took}");
    assert_eq!(instance.crashes, 0, "nobody took it for dead meanwhile");

    app.write_settings(&settings("2 s"));
    let later = numbered::beginning_with("lantern-2", "sleep 600\n");
    let granted = app.api.deploy(&app.name, later).await.unwrap();
    let ended = app.ends(granted, Phase::RolledBack).await.deployment;
    let reason = ended.reason.unwrap();
    for said in ["was not ready in time", "refused", "it listens on no port"] {
        assert!(reason.contains(said), "{said:?}: {reason}");
    }
    assert!(ended.ghosted);
    left_over::settles(&app, "0.1.0", 1).await;
    assert_eq!(app.instance(1).await.pid, instance.pid, "the one that serves was left alone");
}

async fn in_place_1(app: &TestApp<'_>, state: InstanceState) -> Instance {
    let is_there = |it: &&Instance| it.place == 1 && it.state == state;
    let what = format!("place 1 is {}", state.word());
    let app = app.wait_for(&what, |app| app.instances.iter().any(|it| is_there(&it))).await;
    app.instances.iter().find(is_there).cloned().unwrap()
}

/// It still takes connections: the kernel does, and nobody answers them.
#[tokio::test]
async fn an_app_that_answered_and_then_hangs_gets_no_requests_until_it_answers_again() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "[health]\ninterval = '200 ms'\nwithin = '500 ms'");
    app.deploy("beacon-base", Phase::Committed).await;
    let hangs = pid(&app.instance(1).await);
    let signal = |signal| assert!(processes::signal(hangs, host.root(), signal), "{hangs} is there");
    signal(Signal::STOP);
    in_place_1(&app, InstanceState::Unhealthy).await;
    for _ in 0..20 {
        let answer = reqwest::get(format!("http://{}/health", host.http())).await.unwrap();
        assert_eq!(answer.status(), reqwest::StatusCode::OK);
    }
    signal(Signal::CONT);
    let again = in_place_1(&app, InstanceState::Ready).await;
    assert_eq!((pid(&again), again.crashes), (hangs, 0), "it was left to itself");
}

#[tokio::test]
async fn a_new_version_that_hangs_in_its_watch_window_is_rolled_back() {
    let host = TempHost::start().await;
    let settings = "watch_window = '60 s'\n[health]\ninterval = '200 ms'\nwithin = '500 ms'";
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    app.write_settings(settings);
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    app.ends(granted.clone(), Phase::Watching).await;
    let hangs = pid(&app.instance(1).await);
    assert!(processes::signal(hangs, host.root(), Signal::STOP), "{hangs} is there");
    let reason = app.ends(granted, Phase::RolledBack).await.deployment.reason.unwrap();
    assert!(reason.contains("no answer in time"), "{reason}");
    assert_eq!(app.state().await.version.as_deref(), Some("1.0.0"));
}
