//! A version that answers clearly more requests with 5xx than the one before it.

use api::deployment::Phase;
use reqwest::StatusCode;
use testkit::app::log;
use testkit::client::Upload;
use testkit::wait::LONG;
use testkit::{TempHost, sample, wait_for};

/// So many answers to one page, one after another; how many of them were 5xx.
async fn errors(host: &TempHost, requests: u32) -> u32 {
    let client = reqwest::Client::new();
    let mut errors = 0;
    for _ in 0..requests {
        let answer = client.get(format!("http://{}/health", host.http())).send().await.unwrap();
        assert_eq!(answer.headers().get("x-bellrock-error"), None, "it is the app's own answer");
        errors += u32::from(answer.status() == StatusCode::SERVICE_UNAVAILABLE);
    }
    errors
}

#[tokio::test]
async fn more_5xx_than_before_in_the_watch_window_roll_a_version_back() {
    let host = TempHost::start().await;
    // nothing but the proxy's counts says that this page has begun to fail
    let settings = "strategy = 'parallel'\nhealth.kind = 'off'\nwatch_window = '60 s'\n\
                    variables.FAIL_HEALTH_AFTER_MS = '500'";
    let app = host.app("beacon", settings);
    let upload = Upload::file(&sample("beacon-base").path).settings("watch_window = '0 s'");
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    assert_eq!(errors(&host, 100).await, 0);
    let granted = app.try_deploy("beacon-unhealthy").await.unwrap();
    app.ends(granted.clone(), Phase::Watching).await;
    wait_for("5xx of the new version", LONG, async || (errors(&host, 20).await > 0).then_some(())).await;
    wait_for("it goes back", LONG, async || {
        errors(&host, 20).await;
        app.api.deployment(granted.deployment?).await.ok().filter(|it| it.deployment.phase != Phase::Watching)
    })
    .await;
    let detail = app.ends(granted, Phase::RolledBack).await;
    let reason = detail.deployment.reason.as_deref().unwrap_or_default();
    let said =
        reason.contains("of its requests with 5xx") && reason.contains("the version before it 0 of 10");
    assert!(said, "{reason}\n{}", log(&detail));
    assert!(detail.deployment.ghosted);
    assert_eq!(app.page(1).await["version"], "1.0.0");
    assert_eq!(errors(&host, 20).await, 0);
}
