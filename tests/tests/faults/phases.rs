//! The daemon is killed in each phase of a deployment, which then ends as it would have without that.

use api::app::{App, Instance, InstanceState};
use api::deployment::{DeploymentDetail, Phase};
use testkit::app::{get, log};
use testkit::{TempHost, TestApp};

use super::{back, exits, kill, left_over, migrated_once, migrating, over, pid, sees, shim};

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
async fn exits_in_the_watch_window_are_counted_over_a_kill_of_the_daemon() {
    let host = TempHost::start().await;
    let settings = "runtime = '/usr/lib/erlang'\nwatch_window = '60 s'\nwatch_exits = 3";
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'");
    app.deploy("lantern-1", Phase::Committed).await;
    app.write_settings(settings);
    let id = app.deploy("lantern-2", Phase::Watching).await.deployment.id;
    for exit in 1..=3 {
        let before = app.instance(1).await;
        get(before.port, "/exit?status=4").await.unwrap();
        host.restart_daemon().await;
        if exit < 3 {
            back(&app, 1, pid(&before)).await;
            let now = app.api.deployment(id).await.unwrap();
            assert_eq!(now.deployment.phase, Phase::Watching, "{exit} of 3 exits\n{}", log(&now));
            assert_eq!(exits(&app).await.len(), exit);
        }
    }
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::RolledBack, "{}", log(&ended));
    assert!(ended.deployment.ghosted);
    left_over::settles(&app, "0.1.0", 2).await;
    assert_eq!(exits(&app).await.len(), 3);
}

#[tokio::test]
async fn a_new_instance_whose_shim_is_killed_is_made_again_and_the_deployment_goes_on() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "variables = { WARMUP_MS = '1000' }");
    app.deploy("beacon-base", Phase::Committed).await;
    let id = app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap();
    let new = |state: &App| {
        let runs = |it: &&Instance| it.version == "1.1.0" && it.state == InstanceState::Starting;
        state.instances.iter().find(runs).cloned()
    };
    let state = app.wait_for("a new instance starts", |state| new(state).is_some()).await;
    kill(&host, shim(&app, &new(&state).unwrap()));
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    assert_eq!(ended.deployment.places.iter().map(|place| place.failures).sum::<u32>(), 1, "{}", log(&ended));
    left_over::settles(&app, "1.1.0", 2).await;
    assert_eq!(exits(&app).await.len(), 1);
}

#[tokio::test]
async fn an_old_instance_that_crashes_during_a_deployment_is_restarted_until_its_turn() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    app.write_settings(&migrating(&host, "", "MIGRATION_SLEEP_MS = '3000'"));
    let id = app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap();
    assert_eq!(sees(&app, id, Phase::Commands).await, Phase::Commands);
    let (crashed, lost) = (app.instance(1).await, app.instance(2).await);
    kill(&host, pid(&crashed));
    kill(&host, shim(&app, &lost));
    host.restart_daemon().await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    left_over::settles(&app, "1.1.0", 2).await;
    assert_eq!(exits(&app).await.len(), 2);
    migrated_once(&app, &["1.1.0"]);
}

#[tokio::test]
async fn stop_before_start_goes_on_after_the_daemon_was_killed() {
    let host = TempHost::start().await;
    let app = host
        .app("lantern", "runtime = '/usr/lib/erlang'\nstrategy = 'temporary_shutdown'\nnode_name = 'plain'");
    app.deploy("lantern-1", Phase::Committed).await;
    let ended = killed_in(&app, "lantern-2", Phase::Replacing).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    left_over::settles(&app, "0.2.0", 2).await;
    let ended = killed_in(&app, "lantern-3", Phase::Watching).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    left_over::settles(&app, "0.3.0", 2).await;
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
