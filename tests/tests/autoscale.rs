//! Places that follow the load.

use std::time::Duration;

use api::deployment::{DeploymentKind, Phase};
use api::version::By;
use reqwest::StatusCode;
use testkit::app::get;
use testkit::load::{Load, Plan, Weights};
use testkit::{TempHost, TestApp};

const SETTINGS: &str = "watch_window = '0 s'
    replicas = 1
    autoscale = { requests = 20, min = 1, max = 3, collect = '500 ms', up_after = '2 s', down_after = '4 s', cool_down = '1 s' }";

fn load(host: &TempHost, rate: u32) -> Load {
    let plan = Plan::new(host.http(), rate, Duration::from_secs(600));
    let weights = Weights { keep_alive: 90, new_connection: 10, ..Weights::none() };
    Load::start(Plan { app: Some("beacon".to_owned()), weights, ..plan }).unwrap()
}

async fn until(app: &TestApp<'_>, places: usize) {
    let what = format!("{places} ready places and no deployment");
    app.wait_for(&what, |app| {
        usize::from(app.ready) == places && app.instances.len() == places && app.deployment.is_none()
    })
    .await;
}

/// Why places were added and taken away, the last change first.
async fn reasons(app: &TestApp<'_>) -> Vec<String> {
    let deployments = app.api.deployments(&app.name).await.unwrap();
    let scaled = deployments.into_iter().filter(|it| it.kind == DeploymentKind::Scale);
    scaled
        .map(|it| match it.by {
            By::Autoscaler { reason } => reason,
            by => panic!("scaled by {by}"),
        })
        .collect()
}

#[tokio::test]
async fn places_follow_the_requests_up_and_down_and_none_is_lost() {
    let host = TempHost::start().await;
    let app = host.app("beacon", SETTINGS);
    app.deploy("beacon-base", Phase::Committed).await;
    let (steady, rush) = (load(&host, 4), load(&host, 80));
    until(&app, 3).await;
    rush.end().await.assert_nothing_lost();
    until(&app, 1).await;
    steady.end().await.assert_nothing_lost();
    let reasons = reasons(&app).await;
    assert!(reasons.iter().any(|it| it.starts_with("1 → 2: requests p50 of 2.0 s ")), "{reasons:?}");
    assert!(reasons.iter().any(|it| it.starts_with("2 → 1: requests p90 of 4.0 s ")), "{reasons:?}");
    let shown = app.state().await.autoscale.expect("it follows its load");
    assert_eq!((shown.min, shown.max), (1, 3));
}

/// One scheduler, so that what waits in a test waits for it; forty that wait are four times the target.
const BY_NODES: &str = "watch_window = '0 s'
    replicas = 1
    max = 2
    variables = { ERL_FLAGS = '+S 1:1' }
    autoscale = { run_queue = 10, node_memory = '200 MB', collect = '250 ms', up_after = '1 s', down_after = '2 s', cool_down = '500 ms' }";

/// Processes that never rest, and leave the scheduler to others that want it; they end with the one that is named.
const CROWD: &str = "spawn(fun() ->
    register(crowd, self()),
    Busy = fun Busy() -> Busy() end,
    [spawn_opt(Busy, [link, {priority, low}]) || _ <- lists:seq(1, 41)],
    receive over -> exit(over) end
end), ok";

#[tokio::test]
async fn places_follow_what_their_nodes_say_of_themselves() {
    let host = TempHost::start().await;
    let app = host.app("beacon", BY_NODES);
    app.deploy("beacon-base", Phase::Committed).await;
    let first = app.wait_for("its node is linked", |app| {
        app.instances.iter().any(|it| it.node.as_ref().is_some_and(|node| node.connected.is_some()))
    });
    let first = first.await.instances[0].instance;
    let eval = async |text: &str| {
        let ran = host.bellrock(&["eval", &format!("{}/1", app.name), text]).await;
        assert_eq!(ran.code, 0, "{text}: {ran:?}");
    };
    eval(CROWD).await;
    until(&app, 2).await;
    eval("crowd ! over").await;
    until(&app, 1).await;
    assert_eq!(app.instance(1).await.instance, first, "it served all the time");
    let (status, held) = get(app.instance(1).await.port, "/leak?mb=300").await.unwrap();
    assert_eq!((status, held.trim()), (StatusCode::OK, "300"));
    until(&app, 2).await;

    let reasons = reasons(&app).await;
    let [memory, down, up] = &reasons[..] else { panic!("{reasons:?}") };
    assert!(up.starts_with("1 → 2: run queue p50 of 1.0 s "), "{up}");
    assert!(up.ends_with(" per scheduler > 10.0 per scheduler"), "{up}");
    assert!(
        down.starts_with("2 → 1: run queue p90 of 2.0 s ") && down.contains(", node memory p90 "),
        "{down}"
    );
    assert!(memory.starts_with("1 → 2: node memory p50 of 1.0 s "), "{memory}");
    assert!(memory.ends_with(" MB > 200 MB"), "{memory}");
}
