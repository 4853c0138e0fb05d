//! Places that follow the load.

use std::time::Duration;

use api::deployment::{DeploymentKind, Phase};
use api::version::By;
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
    let scaled = app.api.deployments(&app.name).await.unwrap();
    let reasons: Vec<String> = scaled
        .iter()
        .filter(|it| it.kind == DeploymentKind::Scale)
        .map(|it| match &it.by {
            By::Autoscaler { reason } => reason.clone(),
            by => panic!("scaled by {by}"),
        })
        .collect();
    assert!(reasons.iter().any(|it| it.starts_with("1 → 2: requests p50 of 2.0 s ")), "{reasons:?}");
    assert!(reasons.iter().any(|it| it.starts_with("2 → 1: requests p90 of 4.0 s ")), "{reasons:?}");
    let shown = app.state().await.autoscale.expect("it follows its load");
    assert_eq!((shown.min, shown.max), (1, 3));
}
