//! What is refused, and that nothing was touched then.

use std::net::TcpListener;

use api::deployment::Phase;
use testkit::client::Upload;
use testkit::{TempHost, TestApp, pack, sample};

/// Nothing of a refused package is left: no app, no version, no paper, no upload.
pub(crate) fn check_nothing_is_left(app: &TestApp<'_>) {
    let state = app.host.path("var/lib/bellrock");
    for folder in ["versions", "papers"].map(|kind| state.join(kind).join(&app.name)) {
        let left: Vec<_> = fs_err::read_dir(&folder).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let uploads: Vec<_> = fs_err::read_dir(state.join("uploads")).unwrap().flatten().collect();
    assert!(uploads.is_empty(), "{uploads:?}");
}

async fn refused(app: &TestApp<'_>, bytes: Vec<u8>, words: &[&str]) {
    let problem =
        app.api.deploy(&app.name, Upload { bytes, ..Upload::default() }).await.unwrap_err().problem();
    assert_eq!(problem.slug(), "package", "{}", problem.detail);
    for word in words {
        assert!(problem.detail.contains(word), "{word:?} is not in {}", problem.detail);
    }
    check_nothing_is_left(app);
    assert_eq!(app.api.apps().await.unwrap(), []);
}

#[tokio::test]
async fn packages_that_are_none() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    refused(&app, b"not gzip at all".to_vec(), &["gzip"]).await;
    refused(&app, pack::packed(&[("README", b"hello")]), &["release"]).await;
    let good = fs_err::read(&sample("beacon-base").path).unwrap();
    refused(&app, good[..good.len() / 2].to_vec(), &[]).await;
    let upload = Upload { file_name: Some("mine.tar.gz".into()), ..Upload::default() };
    let problem = app.api.deploy(&app.name, upload).await.unwrap_err().problem();
    assert!(problem.detail.starts_with("the package mine.tar.gz "), "{}", problem.detail);
}

#[tokio::test]
async fn hostile_archives() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    let outside = host.path("outside");
    for name in ["../../../../../../outside".to_owned(), outside.display().to_string()] {
        let package = pack::edited(&sample("beacon-base").path, &[(&name, b"gotcha")]);
        refused(&app, package, &["outside"]).await;
        assert!(!outside.exists());
    }
    refused(
        &app,
        pack::edited(&sample("beacon-base").path, &[("bin/beacon", b"#!/bin/sh")]),
        &["bin/beacon"],
    )
    .await;
}

#[tokio::test]
async fn a_file_that_names_another_version() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    let mut upload = Upload::file(&sample("beacon-base").path);
    upload.file_name = Some("beacon-7.7.7.tar.gz".into());
    let problem = app.api.deploy(&app.name, upload).await.unwrap_err().problem();
    assert!(problem.detail.contains("7.7.7") && problem.detail.contains("1.0.0"), "{}", problem.detail);
    check_nothing_is_left(&app);
}

#[tokio::test]
async fn an_app_and_a_version_that_nobody_knows() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    let asked = async || app.api.activate(&app.name, "9.9.9").await.unwrap_err().problem();
    let problem = asked().await;
    assert!(problem.detail.starts_with("there is no app "), "{}", problem.detail);
    app.deploy("beacon-base", Phase::Watching).await;
    let problem = asked().await;
    assert!(problem.detail.starts_with("there is no version 9.9.9"), "{}", problem.detail);
}

/// A second version is refused for a reason of this host, and the first was never touched.
async fn refused_before_anything_stops(app: &TestApp<'_>, words: &[&str]) {
    let before = app.pids().await;
    let deployment = app.deploy("beacon-module-changed", Phase::Failed).await.deployment;
    let reason = deployment.reason.unwrap();
    for word in words {
        assert!(reason.contains(word), "{word:?} is not in {reason}");
    }
    assert!(!deployment.ghosted, "the version is not to blame");
    assert_eq!(deployment.serving_at, None);
    let state = app.state().await;
    assert_eq!((state.version.as_deref(), app.pids().await), (Some("1.0.0"), before));
}

#[tokio::test]
async fn a_port_in_use_is_never_given() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "strategy = 'temporary_shutdown'");
    app.deploy("beacon-base", Phase::Committed).await;
    // Slot b of place 2.
    let port = app.port + 3 + 1;
    let _holder = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let own = format!("pid {}", std::process::id());
    refused_before_anything_stops(&app, &[&format!("port {port}"), "place 2", &own]).await;
}

#[tokio::test]
async fn a_user_that_does_not_exist() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root's apps have users.
    }
    let host = TempHost::start().await;
    let app = host.app("beacon", "strategy = 'temporary_shutdown'");
    app.deploy("beacon-base", Phase::Committed).await;
    app.write_settings("strategy = 'temporary_shutdown'\nuser = 'nosuchuser'");
    refused_before_anything_stops(&app, &["nosuchuser"]).await;
}

#[tokio::test]
async fn root_does_not_run_apps_as_root_unless_told_to() {
    if !rustix::process::geteuid().is_root() {
        return; // Nobody else can.
    }
    let host =
        testkit::HostPlan { config: "app_user = ''".into(), ..testkit::HostPlan::default() }.make().await;
    let config = fs_err::read_to_string(host.path("etc/bellrock/config.toml")).unwrap();
    let without: Vec<&str> = config.lines().filter(|line| !line.starts_with("app_user")).collect();
    fs_err::write(host.path("etc/bellrock/config.toml"), without.join("\n")).unwrap();
    host.start_daemon().await;
    let app = host.app("beacon", "replicas = 1");
    let deployment = app.deploy("beacon-base", Phase::Failed).await.deployment;
    let reason = deployment.reason.unwrap();
    assert!(reason.contains("app_user"), "{reason}");
    app.write_settings("replicas = 1\nuser = 'root'");
    app.deploy("beacon-base", Phase::Committed).await;
    assert_eq!(testkit::processes::uid(app.instance(1).await.pid.unwrap().try_into().unwrap()), Some(0));
}

#[tokio::test]
async fn runtimes_that_are_missing_or_not_there() {
    let host = TempHost::start().await;
    let app =
        host.app("lantern", "runtime = '/usr/lib/erlang'\nreplicas = 1\nstrategy = 'temporary_shutdown'");
    app.deploy("lantern-1", Phase::Committed).await;
    let before = app.pids().await;
    let strategy = "replicas = 1\nstrategy = 'temporary_shutdown'\n";
    for (runtime, word) in [("", "runtime"), ("runtime = '/nowhere/erlang'", "/nowhere/erlang")] {
        app.write_settings(&format!("{strategy}{runtime}"));
        let deployment = app.deploy("lantern-2", Phase::Failed).await.deployment;
        let reason = deployment.reason.unwrap();
        assert!(reason.contains(word), "{reason}");
        assert_eq!(app.pids().await, before);
    }
}
