//! Scale, restart, stop and start.

use api::app::AppState;
use api::deployment::{DeploymentKind, Phase};
use testkit::steady::Steady;
use testkit::{TempHost, ports};

#[tokio::test]
async fn scale_out_and_in() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let first = app.pids().await;
    let granted = app.api.scale(&app.name, 3).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let three = app.pids().await;
    assert_eq!((three.len(), &three[..2]), (3, &first[..]), "those that run go on");
    assert_eq!(app.page(3).await["version"], "1.0.0", "from the stored package");
    assert_eq!(app.instance(3).await.port, app.port + 2);
    let granted = app.api.scale(&app.name, 1).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    assert_eq!(app.pids().await, first[..1]);
    assert!(ports::is_free(app.port + 1) && ports::is_free(app.port + 2));
    assert_eq!(app.api.scale(&app.name, 4).await.unwrap_err().problem().slug(), "too-many");
    assert_eq!(app.api.scale(&app.name, 0).await.unwrap_err().problem().slug(), "too-few");
    app.deploy("beacon-module-changed", Phase::Committed).await;
    assert_eq!(app.pids().await.len(), 1, "a deployment keeps the number that was asked for");
}

#[tokio::test]
async fn restart_of_one_place_leaves_the_others_alone() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let granted = app.api.restart(&app.name, Some(2)).await.unwrap();
    let deployment = app.ends(granted, Phase::Committed).await.deployment;
    assert_eq!(deployment.kind, DeploymentKind::Restart);
    let after = app.pids().await;
    assert_eq!(after[0], before[0]);
    assert_ne!(after[1], before[1]);
    assert_eq!((app.instance(1).await.forced_restarts, app.instance(2).await.forced_restarts), (0, 1));
    assert_eq!(app.instance(2).await.crashes, 0);
    assert_eq!(app.api.restart(&app.name, Some(9)).await.unwrap_err().problem().slug(), "no-place");
}

#[tokio::test]
async fn restart_of_all_is_rolling() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let steady = Steady::begin(&app, 2, 3);
    let granted = app.api.restart(&app.name, None).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let seen = steady.end().await;
    assert_eq!(seen.fewest_places, 2, "{seen:?}");
    assert!(app.pids().await.iter().all(|pid| !before.contains(pid)));
    assert_eq!(app.state().await.version.as_deref(), Some("1.0.0"));
}

#[tokio::test]
async fn stop_and_start() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let granted = app.api.stop(&app.name).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let state = app.state().await;
    assert_eq!((state.state, state.ready), (AppState::Stopped, 0));
    assert!((app.port..app.port + 6).all(ports::is_free));
    assert!(app.api.exits(&app.name).await.unwrap().is_empty(), "an exit that was asked for is no crash");
    assert_eq!(app.api.stop(&app.name).await.unwrap_err().problem().slug(), "app-stopped");
    host.restart_daemon().await;
    assert_eq!(app.state().await.state, AppState::Stopped, "it stays so");
    let granted = app.api.start(&app.name).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let state = app.state().await;
    assert_eq!((state.state, state.ready, state.version.as_deref()), (AppState::Ready, 2, Some("1.0.0")));
    assert_eq!(app.api.start(&app.name).await.unwrap_err().problem().slug(), "app-running");
}
