//! The operator's command against a real daemon.

use api::app::{App, AppState};
use api::change::Granted;
use api::deployment::{DeploymentDetail, Phase};
use api::problem::Problem;
use api::version::Version;
use testkit::{TempHost, sample};

fn path(name: &str) -> &'static str {
    sample(name).path.to_str().unwrap()
}

#[tokio::test]
async fn a_days_work() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    let name = app.name.as_str();
    let ran = host
        .bellrock(&["deploy", name, path("beacon-base"), "--wait=committed", "--meta", "commit=8a2f"])
        .await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(told.contains("committed v1.0.0"), "{told}");
    assert!(!told.contains('\u{1b}'), "plain lines when nobody looks at a terminal: {told}");

    let ran = host.bellrock(&["--json", "status", name]).await;
    let state: App = ran.json();
    assert_eq!((state.state, state.ready, state.version.as_deref()), (AppState::Ready, 1, Some("1.0.0")));
    assert_eq!(host.bellrock(&["version", name]).await.stdout, "1.0.0\n");
    let versions: Vec<Version> = host.bellrock(&["--json", "versions", name]).await.json();
    assert_eq!(versions[0].meta.get("commit").map(String::as_str), Some("8a2f"));

    let ran = host.bellrock(&["--json", "deploy", name, path("beacon-module-changed")]).await;
    let granted: Granted = ran.json();
    app.ends(granted.clone(), Phase::Committed).await;
    let id = granted.deployment.unwrap().to_string();
    let detail: DeploymentDetail = host.bellrock(&["--json", "deployments", "show", &id]).await.json();
    assert_eq!(detail.deployment.phase, Phase::Committed);
    assert!(detail.log.len() >= 5, "{:#?}", detail.log);
    let shown = host.bellrock(&["deployments", "show", &id]).await;
    assert!(shown.stdout.contains("committed v1.1.0"), "{shown:?}");

    let ran = host.bellrock(&["env", name, "set", "LAMP=red", "--wait=committed"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(app.variable(1, "LAMP").await.as_deref(), Some("red"));
    assert!(host.bellrock(&["env", name, "list"]).await.stdout.contains("LAMP"));
    let ran = host.bellrock(&["activate", name, "1.0.0", "--wait=committed"]).await;
    assert_eq!((ran.code, app.page(1).await["version"].as_str()), (0, Some("1.0.0")), "{ran:?}");
    let logs = host.bellrock(&["logs", name]).await;
    assert!(logs.stdout.contains("listening on port"), "{logs:?}");
    let ran = host.bellrock(&["stop", name, "--yes", "--wait"]).await;
    assert_eq!((ran.code, app.state().await.state), (0, AppState::Stopped), "{ran:?}");
}

#[tokio::test]
async fn exit_codes_tell_how_it_ended() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1\ntries = 1");
    let name = app.name.as_str();
    let failed = host.bellrock(&["deploy", name, path("beacon-broken-boot"), "--wait"]).await;
    assert_eq!(failed.code, 5, "{failed:?}");
    assert_eq!(host.bellrock(&["deploy", name, path("beacon-base"), "--wait=committed"]).await.code, 0);
    let ghost = host.bellrock(&["--json", "deploy", name, path("beacon-broken-boot"), "--wait"]).await;
    assert_eq!(ghost.code, 3, "{ghost:?}");
    let problem: Problem =
        serde_json::from_str(&ghost.stderr).unwrap_or_else(|error| panic!("{error}: {ghost:?}"));
    assert_eq!(problem.slug(), "ghosted");
    assert_eq!(host.bellrock(&["ghosts", name, "clear", "1.4.0-brokenboot"]).await.code, 0);
    let back = host.bellrock(&["deploy", name, path("beacon-broken-boot"), "--wait"]).await;
    assert_eq!(back.code, 4, "{back:?}");
    let told = format!("{}{}", back.stdout, back.stderr);
    assert!(told.contains("rotation_s"), "the end of the failing log is shown: {told}");
    assert_eq!(host.bellrock(&["no-such-command"]).await.code, 2);
    assert_eq!(host.bellrock(&["status", "nosuchapp"]).await.code, 3);
    host.kill_daemon();
    assert_eq!(host.bellrock(&["status"]).await.code, 7);
}

#[tokio::test]
async fn a_downloaded_package_is_the_one_that_came() {
    let host = TempHost::start().await;
    let app = host.app("raft", "replicas = 1");
    app.deploy("raft-stripped", Phase::Committed).await;
    let to = host.path("fetched.tar.gz");
    let ran =
        host.bellrock(&["package", "download", &app.name, "1.0.0", "--output", to.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(fs_err::read(&to).unwrap() == fs_err::read(&sample("raft-stripped").path).unwrap());
}
