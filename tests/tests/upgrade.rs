//! Hot upgrades of running apps: `bellrock upgrade plan`.

use std::process::Command;

use api::deployment::Phase;
use serde_json::Value;
use testkit::wait::{LONG, wait_for};
use testkit::{TempHost, TestApp};

/// What runs is `beacon-base`, and 1.3.0 is there too.
async fn running<'a>(host: &'a TempHost, settings: &str) -> TestApp<'a> {
    let app = host.app("beacon", settings);
    app.deploy("beacon-state-changed", Phase::Committed).await;
    app.deploy("beacon-base", Phase::Committed).await;
    app
}

const GREETING: &str = "Elixir.Beacon.Greeting";

/// In hex.
fn object_code_of_another_version() -> String {
    let package = &testkit::sample("beacon-module-changed").path;
    let file = format!("lib/beacon-1.1.0/ebin/{GREETING}.beam");
    let told = Command::new("tar").arg("xzOf").arg(package).arg(file).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    told.stdout.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[tokio::test]
async fn what_runs_is_looked_at_and_not_touched() {
    let host = TempHost::start().await;
    let app = running(&host, "replicas = 2").await;
    let name = app.name.as_str();
    let pids = app.pids().await;
    let ran = async |arguments: &[&str]| host.bellrock(&[&["upgrade", "plan"], arguments].concat()).await;

    let plans: Value = wait_for("all nodes are linked", LONG, async || {
        let told = ran(&[name, "1.3.0", "--json"]).await;
        let plans: Value = serde_json::from_str(&told.stdout).unwrap();
        let instances = plans["instances"].as_array().unwrap();
        instances.iter().all(|it| it["why_not"].is_null()).then_some(plans)
    })
    .await;
    let instances = plans["instances"].as_array().unwrap();
    let places: Vec<&Value> = instances.iter().map(|it| &it["place"]).collect();
    assert_eq!(places, [1, 2]);
    for instance in instances {
        assert_eq!((&instance["version"], &instance["plan"]["verdict"]), (&"1.0.0".into(), &"hot".into()));
        assert_eq!(instance["seen"]["converted"], 1, "its counter: {instance}");
        assert!(instance["seen"]["estimated_pause_us"].as_u64().unwrap() > 0);
    }
    let one = ran(&[&format!("{name}/2"), "1.3.0"]).await;
    assert_eq!(one.code, 0, "{one:?}");
    for part in [&format!("{name}/2"), "asked ", "1.0.0 → 1.3.0  hot", "convert states of     Beacon.Counter"]
    {
        assert!(one.stdout.contains(part), "{part} is missing in {}", one.stdout);
    }
    assert!(!one.stdout.contains(&format!("{name}/1")), "{}", one.stdout);

    // somebody has loaded the next version's greeting into one of them, by hand
    let text = format!(
        "{{module, _}} = code:load_binary('{GREETING}', \"by hand\", binary:decode_hex(<<\"{}\">>)), ok",
        object_code_of_another_version()
    );
    let loaded = host.bellrock(&["eval", &format!("{name}/1"), &text]).await;
    assert_eq!(loaded.code, 0, "{loaded:?}");
    let told = ran(&[name, "1.3.0"]).await;
    assert_eq!(told.code, 11, "{told:?}");
    assert!(told.stdout.contains("BR-H060  Beacon.Greeting"), "{}", told.stdout);
    assert_eq!(app.pids().await, pids);

    let unknown = ran(&[name, "7.7.7"]).await;
    assert_eq!(unknown.code, 3, "{unknown:?}");
}

#[tokio::test]
async fn an_instance_that_cannot_be_asked_is_told_with_the_reason() {
    let host = TempHost::start().await;
    let app = running(&host, "replicas = 1\ndistribution = 'off'").await;
    let told = host.bellrock(&["upgrade", "plan", &app.name, "1.3.0"]).await;
    assert_eq!(told.code, 11, "{told:?}");
    for part in ["not asked: ", "BR-H067", "no node that can be addressed"] {
        assert!(told.stdout.contains(part), "{part} is missing in {}", told.stdout);
    }
}
