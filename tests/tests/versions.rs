//! Versions: kept, dropped, pinned, downloaded, deleted.

use std::path::Path;

use api::deployment::Phase;
use api::version::VersionState;
use sha2::{Digest, Sha256};
use testkit::client::Upload;
use testkit::{TempHost, TestApp, sample};

const LANTERN: &str = "runtime = '/usr/lib/erlang'\nreplicas = 1\nwatch_window = '0 s'";

async fn labels(app: &TestApp<'_>) -> Vec<String> {
    app.api.versions(&app.name).await.unwrap().into_iter().map(|version| version.version).collect()
}

/// Folders that an app's versions have somewhere below the state folder, by label.
fn on_disk(app: &TestApp<'_>, kind: &str) -> Vec<String> {
    let folder = app.host.path("var/lib/bellrock").join(kind).join(&app.name);
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether the database says anything of a version in an app's state.
fn in_database(app: &TestApp<'_>, version: &str) -> bool {
    let database = app.host.path("var/lib/bellrock/state.db");
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = rusqlite::Connection::open_with_flags(database, flags).unwrap();
    let state: String =
        connection.query_row("select state from app where name = ?1", [&app.name], |row| row.get(0)).unwrap();
    assert!(state.contains("\"0.13.0\""), "the test itself works");
    state.contains(&format!("\"{version}\""))
}

#[tokio::test]
async fn the_last_ten_are_kept() {
    let host = TempHost::start().await;
    let app = host.app("lantern", LANTERN);
    for number in 1..=13 {
        app.deploy(&format!("lantern-{number}"), Phase::Committed).await;
    }
    let kept: Vec<String> = (4..=13).map(|number| format!("0.{number}.0")).collect();
    assert_eq!(labels(&app).await, kept.iter().rev().cloned().collect::<Vec<_>>());
    let mut sorted = kept.clone();
    sorted.sort();
    let wanted = (sorted.clone(), sorted);
    app.wait_for("the three oldest are gone from the disk", |_| {
        (on_disk(&app, "versions"), on_disk(&app, "papers")) == wanted
    })
    .await;
    app.wait_for("the three oldest are gone from the database", |_| {
        !["0.1.0", "0.2.0", "0.3.0"].iter().any(|gone| in_database(&app, gone))
    })
    .await;
    // Old ones that are of use stay: 0.4.0 is pinned, 0.5.0 is what was active before.
    app.api.pin(&app.name, "0.4.0", true).await.unwrap();
    let granted = app.api.activate(&app.name, "0.5.0").await.unwrap();
    app.ends(granted, Phase::Committed).await;
    app.deploy("lantern-14", Phase::Committed).await;
    let left = labels(&app).await;
    assert!(left.contains(&"0.4.0".to_owned()) && left.contains(&"0.5.0".to_owned()), "{left:?}");
    assert!(!left.contains(&"0.6.0".to_owned()), "{left:?}");
    assert_eq!(left.len(), 10, "{left:?}");
    assert_eq!(app.state().await.rollback_target.as_deref(), Some("0.5.0"));
    assert_eq!(app.page(1).await["version"], "0.14.0");
}

#[tokio::test]
async fn a_download_is_the_package_as_it_came() {
    let host = TempHost::start().await;
    let app = host.app("raft", "replicas = 1");
    let mut upload = Upload::file(&sample("raft-plus").path);
    upload.build_log = Some("all steps went well\n".into());
    upload.meta = [("commit".to_owned(), "8a2f".to_owned())].into();
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    assert_eq!(granted.version.as_deref(), Some("1.0.4+build.7"));
    app.ends(granted, Phase::Committed).await;
    let package = app.api.download(&app.name, "1.0.4+build.7").await.unwrap();
    assert_eq!(hex(&Sha256::digest(&package)), sample("raft-plus").sha256);
    let detail = app.api.version(&app.name, "1.0.4+build.7").await.unwrap();
    assert_eq!(detail.version.sha256, sample("raft-plus").sha256);
    assert_eq!(detail.version.meta.get("commit").map(String::as_str), Some("8a2f"));
    assert!(detail.papers.build_log);
    assert_eq!(app.api.build_log(&app.name, "1.0.4+build.7").await.unwrap(), "all steps went well\n");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_inactive_version_is_deleted_and_never_the_active_one() {
    let host = TempHost::start().await;
    let app = host.app("lantern", LANTERN);
    for number in 1..=3 {
        app.deploy(&format!("lantern-{number}"), Phase::Committed).await;
    }
    let refused = app.api.delete(&app.name, "0.3.0").await.unwrap_err().problem();
    assert_eq!(refused.slug(), "in-use");
    assert!(refused.detail.contains("active"), "{}", refused.detail);
    assert_eq!(app.api.delete(&app.name, "9.9.9").await.unwrap_err().problem().slug(), "no-version");
    app.api.delete(&app.name, "0.1.0").await.unwrap();
    assert_eq!(labels(&app).await, ["0.3.0", "0.2.0"]);
    app.wait_for("its folders are gone", |_| !on_disk(&app, "versions").contains(&"0.1.0".to_owned())).await;
    assert_eq!(app.api.download(&app.name, "0.1.0").await.unwrap_err().problem().slug(), "no-version");
    app.deploy("lantern-1", Phase::Committed).await;
    assert_eq!(labels(&app).await, ["0.1.0", "0.3.0", "0.2.0"], "the order is that of registration");
}

#[tokio::test]
async fn a_label_belongs_to_one_package() {
    let host = TempHost::start().await;
    let app = host.app("raft", "replicas = 1");
    app.deploy("raft-stripped", Phase::Committed).await;
    let other = repacked(&sample("raft-stripped").path);
    let refused = app.api.deploy(&app.name, Upload { bytes: other, ..Upload::default() }).await;
    assert_eq!(refused.unwrap_err().problem().slug(), "other-package");
    let version = app.api.version(&app.name, "1.0.0").await.unwrap().version;
    assert_eq!(
        (version.sha256, version.state),
        (sample("raft-stripped").sha256.clone(), VersionState::Active)
    );
    assert_eq!(app.page(1).await["version"], "1.0.0");
}

#[tokio::test]
async fn a_ghost_stays_listed_after_its_package_is_gone() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1\ntries = 1\nkeep_versions = 2\nwatch_window = '0 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    app.deploy("beacon-broken-boot", Phase::RolledBack).await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
    let ghost = async || app.api.version(&app.name, "1.4.0-brokenboot").await.unwrap().version;
    let has_files = || {
        ["versions", "papers"].iter().any(|kind| on_disk(&app, kind).iter().any(|it| it.contains("broken")))
    };
    app.wait_for("the ghost's files are gone", |_| !has_files()).await;
    assert_eq!((ghost().await.state, ghost().await.stored), (VersionState::Ghosted, false));
    assert_eq!(app.try_deploy("beacon-broken-boot").await.unwrap_err().problem().slug(), "ghosted");
    assert!(!has_files(), "a refused package leaves nothing");
    let refused = app.api.activate(&app.name, "1.4.0-brokenboot").await.unwrap_err().problem();
    assert_eq!(refused.slug(), "ghosted");
    app.api.clear_ghost(&app.name, "1.4.0-brokenboot").await.unwrap();
    app.deploy("beacon-broken-boot", Phase::RolledBack).await;
}

#[tokio::test]
async fn what_runs_is_not_deployed_again() {
    let host = TempHost::start().await;
    let app = host.app("raft", "replicas = 1");
    app.deploy("raft-stripped", Phase::Committed).await;
    let before = app.pids().await;
    assert_eq!(app.try_deploy("raft-stripped").await.unwrap_err().problem().slug(), "already-running");
    assert_eq!(app.api.activate(&app.name, "1.0.0").await.unwrap_err().problem().slug(), "already-running");
    assert_eq!(app.pids().await, before);
    assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 1);
    let granted = app.api.restart(&app.name, None).await.unwrap();
    app.ends(granted, Phase::Committed).await;
}

/// The same release in other bytes.
fn repacked(package: &Path) -> Vec<u8> {
    testkit::pack::edited(package, &[("releases/extra.txt", b"one file more\n")])
}
