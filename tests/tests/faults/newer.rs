//! A newer version, a cancel or a rollback by hand arrives in the middle of a deployment.

use api::deployment::{DeploymentDetail, Phase};
use testkit::app::log;
use testkit::{TempHost, TestApp};

use super::{left_over, migrated_once, migrating, over, sees};

/// Begins v1.1.0 over a committed v1.0.0 and waits until it is in a phase.
async fn in_phase(app: &TestApp<'_>, phase: Phase) -> u64 {
    app.deploy("beacon-base", Phase::Committed).await;
    let id = app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap();
    let seen = sees(app, id, phase).await;
    assert_eq!(seen, phase, "it was seen in its phase");
    id
}

/// Pushes v1.2.0; how the running deployment and its own ended.
async fn push_newer(app: &TestApp<'_>, running: u64) -> (DeploymentDetail, DeploymentDetail) {
    let newer = app.try_deploy("beacon-module-added").await.unwrap().deployment.unwrap();
    assert_ne!(newer, running);
    (over(app, running).await, over(app, newer).await)
}

async fn newer_serves(app: &TestApp<'_>, before: Phase, ends: (DeploymentDetail, DeploymentDetail)) {
    assert_eq!(ends.0.deployment.phase, before, "{}", log(&ends.0));
    assert_eq!(ends.1.deployment.phase, Phase::Committed, "{}", log(&ends.1));
    assert!(!ends.0.deployment.ghosted, "what was superseded is not bad");
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty());
    left_over::settles(app, "1.2.0", 2).await;
}

#[tokio::test]
async fn a_newer_version_supersedes_one_that_has_only_just_begun() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &migrating(&host, "", ""));
    app.deploy("beacon-base", Phase::Committed).await;
    // Both uploads are taken at the same time, so that the second finds the first at its very beginning.
    let (one, other) =
        tokio::join!(app.try_deploy("beacon-module-changed"), app.try_deploy("beacon-module-added"));
    let mut ids = [(one, "1.1.0"), (other, "1.2.0")]
        .map(|(granted, version)| (granted.unwrap().deployment.unwrap(), version));
    ids.sort_unstable();
    let [(first, _), (last, version)] = ids;
    let (first, last) = (over(&app, first).await, over(&app, last).await);
    assert_eq!(first.deployment.phase, Phase::Superseded, "{}", log(&first));
    assert_eq!(last.deployment.phase, Phase::Committed, "{}", log(&last));
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty());
    left_over::settles(&app, version, 2).await;
}

#[tokio::test]
async fn a_newer_version_supersedes_one_that_is_in_its_commands() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &migrating(&host, "", "MIGRATION_SLEEP_MS = '1500'"));
    let running = in_phase(&app, Phase::Commands).await;
    let ends = push_newer(&app, running).await;
    // The running pre-command is let end: half a migration helps nobody.
    migrated_once(&app, &["1.0.0", "1.1.0", "1.2.0"]);
    newer_serves(&app, Phase::Superseded, ends).await;
}

#[tokio::test]
async fn a_newer_version_supersedes_one_that_replaces() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "variables = { WARMUP_MS = '1500' }");
    let running = in_phase(&app, Phase::Replacing).await;
    let ends = push_newer(&app, running).await;
    newer_serves(&app, Phase::Superseded, ends).await;
}

#[tokio::test]
async fn a_newer_version_waits_for_one_that_is_watched_and_the_newest_wins() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "watch_window = '15 s'");
    let running = in_phase(&app, Phase::Watching).await;
    let dropped = app.try_deploy("beacon-state-changed").await.unwrap().deployment.unwrap();
    assert_eq!(app.state().await.queued.unwrap().id, dropped);
    let ends = push_newer(&app, running).await;
    let dropped = over(&app, dropped).await;
    assert_eq!(dropped.deployment.phase, Phase::Superseded, "{}", log(&dropped));
    newer_serves(&app, Phase::Committed, ends).await;
}

#[tokio::test]
async fn a_queued_version_outlives_the_daemon() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "watch_window = '5 s'");
    let running = in_phase(&app, Phase::Watching).await;
    let newer = app.try_deploy("beacon-module-added").await.unwrap().deployment.unwrap();
    host.restart_daemon().await;
    let ends = (over(&app, running).await, over(&app, newer).await);
    newer_serves(&app, Phase::Committed, ends).await;
}

/// v1.0.0 runs again after a deployment that got as far as `phase`.
async fn went_back(app: &TestApp<'_>, ended: &DeploymentDetail, phase: Phase) {
    assert_eq!(ended.deployment.phase, phase, "{}", log(ended));
    left_over::settles(app, "1.0.0", 2).await;
}

#[tokio::test]
async fn a_deployment_that_replaces_is_cancelled_and_not_ghosted() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "variables = { WARMUP_MS = '1500' }");
    let running = in_phase(&app, Phase::Replacing).await;
    app.api.cancel(running).await.unwrap();
    let ended = over(&app, running).await;
    went_back(&app, &ended, Phase::Cancelled).await;
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty());
    app.deploy("beacon-module-changed", Phase::Committed).await;
}

#[tokio::test]
async fn a_deployment_that_is_watched_is_rolled_back_by_hand() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "watch_window = '60 s'");
    app.write_settings("");
    app.deploy("beacon-base", Phase::Committed).await;
    app.write_settings("watch_window = '60 s'");
    let running = app.deploy("beacon-module-changed", Phase::Watching).await.deployment.id;
    app.api.rollback(&app.name).await.unwrap();
    let ended = over(&app, running).await;
    went_back(&app, &ended, Phase::RolledBack).await;
    assert_eq!(ended.deployment.reason.as_deref(), Some("rolled back by hand"));
}
