//! Deployments that must not succeed, and the way back.

use api::app::{AppState, InstanceState};
use api::deployment::Phase;
use api::event::{Level, Step};
use api::version::VersionState;
use testkit::app::log;
use testkit::client::Upload;
use testkit::{TempHost, TestApp, processes, sample};

/// What runs after a version was rolled back: the old one, everywhere.
async fn check_rolled_back(app: &TestApp<'_>, bad: &str) {
    let state = app.state().await;
    assert_eq!((state.state, state.ready, state.version.as_deref()), (AppState::Ready, 2, Some("1.0.0")));
    assert_eq!(state.deployment, None);
    for place in [1, 2] {
        assert_eq!(app.page(place).await["version"], "1.0.0");
    }
    let ghosts = app.api.ghosts(&app.name).await.unwrap();
    assert_eq!(ghosts.iter().map(|ghost| ghost.version.as_str()).collect::<Vec<_>>(), [bad]);
    let version = app.api.version(&app.name, bad).await.unwrap().version;
    assert_eq!(version.state, VersionState::Ghosted);
}

#[tokio::test]
async fn broken_at_boot() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let detail = app.deploy("beacon-broken-boot", Phase::RolledBack).await;
    let deployment = &detail.deployment;
    assert!(deployment.ghosted);
    let reason = deployment.reason.as_deref().unwrap();
    assert!(reason.contains("failed 3 times") && reason.contains("exit"), "{reason}");
    let tail = deployment.log_tail.as_deref().unwrap_or_default();
    assert!(tail.contains("rotation_s must be a positive number"), "{tail}\n{}", log(&detail));
    check_rolled_back(&app, "1.4.0-brokenboot").await;
    assert_eq!(app.pids().await, before, "the old instances were never touched");
}

#[tokio::test]
async fn broken_at_boot_rebar3() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "tries = 1");
    app.deploy("buoy-base", Phase::Committed).await;
    let before = app.pids().await;
    let deployment = app.deploy("buoy-broken-boot", Phase::RolledBack).await.deployment;
    assert!(deployment.ghosted && deployment.reason.is_some());
    check_rolled_back(&app, "1.2.0").await;
    assert_eq!(app.pids().await, before);
}

#[tokio::test]
async fn never_ready() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let settings = "tries = 2\nreadiness.failure_timeout = '10 s'\nreadiness.within = '1 s'";
    let upload = Upload::file(&sample("beacon-never-ready").path).settings(settings);
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    let detail = app.ends(granted, Phase::RolledBack).await;
    let reason = detail.deployment.reason.as_deref().unwrap();
    assert!(reason.contains("503"), "the reason says what the check saw: {reason}");
    assert_eq!(detail.deployment.places[0].failures, 2, "{}", log(&detail));
    check_rolled_back(&app, "1.4.1-neverready").await;
    assert_eq!(app.pids().await, before);
}

#[tokio::test]
async fn deploy_deadline_wins_over_inner_limits() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let settings = "deploy_deadline = '4 s'\nreadiness.within = '1 s'";
    let upload = Upload::file(&sample("beacon-never-ready").path).settings(settings);
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    let deployment = app.ends(granted, Phase::RolledBack).await.deployment;
    let reason = deployment.reason.unwrap();
    assert!(reason.contains("deploy_deadline"), "{reason}");
    check_rolled_back(&app, "1.4.1-neverready").await;
}

#[tokio::test]
async fn unhealthy_after_it_was_ready_brings_all_places_back() {
    let host = TempHost::start().await;
    let settings =
        "watch_window = '60 s'\nhealth.interval = '200 ms'\nvariables.FAIL_HEALTH_AFTER_MS = '6000'";
    let app = host.app("beacon", settings);
    let upload = Upload::file(&sample("beacon-base").path).settings("watch_window = '0 s'");
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let before = app.pids().await;
    let granted = app.try_deploy("beacon-unhealthy").await.unwrap();
    app.ends(granted.clone(), Phase::Watching).await;
    assert_eq!(app.page(2).await["version"], "1.4.2-unhealthy", "it has the traffic of every place");
    let detail = app.ends(granted, Phase::RolledBack).await;
    assert!(detail.log.iter().any(|event| event.step == Step::Serving), "{}", log(&detail));
    let reason = detail.deployment.reason.unwrap();
    assert!(reason.contains("health"), "{reason}");
    check_rolled_back(&app, "1.4.2-unhealthy").await;
    assert!(
        app.pids().await.iter().all(|pid| !before.contains(pid)),
        "every place is back with a fresh instance"
    );
}

#[tokio::test]
async fn crash_loop_in_the_watch_window() {
    let host = TempHost::start().await;
    let settings = "watch_window = '60 s'\nhealth.kind = 'off'\nvariables.CRASH_AFTER_MS = '4000'";
    let app = host.app("beacon", settings);
    let upload = Upload::file(&sample("beacon-base").path).settings("watch_window = '0 s'");
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let granted = app.try_deploy("beacon-crash-loop").await.unwrap();
    app.ends(granted.clone(), Phase::Watching).await;
    let detail = app.ends(granted, Phase::RolledBack).await;
    let reason = detail.deployment.reason.as_deref().unwrap();
    assert!(reason.contains("3") && reason.contains("exit"), "{reason}");
    check_rolled_back(&app, "1.4.3-crashloop").await;
    let exits = app.api.exits(&app.name).await.unwrap();
    let most = [1, 2].map(|place| exits.iter().filter(|exit| exit.place == place).count()).into_iter().max();
    assert_eq!(most, Some(3), "the third exit of an instance decides: {exits:?}");
}

#[tokio::test]
async fn a_first_deployment_that_fails_is_kept_stopped() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "tries = 2");
    let detail = app.deploy("beacon-broken-boot", Phase::Failed).await;
    assert!(
        detail.deployment.log_tail.as_deref().unwrap_or_default().contains("rotation_s"),
        "{}",
        log(&detail)
    );
    let state = app.state().await;
    assert_eq!((state.state, state.version, state.ready), (AppState::NotDeployed, None, 0));
    assert!(!state.instances.is_empty(), "what failed is there to be looked at");
    assert!(state.instances.iter().all(|it| it.state == InstanceState::Stopped), "{:?}", state.instances);
    let alive = processes::below(host.root());
    assert!(!alive.iter().any(|process| process.command_line.contains("beam.smp")), "{alive:?}");
    let kept = state.instances[0].instance;
    let name = format!("var/log/bellrock/{0}/{0}-{1}-i{kept}-stderr.log", app.name, state.instances[0].place);
    assert!(fs_err::read_to_string(host.path(name)).unwrap().contains("rotation_s"));
    app.deploy("beacon-base", Phase::Committed).await;
    assert_eq!(app.state().await.ready, 2);
}

#[tokio::test]
async fn where_the_old_version_fails_too_it_stops_and_calls() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "strategy = 'temporary_shutdown'\ntries = 2");
    app.deploy("beacon-base", Phase::Committed).await;
    let boot = host.path("var/lib/bellrock/versions").join(&app.name).join("1.0.0");
    remove_named(&boot, "start.boot");
    // A damaged version is unpacked again, unless its package is gone too.
    let package = host.path("var/lib/bellrock/papers").join(&app.name).join("1.0.0/package.tar.gz");
    fs_err::remove_file(package).unwrap();
    let detail = app.deploy("beacon-broken-boot", Phase::RollbackFailed).await;
    assert!(detail.log.iter().any(|event| event.level == Level::Alarm), "{}", log(&detail));
    let state = app.state().await;
    assert_eq!((state.state, state.ready), (AppState::Stuck, 0));
    assert!(state.stuck.unwrap().contains("the way back failed"));
    assert_eq!(state.deployment, None, "no ping-pong");
    // A person helps: a good version.
    app.deploy("beacon-module-changed", Phase::Committed).await;
    let state = app.state().await;
    assert_eq!((state.state, state.stuck), (AppState::Ready, None));
}

/// Removes every file of that name below a folder.
fn remove_named(folder: &std::path::Path, name: &str) {
    for entry in fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        if entry.file_type().unwrap().is_dir() {
            remove_named(&entry.path(), name);
        } else if entry.file_name() == name {
            // Unpacked versions are read-only, which only root ignores.
            let writable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs_err::set_permissions(folder, writable).unwrap();
            fs_err::remove_file(entry.path()).unwrap();
        }
    }
}

#[tokio::test]
async fn a_ghost_is_not_deployed_again_until_it_is_cleared() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "tries = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    app.deploy("beacon-broken-boot", Phase::RolledBack).await;
    for refused in [
        app.try_deploy("beacon-broken-boot").await.unwrap_err().problem(),
        app.api.activate(&app.name, "1.4.0-brokenboot").await.unwrap_err().problem(),
    ] {
        assert_eq!(refused.slug(), "ghosted");
        let remedy = format!("bellrock ghosts {} clear 1.4.0-brokenboot", app.name);
        assert_eq!(refused.remedy, Some(remedy));
    }
    app.api.clear_ghost(&app.name, "1.4.0-brokenboot").await.unwrap();
    assert_eq!(app.api.ghosts(&app.name).await.unwrap(), []);
    app.deploy("beacon-broken-boot", Phase::RolledBack).await;
    assert_eq!(app.api.ghosts(&app.name).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_deployment_is_given_up() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "watch_window = '60 s'");
    let upload = Upload::file(&sample("beacon-base").path).settings("watch_window = '0 s'");
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    app.ends(granted.clone(), Phase::Watching).await;
    app.api.cancel(granted.deployment.unwrap()).await.unwrap();
    let deployment = app.ends(granted, Phase::Cancelled).await.deployment;
    assert!(!deployment.ghosted, "nothing was said against the version");
    assert_eq!(app.page(1).await["version"], "1.0.0");
    assert_eq!(app.page(2).await["version"], "1.0.0");
}

#[tokio::test]
async fn a_version_is_rolled_back_by_hand() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    assert_eq!(app.api.rollback(&app.name).await.unwrap_err().problem().slug(), "no-way-back");
    app.deploy("beacon-module-changed", Phase::Committed).await;
    let granted = app.api.rollback(&app.name).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    check_rolled_back(&app, "1.1.0").await;
}
