//! The daemon is killed in each phase of a deployment, which then ends as it would have without that.

use api::deployment::{DeploymentDetail, Phase};
use testkit::app::log;
use testkit::{TempHost, TestApp};

use super::{exits, left_over, migrated_once, migrating, over, sees};

/// Deploys a version, and kills and starts the daemon when its deployment is in a phase.
async fn killed_in(app: &TestApp<'_>, sample: &str, phase: Phase) -> DeploymentDetail {
    let id = app.try_deploy(sample).await.unwrap().deployment.unwrap();
    let seen = sees(app, id, phase).await;
    app.host.kill_daemon();
    assert!(!seen.is_over(), "{sample} was never seen {}", phase.word());
    app.host.start_daemon().await;
    over(app, id).await
}

fn settings(host: &TempHost) -> String {
    migrating(host, "watch_window = '2 s'", "MIGRATION_SLEEP_MS = '300'")
}

#[tokio::test]
async fn a_deployment_goes_on_after_the_daemon_was_killed_in_staging_or_commands() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &settings(&host));
    app.deploy("beacon-base", Phase::Committed).await;
    for (sample, version, phase) in [
        ("beacon-module-changed", "1.1.0", Phase::Staging),
        ("beacon-module-added", "1.2.0", Phase::Commands),
    ] {
        let ended = killed_in(&app, sample, phase).await;
        assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
        left_over::settles(&app, version, 2).await;
    }
    migrated_once(&app, &["1.0.0", "1.1.0", "1.2.0"]);
    assert!(exits(&app).await.is_empty());
}

#[tokio::test]
async fn a_deployment_goes_on_after_the_daemon_was_killed_in_replacing_or_watching() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &settings(&host));
    app.deploy("beacon-base", Phase::Committed).await;
    for (sample, version, phase) in [
        ("beacon-module-changed", "1.1.0", Phase::Replacing),
        ("beacon-module-added", "1.2.0", Phase::Watching),
    ] {
        let ended = killed_in(&app, sample, phase).await;
        assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
        left_over::settles(&app, version, 2).await;
    }
    migrated_once(&app, &["1.0.0", "1.1.0", "1.2.0"]);
    assert!(exits(&app).await.is_empty());
}

#[tokio::test]
async fn a_place_that_was_replaced_keeps_its_new_instance_over_a_kill_of_the_daemon() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'\nreplicas = 3\nmax = 3");
    app.deploy("lantern-1", Phase::Committed).await;
    let id = app.try_deploy("lantern-2").await.unwrap().deployment.unwrap();
    let first = |app: &api::app::App| {
        let new = |it: &&api::app::Instance| it.version == "0.2.0" && it.ready_at.is_some();
        app.instances.iter().find(new).map(|it| (it.place, it.pid))
    };
    let state = app.wait_for("one place is replaced", |state| first(state).is_some()).await;
    host.restart_daemon().await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    let (place, pid) = first(&state).unwrap();
    assert_eq!(app.instance(place).await.pid, pid, "it was not replaced again");
    left_over::settles(&app, "0.2.0", 3).await;
}

#[tokio::test]
async fn a_rollback_goes_on_after_the_daemon_was_killed_in_it_and_ghosts_the_version() {
    let host = TempHost::start().await;
    let watched = "watch_window = '60 s'";
    let app = host.app("beacon", &settings(&host));
    app.deploy("beacon-base", Phase::Committed).await;
    app.write_settings(&migrating(&host, watched, "FAIL_HEALTH_AFTER_MS = '500'"));
    let ended = killed_in(&app, "beacon-unhealthy", Phase::RollingBack).await;
    assert_eq!(ended.deployment.phase, Phase::RolledBack, "{}", log(&ended));
    assert!(ended.deployment.ghosted);
    let reason = ended.deployment.reason.clone().unwrap();
    assert!(reason.contains("failed its health check"), "{reason}");
    let ghosts = app.api.ghosts(&app.name).await.unwrap();
    assert_eq!(ghosts.iter().map(|ghost| ghost.version.as_str()).collect::<Vec<_>>(), ["1.4.2-unhealthy"]);
    left_over::settles(&app, "1.0.0", 2).await;
    migrated_once(&app, &["1.0.0", "1.4.2-unhealthy"]);
    let refused = app.try_deploy("beacon-unhealthy").await.unwrap_err().problem();
    assert_eq!(refused.slug(), "ghosted", "{refused:?}");
}

#[tokio::test]
async fn a_version_that_is_not_ready_is_rolled_back_although_the_daemon_is_killed() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &settings(&host));
    app.deploy("beacon-base", Phase::Committed).await;
    let pids = app.pids().await;
    app.write_settings("deploy_deadline = '6 s'\ntries = 1");
    let ended = killed_in(&app, "beacon-never-ready", Phase::Replacing).await;
    assert_eq!(ended.deployment.phase, Phase::RolledBack, "{}", log(&ended));
    assert!(ended.deployment.ghosted, "{}", log(&ended));
    assert_eq!(app.pids().await, pids, "rolling: the old instances were never touched");
    left_over::settles(&app, "1.0.0", 2).await;
}
