//! Following the store, and not following it.

use api::app::Mode;
use api::change::SetMode;
use api::deployment::Phase;
use api::version::By;
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, sample, wait_for};

const LANTERN: &str = "runtime = '/usr/lib/erlang'\nreplicas = 1\nwatch_window = '0 s'";

async fn runs(app: &TestApp<'_>, version: &str) {
    let what = format!("{version} runs");
    app.wait_for(&what, |state| state.version.as_deref() == Some(version) && state.deployment.is_none())
        .await;
    assert_eq!(app.page(1).await["version"], version);
}

/// Waits until the store of every app has been looked at: a witness is offered packages that are not there, and
/// the second complaint means that a whole round has passed since the first.
async fn round(witness: &TestApp<'_>) {
    for _ in 0..2 {
        let version = format!("0.0.{}", witness.host.daemon_log().len());
        witness.write_version_file(&format!(r#"{{"version": "{version}", "hash": "none"}}"#));
        wait_for("the poller complains", LONG, async || {
            witness.host.daemon_log().contains(&version).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn automatic_mode_follows_the_version_file() {
    let host = TempHost::start().await;
    let app = host.app("lantern", LANTERN);
    app.publish_package("lantern-1");
    app.publish_version("lantern-1", &[]);
    wait_for("the app is known", LONG, async || app.api.app(&app.name).await.ok()).await;
    runs(&app, "0.1.0").await;
    let deployment = app.api.deployments(&app.name).await.unwrap().remove(0);
    assert_eq!((deployment.by, app.state().await.mode), (By::Store, Mode::Automatic));
    app.publish_package("lantern-2");
    app.publish_version("lantern-2", &[]);
    runs(&app, "0.2.0").await;
    app.publish_version("lantern-1", &[]);
    runs(&app, "0.1.0").await;
}

#[tokio::test]
async fn a_version_that_only_lies_in_the_store_is_deployed_by_hand() {
    let host = TempHost::start().await;
    let app = host.app("lantern", LANTERN);
    app.publish_package("lantern-1");
    let granted = app.api.activate(&app.name, "0.1.0").await.unwrap();
    app.ends(granted, Phase::Committed).await;
    runs(&app, "0.1.0").await;
    assert_eq!(app.api.activate(&app.name, "0.2.0").await.unwrap_err().problem().slug(), "no-version");
}

#[tokio::test]
async fn manual_mode_ignores_it_until_automatic_mode_is_set_again() {
    let host = TempHost::start().await;
    let (app, witness) = (host.app("lantern", LANTERN), host.app("witness", LANTERN));
    app.deploy("lantern-3", Phase::Committed).await;
    let Mode::Manual { because, .. } = app.state().await.mode else { panic!("pushing sets manual mode") };
    assert!(because.contains("by hand"), "{because}");
    app.publish_package("lantern-4");
    app.publish_version("lantern-4", &[]);
    round(&witness).await;
    assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 1);
    app.api.mode(&app.name, &SetMode::Automatic).await.unwrap();
    runs(&app, "0.4.0").await;
    let manual = SetMode::Manual { version: "0.3.0".into() };
    let granted = app.api.mode(&app.name, &manual).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    round(&witness).await;
    runs(&app, "0.3.0").await;
    assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_ghost_is_left_alone() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1\ntries = 1");
    let witness = host.app("witness", LANTERN);
    for name in ["beacon-base", "beacon-broken-boot"] {
        app.publish_package(name);
    }
    app.publish_version("beacon-base", &[]);
    wait_for("the app is known", LONG, async || app.api.app(&app.name).await.ok()).await;
    runs(&app, "1.0.0").await;
    app.publish_version("beacon-broken-boot", &[]);
    wait_for("it is rolled back", LONG, async || {
        app.api.deployments(&app.name).await.ok()?.into_iter().find(|it| it.phase == Phase::RolledBack)
    })
    .await;
    round(&witness).await;
    let state = app.state().await;
    assert_eq!((state.mode, state.deployment), (Mode::Automatic, None), "the store is still followed");
    assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 2);
    app.publish_package("beacon-module-changed");
    app.publish_version("beacon-module-changed", &[]);
    runs(&app, "1.1.0").await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said_once() {
    let host = TempHost::start().await;
    let (app, witness) = (host.app("lantern", LANTERN), host.app("witness", LANTERN));
    app.publish_package("lantern-1");
    let whole = format!(r#"{{"version": "0.1.0", "hash": "{}"}}"#, sample("lantern-1").sha256);
    app.write_version_file(&whole[..whole.len() / 2]);
    round(&witness).await;
    round(&witness).await;
    let log = host.daemon_log();
    let said: Vec<&str> = log.lines().filter(|line| line.contains(&app.name)).collect();
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].contains(&app.version_file().display().to_string()), "it names the file: {}", said[0]);
    app.write_version_file(&whole);
    wait_for("the app is known", LONG, async || app.api.app(&app.name).await.ok()).await;
    runs(&app, "0.1.0").await;
    fs_err::remove_file(app.version_file()).unwrap();
    round(&witness).await;
    runs(&app, "0.1.0").await;
}

#[tokio::test]
async fn a_package_that_is_not_what_the_hash_says_is_not_taken() {
    let host = TempHost::start().await;
    let (app, witness) = (host.app("lantern", LANTERN), host.app("witness", LANTERN));
    app.publish_package("lantern-1");
    let other = &sample("lantern-2").sha256;
    app.write_version_file(&format!(r#"{{"version": "0.1.0", "hash": "{other}"}}"#));
    round(&witness).await;
    assert!(app.api.app(&app.name).await.is_err(), "no app came of it");
    let log = host.daemon_log();
    let said = log.lines().filter(|line| line.contains(&app.name) && line.contains("WARN")).count();
    assert_eq!(said, 1, "{log}");
    assert!(log.contains(&other[..8]), "it says what was expected: {log}");
    app.write_version_file(r#"{"version": "0.1.0", "hash": "build 7", "later_key": true}"#);
    wait_for("a label is no digest", LONG, async || app.api.app(&app.name).await.ok()).await;
    runs(&app, "0.1.0").await;
}

#[tokio::test]
async fn its_pre_commands_run_once() {
    let host = TempHost::start().await;
    let shared = host.path("shared");
    fs_err::create_dir(&shared).unwrap();
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs_err::set_permissions(&shared, everybody).unwrap();
    let log = shared.join("migrations");
    let app = host.app("beacon", &format!("[variables]\nMIGRATION_LOG = '{}'", log.display()));
    app.publish_package("beacon-base");
    app.publish_version("beacon-base", &["eval Beacon.Migrator.migrate"]);
    wait_for("the app is known", LONG, async || app.api.app(&app.name).await.ok()).await;
    runs(&app, "1.0.0").await;
    assert_eq!(fs_err::read_to_string(&log).unwrap().lines().count(), 1);
    let deployment = app.api.deployments(&app.name).await.unwrap().remove(0);
    assert!(deployment.pre_commands_ran);
    let granted = app.api.restart(&app.name, None).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    assert_eq!(fs_err::read_to_string(&log).unwrap().lines().count(), 1, "a restart is no deployment");
}

#[tokio::test]
async fn an_app_may_have_a_store_and_an_environment_of_its_own() {
    let host = TempHost::start().await;
    let store = host.path("elsewhere");
    let settings = format!("{LANTERN}\nstore = '{}'\nenv = 'local'", store.display());
    let app = host.app("lantern", &settings);
    let (dist, versions) =
        (store.join("dist").join(&app.name), store.join("versions").join(&app.name).join("local"));
    fs_err::create_dir_all(&dist).unwrap();
    fs_err::create_dir_all(&versions).unwrap();
    let sample = sample("lantern-1");
    fs_err::copy(&sample.path, dist.join(format!("{}-0.1.0.tar.gz", app.name))).unwrap();
    let current = format!(r#"{{"version": "0.1.0", "hash": "{}"}}"#, sample.sha256);
    fs_err::write(versions.join("current.json"), current).unwrap();
    wait_for("the app is known", LONG, async || app.api.app(&app.name).await.ok()).await;
    runs(&app, "0.1.0").await;
}

#[tokio::test]
async fn a_frozen_app_is_left_alone_by_store_and_pushes_and_can_be_rolled_back() {
    let host = TempHost::start().await;
    let (app, witness) = (host.app("lantern", LANTERN), host.app("witness", LANTERN));
    app.publish_package("lantern-1");
    app.publish_version("lantern-1", &[]);
    wait_for("the app is known", LONG, async || app.api.app(&app.name).await.ok()).await;
    runs(&app, "0.1.0").await;
    app.publish_package("lantern-2");
    app.publish_version("lantern-2", &[]);
    runs(&app, "0.2.0").await;
    let frozen = host.bellrock(&["freeze", &app.name, "--reason", "the sale", "--until", "2h"]).await;
    assert_eq!(frozen.code, 0, "{frozen:?}");
    app.publish_version("lantern-1", &[]);
    round(&witness).await;
    round(&witness).await;
    let log = host.daemon_log();
    let told: Vec<&str> =
        log.lines().filter(|line| line.contains("version 0.1.0 waits: the app is frozen by")).collect();
    assert_eq!(told.len(), 1, "told once: {told:?}");
    let pushed = host.bellrock(&["deploy", &app.name, sample("lantern-3").path.to_str().unwrap()]).await;
    assert_eq!(pushed.code, 9, "{pushed:?}");
    assert!(pushed.stderr.contains("the sale") && pushed.stderr.contains("bellrock unfreeze"), "{pushed:?}");
    assert!(host.bellrock(&["status"]).await.stdout.contains("frozen by"));
    // A crash is mended, and a person may go back.
    host.restart_daemon().await;
    app.ends(app.api.rollback(&app.name).await.unwrap(), Phase::Committed).await;
    runs(&app, "0.1.0").await;
    assert_eq!(host.bellrock(&["unfreeze", "--all"]).await.code, 0);
    assert_eq!(app.state().await.frozen, None);
    app.deploy("lantern-3", Phase::Committed).await;
    assert_eq!(host.bellrock(&["unfreeze", &app.name]).await.code, 3, "it is not frozen any more");
}
