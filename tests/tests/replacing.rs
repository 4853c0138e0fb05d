//! Full deployments that go well.

use api::deployment::Phase;
use api::event::Step;
use testkit::TempHost;
use testkit::steady::Steady;

#[tokio::test]
async fn rolling_never_has_fewer_places_than_replicas() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let steady = Steady::begin(&app, 2, 3);
    let deployment = app.deploy("beacon-module-changed", Phase::Committed).await.deployment;
    let seen = steady.end().await;
    assert_eq!(seen.fewest_places, 2, "{seen:?}");
    assert!(seen.rounds > 10, "{seen:?}");
    assert_eq!(seen.answers.keys().map(String::as_str).collect::<Vec<_>>(), ["1.0.0", "1.1.0"], "{seen:?}");
    assert_eq!((deployment.from.as_deref(), deployment.to.as_deref()), (Some("1.0.0"), Some("1.1.0")));
    assert!(app.pids().await.iter().all(|pid| !before.contains(pid)));
    for place in [1, 2] {
        let instance = app.instance(place).await;
        assert_eq!((instance.slot.as_str(), instance.port), ("b", app.port + 3 + place - 1));
        assert_eq!(app.page(place).await["version"], "1.1.0");
    }
    let back = app.deploy("beacon-module-added", Phase::Committed).await.deployment;
    assert_eq!(back.from.as_deref(), Some("1.1.0"));
    assert_eq!(app.instance(1).await.port, app.port, "the slots swap at each deployment");
}

/// `instance 1 drained in 3 ms` is `instance 1 drained`.
fn first_words(text: &str) -> String {
    text.split([' ', ';']).take(3).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn rolling_replaces_one_place_after_another() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "");
    app.deploy("buoy-base", Phase::Committed).await;
    let log = app.deploy("buoy-module-changed", Phase::Committed).await.log;
    let of_places = log.iter().filter(|event| matches!(event.step, Step::Ready | Step::Stopped));
    let steps: Vec<String> = of_places.map(|event| first_words(&event.text)).collect();
    let wanted = ["ready", "drained", "stopped"];
    let wanted = [1, 2].map(|place| wanted.map(|word| format!("instance {place} {word}"))).concat();
    assert_eq!(steps, wanted);
}

#[tokio::test]
async fn temporary_shutdown_stops_all_before_it_starts_any() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "strategy = 'temporary_shutdown'\nnode_name = 'plain'");
    app.deploy("beacon-base", Phase::Committed).await;
    let steady = Steady::begin(&app, 2, 3);
    let log = app.deploy("beacon-module-changed", Phase::Committed).await.log;
    let seen = steady.end().await;
    assert_eq!(seen.fewest_places, 0, "versions never overlap: {seen:?}");
    let at =
        |step: Step| log.iter().enumerate().filter(move |(_, event)| event.step == step).map(|(at, _)| at);
    assert_eq!((at(Step::Stopped).count(), at(Step::Ready).count()), (4, 2), "each is drained, then stopped");
    assert!(at(Step::Stopped).max() < at(Step::Started).min(), "{log:#?}");
    let node = app.page(2).await["node"].as_str().unwrap().to_owned();
    assert!(node.starts_with(&format!("{}-2@", app.name)), "{node}");
}

#[tokio::test]
async fn every_step_is_in_the_deployments_log_with_its_time() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    let detail = app.deploy("beacon-base", Phase::Committed).await;
    let steps: Vec<Step> = detail.log.iter().map(|event| event.step).collect();
    for step in [Step::Begun, Step::Staged, Step::Started, Step::Ready, Step::Serving, Step::Committed] {
        assert!(steps.contains(&step), "{step:?} is not in {steps:?}");
    }
    assert!(detail.log.is_sorted_by_key(|event| event.id));
    let timed = |step| detail.log.iter().any(|event| event.step == step && event.took_ms.is_some());
    assert!(timed(Step::Ready) && timed(Step::Serving) && timed(Step::Committed));
    let deployment = detail.deployment;
    assert!(deployment.begun_at < deployment.serving_at && deployment.serving_at < deployment.ended_at);
}

#[tokio::test]
async fn logs_are_where_the_layout_says() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let log = host.path(format!("var/log/bellrock/{0}/{0}-1-stdout.log", app.name));
    let first = fs_err::read_link(&log).unwrap();
    app.deploy("beacon-module-changed", Phase::Committed).await;
    assert_ne!(fs_err::read_link(&log).unwrap(), first, "the link follows the serving instance");
    assert!(fs_err::read_to_string(&log).unwrap().contains("1.1.0"), "beacon says its version at its start");
    let script = host.path(format!("var/lib/bellrock/service/{}/1/current/bin/beacon", app.name));
    assert!(script.is_file(), "{}", script.display());
}
