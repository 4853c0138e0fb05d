//! Pre-commands, init commands and checks by command.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use api::deployment::Phase;
use testkit::TempHost;
use testkit::app::log;
use testkit::client::Upload;
use testkit::sample;

/// A folder that apps may write.
fn shared(host: &TempHost) -> PathBuf {
    let shared = host.path("shared");
    fs_err::create_dir(&shared).unwrap();
    fs_err::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).unwrap();
    shared
}

const MIGRATE: &str = "pre_commands = ['eval Beacon.Migrator.migrate']\n";

#[tokio::test]
async fn a_pre_command_runs_once_per_deployment_by_the_new_release() {
    let host = TempHost::start().await;
    let file = shared(&host).join("migrations");
    let app = host.app("beacon", &format!("{MIGRATE}variables.MIGRATION_LOG = '{}'", file.display()));
    app.deploy("beacon-base", Phase::Committed).await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
    let granted = app.api.activate(&app.name, "1.0.0").await.unwrap();
    let deployment = app.ends(granted, Phase::Committed).await.deployment;
    assert!(!deployment.pre_commands_ran, "an activation migrates nothing");
    let text = fs_err::read_to_string(&file).unwrap();
    let versions: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next_back()).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0"], "{text}");
}

#[tokio::test]
async fn a_pre_command_that_fails_changes_nothing() {
    let host = TempHost::start().await;
    let app = host.app("beacon", MIGRATE);
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let upload =
        Upload::file(&sample("beacon-module-changed").path).settings("variables.MIGRATION_FAIL = 'yes'");
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    let detail = app.ends(granted, Phase::Failed).await;
    let reason = detail.deployment.reason.as_deref().unwrap();
    assert!(reason.contains("Beacon.Migrator.migrate"), "{reason}");
    assert!(detail.deployment.log_tail.is_some(), "its output is kept: {}", log(&detail));
    assert_eq!((app.pids().await, app.state().await.version.as_deref()), (before, Some("1.0.0")));
}

#[tokio::test]
async fn a_pre_command_that_hangs_is_ended_with_all_that_it_started() {
    let host = TempHost::start().await;
    let file = shared(&host).join("migrations");
    let app = host.app("beacon", &format!("variables.MIGRATION_LOG = '{}'", file.display()));
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let settings = format!("{MIGRATE}command_timeout = '5 s'\nvariables.MIGRATION_HANG = 'yes'");
    let upload = Upload::file(&sample("beacon-module-changed").path).settings(&settings);
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    let deployment = app.ends(granted, Phase::Failed).await.deployment;
    assert!(deployment.reason.as_deref().unwrap().contains("5"), "{:?}", deployment.reason);
    let text = fs_err::read_to_string(&file).unwrap();
    let child: i32 =
        text.lines().find_map(|line| line.strip_prefix("child ")).unwrap().trim().parse().unwrap();
    assert!(!testkit::processes::is_alive(child), "its child ignores SIGTERM: {text}");
    assert_eq!(app.pids().await, before);
}

#[tokio::test]
async fn places_that_were_replaced_come_back_when_a_later_one_fails() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "tries = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let only_first = r#"init_commands = [["/bin/sh", "-c", "test $BELLROCK_PLACE = 1"]]"#;
    let upload = Upload::file(&sample("beacon-module-changed").path).settings(only_first);
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    let detail = app.ends(granted, Phase::RolledBack).await;
    assert!(detail.deployment.ghosted, "{}", log(&detail));
    let after = app.pids().await;
    assert_ne!(after[0], before[0], "place 1 had been replaced: {}", log(&detail));
    assert_eq!(after[1], before[1], "place 2 was not touched");
    for place in [1, 2] {
        assert_eq!(app.page(place).await["version"], "1.0.0");
    }
}

#[tokio::test]
async fn readiness_by_command_and_by_time() {
    let host = TempHost::start().await;
    let flag = shared(&host).join("ready");
    let settings = format!(
        "replicas = 1\ntries = 1\n[readiness]\nkind = 'exec'\ncommand = ['/bin/test', '-e', '{}']\nretry_period = '100 ms'\nfailure_timeout = '6 s'\n[health]\nkind = 'off'",
        flag.display()
    );
    let app = host.app("raft", &settings);
    app.deploy("raft-stripped", Phase::Failed).await;
    fs_err::write(&flag, "").unwrap();
    app.api.clear_ghost(&app.name, "1.0.0").await.unwrap();
    app.deploy("raft-stripped", Phase::Committed).await;
    app.write_settings("replicas = 1\n[readiness]\nkind = 'runs_for'\nruns_for = '1500 ms'");
    let deployment = app.deploy("raft-unstripped", Phase::Committed).await.deployment;
    let took = deployment.serving_at.unwrap().duration_since(deployment.begun_at.unwrap());
    assert!(took.as_millis() >= 1500, "{took}");
}

#[tokio::test]
async fn a_newer_version_takes_the_place_of_a_running_deployment() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "watch_window = '60 s'");
    let quick = "watch_window = '0 s'";
    let upload = Upload::file(&sample("beacon-base").path).settings(quick);
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let first = app.try_deploy("beacon-module-changed").await.unwrap();
    app.ends(first.clone(), Phase::Replacing).await;
    let upload = Upload::file(&sample("beacon-module-added").path).settings(quick);
    let second = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(first, Phase::Superseded).await;
    app.ends(second, Phase::Committed).await;
    assert_eq!(app.page(1).await["version"], "1.2.0");
    assert_eq!(app.page(2).await["version"], "1.2.0");
    assert_eq!(app.api.ghosts(&app.name).await.unwrap(), [], "nothing was said against 1.1.0");
}
