//! Versions taken in by instances that run: under load, there and back, undone when they are bad, and lasting once committed.

use std::time::Duration;

use api::app::{App, Instance, InstanceState};
use api::deployment::{DeploymentDetail, Phase};
use api::way::Way;
use rustix::process::Signal;
use serde_json::{Value, json};
use testkit::app::{get, log};
use testkit::client::Upload;
use testkit::load::{Kind, Load, Plan, Weights};
use testkit::processes::signal;
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, sample, wait_for};

/// Upgraded hot where that is safe, and watched for a moment.
const AUTO: &str = "upgrade = 'auto'\nhot.gate = '200 ms'\nwatch_window = '1 s'";

/// How many requests are asked for a second; with `BELLROCK_TEST_ALL=1` as many as a released program bears.
fn rate() -> u32 {
    if std::env::var_os("BELLROCK_TEST_ALL").is_some_and(|value| value == "1") { 1_000 } else { 100 }
}

/// Every kind of request, steadily.
fn all(host: &TempHost) -> Plan {
    let plan = Plan::new(host.http(), rate(), Duration::from_secs(1_800));
    Plan { app: Some("beacon".to_owned()), kept_connections: 1_000, sse_clients: 1, web_sockets: 4, ..plan }
}

/// What is over soon, so that nobody stays in code for long.
fn short(host: &TempHost, app: &str) -> Plan {
    let weights = Weights { keep_alive: 4, new_connection: 1, upload: 0, stream: 0, web_socket: 0 };
    Plan { app: Some(app.to_owned()), sse_clients: 0, web_sockets: 0, weights, ..all(host) }
}

async fn load(plan: Plan) -> Load {
    let load = Load::start(plan).unwrap();
    wait_for("requests are answered", LONG, async || {
        let report = load.report();
        report.kinds.get(&Kind::KeepAlive).is_some_and(|each| each.answered > 20).then_some(())
    })
    .await;
    load
}

async fn becomes(app: &TestApp<'_>, name: &str) -> DeploymentDetail {
    let ended = app.deploy(name, Phase::Committed).await;
    assert!(ended.deployment.hot, "{name}\n{}", log(&ended));
    ended
}

async fn state(app: &TestApp<'_>, place: u16) -> Value {
    let port = app.instance(place).await.port;
    let mut state: Value = serde_json::from_str(&get(port, "/state").await.unwrap().1).unwrap();
    state.as_object_mut().unwrap().remove("version");
    state
}

/// Instances and their processes.
fn numbers(instances: &[Instance]) -> Vec<(u64, Option<u32>)> {
    instances.iter().map(|it| (it.instance, it.pid)).collect()
}

#[tokio::test]
async fn beacon_goes_up_and_down_and_up_and_nobody_notices() {
    let host = TempHost::start().await;
    let app = host.app("beacon", AUTO);
    app.deploy("beacon-base", Phase::Committed).await;
    let load = load(all(&host)).await;
    let before = numbers(&app.ready().await);
    becomes(&app, "beacon-module-changed").await;
    becomes(&app, "beacon-state-changed").await;
    assert_eq!(state(&app, 1).await, json!({"count": 0, "changes": 0}), "the state was converted");
    // its front page calls a child and an application that are new
    becomes(&app, "beacon-grown").await;
    let greeting = app.page(2).await["greeting"].clone();
    assert_eq!(greeting, "Ship at 270°, 17 fathoms, says the watch of 1.6.0.");

    let down = app.api.activate(&app.name, "1.1.0").await.unwrap();
    let down = app.ends(down, Phase::Committed).await;
    assert!(down.deployment.hot, "{}", log(&down));
    assert_eq!(state(&app, 2).await, json!({"count": 0}), "and back");
    assert_eq!(app.page(1).await["greeting"], "The lamp is lit and turns every 4 seconds.");
    let up = app.api.activate(&app.name, "1.6.0").await.unwrap();
    let up = app.ends(up, Phase::Committed).await;
    assert!(up.deployment.hot, "{}", log(&up));
    assert_eq!(numbers(&app.ready().await), before, "the same instances in the same processes");
    load.end().await.assert_nothing_lost();

    let first = app.instance(1).await;
    let pid = i32::try_from(first.pid.unwrap()).unwrap();
    assert!(signal(pid, host.root(), Signal::KILL));
    app.wait_for("it is started again", |app| is_run_anew(app, &first)).await;
    let page = app.page(1).await;
    assert_eq!(
        (&page["version"], &page["greeting"]),
        (&json!("1.6.0"), &greeting),
        "as the committed version"
    );
}

fn is_run_anew(app: &App, before: &Instance) -> bool {
    app.instances
        .iter()
        .any(|it| it.instance == before.instance && it.pid != before.pid && it.state == InstanceState::Ready)
}

#[tokio::test]
async fn buoy_of_rebar3_goes_up_and_is_rolled_back() {
    let host = TempHost::start().await;
    let app = host.app("buoy", AUTO);
    app.deploy("buoy-base", Phase::Committed).await;
    let load = load(short(&host, "buoy")).await;
    let before = numbers(&app.ready().await);
    becomes(&app, "buoy-module-changed").await;
    let back = app.api.rollback(&app.name).await.unwrap();
    let back = app.ends(back, Phase::Committed).await;
    assert!(back.deployment.hot, "{}", log(&back));
    assert_eq!(numbers(&app.ready().await), before);
    load.end().await.assert_nothing_lost();
}

#[tokio::test]
async fn what_turns_out_bad_is_undone_in_the_same_processes() {
    let host = TempHost::start().await;
    let app = host.app("beacon", AUTO);
    app.deploy("beacon-base", Phase::Committed).await;
    let load = load(short(&host, "beacon")).await;
    let before = numbers(&app.ready().await);
    let upload = Upload::file(&sample("beacon-sour").path).settings("watch_window = '10 min'");
    let bad = app.api.deploy(&app.name, upload).await.unwrap();
    let bad = app.ends(bad, Phase::RolledBack).await;
    assert!(bad.deployment.hot && bad.deployment.ghosted, "{}", log(&bad));
    assert!(!log(&bad).contains("could not be taken back"), "{}", log(&bad));
    app.wait_for("both are well", |app| app.ready == 2).await;
    assert_eq!(app.page(1).await["version"], "1.0.0");
    assert_eq!(state(&app, 2).await, json!({"count": 0}));
    assert_eq!(
        numbers(&app.ready().await),
        before,
        "the same instances in the same processes\n{}",
        log(&bad)
    );
    load.end().await.assert_nothing_lost();
}

#[tokio::test]
async fn what_a_running_instance_cannot_become_is_deployed_in_full_or_not_at_all() {
    let host = TempHost::start().await;
    let app = host.app("beacon", AUTO);
    app.deploy("beacon-base", Phase::Committed).await;
    let before = numbers(&app.ready().await);
    let upload = Upload::file(&sample("beacon-module-changed").path).settings("umask = '077'");
    let only_hot = Upload { way: Some(Way::Hot), ..upload.clone() };
    let refused = app.api.deploy(&app.name, only_hot).await.unwrap();
    let refused = app.ends(refused, Phase::Failed).await;
    assert!(refused.deployment.reason.as_ref().is_some_and(|it| it.contains("umask")), "{}", log(&refused));
    assert!(!refused.deployment.ghosted);
    assert_eq!(numbers(&app.ready().await), before, "nothing was changed");
    let full = app.api.deploy(&app.name, upload).await.unwrap();
    let full = app.ends(full, Phase::Committed).await;
    assert!(!full.deployment.hot && log(&full).contains("full instead of hot"), "{}", log(&full));
    assert_ne!(numbers(&app.ready().await), before);
}
