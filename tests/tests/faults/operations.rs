//! Stop, start and scale are carried out although the daemon is killed in the middle.

use api::app::AppState;
use api::deployment::Phase;
use testkit::app::log;
use testkit::{TempHost, TestApp};

use super::{exits, left_over, over};

/// Kills and starts the daemon as soon as it has taken a wish, which is carried out nevertheless.
async fn interrupted(app: &TestApp<'_>, id: Option<u64>) {
    app.host.restart_daemon().await;
    let ended = over(app, id.expect("a wish that takes time")).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
}

#[tokio::test]
async fn stop_start_and_scale_are_carried_out_although_the_daemon_is_killed() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "");
    app.deploy("buoy-base", Phase::Committed).await;

    let wish = app.api.scale(&app.name, 3).await.unwrap();
    interrupted(&app, wish.deployment).await;
    left_over::settles(&app, "1.0.0", 3).await;

    let wish = app.api.stop(&app.name).await.unwrap();
    interrupted(&app, wish.deployment).await;
    let state = app.state().await;
    assert_eq!((state.state, state.ready), (AppState::Stopped, 0));
    left_over::nothing_left(&app).await;
    // Nothing starts by itself what a person has stopped.
    host.restart_daemon().await;
    assert_eq!(app.state().await.state, AppState::Stopped);
    left_over::nothing_left(&app).await;

    let wish = app.api.start(&app.name).await.unwrap();
    interrupted(&app, wish.deployment).await;
    left_over::settles(&app, "1.0.0", 3).await;

    let wish = app.api.scale(&app.name, 1).await.unwrap();
    interrupted(&app, wish.deployment).await;
    left_over::settles(&app, "1.0.0", 1).await;

    let before = app.pids().await;
    let wish = app.api.restart(&app.name, None).await.unwrap();
    interrupted(&app, wish.deployment).await;
    left_over::settles(&app, "1.0.0", 1).await;
    assert_ne!(app.pids().await, before);
    assert!(exits(&app).await.is_empty());
}

#[tokio::test]
async fn a_stop_of_a_stubborn_app_is_finished_by_the_next_daemon() {
    let host = TempHost::start().await;
    let settings = "replicas = 1\nstop_timeout = '3 s'\nvariables = { IGNORE_SIGTERM = '1' }";
    let app = host.app("beacon", settings);
    app.deploy("beacon-base", Phase::Committed).await;
    let wish = app.api.stop(&app.name).await.unwrap();
    app.wait_for("it is being stopped", |state| {
        state.instances.iter().any(|it| it.state == api::app::InstanceState::Stopping)
    })
    .await;
    interrupted(&app, wish.deployment).await;
    left_over::nothing_left(&app).await;
    assert!(exits(&app).await.is_empty(), "it was asked to stop");
}
