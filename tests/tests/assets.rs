//! Assets of the version before, asked for by pages that are still open after the switch.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use api::deployment::Phase;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::client::Upload;
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, TestApp, pack, processes, programs, sample, wait_for};

const OLD: &str = "/assets/app-old.js";
const NEW: &str = "/assets/app-new.js";

/// A sample that brings a script, compressed too.
fn package(name: &str, script: &str) -> Upload {
    let sample = sample(name);
    let folder = format!("lib/beacon-{}/priv/static/assets", sample.version);
    let (plain, zipped) = (format!("{folder}/{script}"), format!("{folder}/{script}.gz"));
    let content = format!("{script} of {}", sample.version);
    let bytes = pack::edited(&sample.path, &[(&plain, content.as_bytes()), (&zipped, b"zipped")]);
    Upload { bytes, ..Upload::default() }
}

async fn deploy(app: &TestApp<'_>, name: &str, script: &str) {
    let granted = app.api.deploy(&app.name, package(name, script)).await.unwrap();
    app.ends(granted, Phase::Committed).await;
}

/// A host whose proxy runs as another user than the daemon, where that can be; and the folder of its program, for the
/// build's may be nobody else's.
async fn host_with_proxy_of_another_user() -> (TempHost, TempDir) {
    let folder =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir_in("/tmp").unwrap();
    if !rustix::process::geteuid().is_root() {
        return (TempHost::start().await, folder);
    }
    let program = folder.path().join("bellrock-proxy");
    fs_err::copy(programs::program("bellrock-proxy"), &program).unwrap();
    let script = format!("exec \"$0\" \"$@\" --proxy {}", program.display());
    let plan = HostPlan {
        config: "[proxy]\nuser = 'daemon'".into(),
        wrapper: vec!["/bin/sh".into(), "-c".into(), script],
        ..HostPlan::default()
    };
    (plan.start().await, folder)
}

fn settings(keep: &str) -> String {
    format!("replicas = 1\nstrategy = 'parallel'\n[assets]\nprefixes = ['/assets']\nkeep = '{keep}'")
}

async fn ask(host: &TempHost, method: Method, path: &str) -> Option<(StatusCode, Option<u64>, String)> {
    let client = reqwest::Client::new();
    let answer = client.request(method, format!("http://{}{path}", host.http())).send().await.ok()?;
    let length = answer.headers().get("content-length").and_then(|it| it.to_str().ok()?.parse().ok());
    Some((answer.status(), length, answer.text().await.ok()?))
}

async fn get(host: &TempHost, path: &str) -> (StatusCode, String) {
    let (status, _, body) = ask(host, Method::GET, path).await.unwrap();
    (status, body)
}

fn found(script: &str) -> (StatusCode, String) {
    (StatusCode::OK, script.into())
}

fn folders(host: &TempHost, app: &TestApp<'_>) -> Vec<PathBuf> {
    let all = host.path("var/lib/bellrock/assets").join(&app.name);
    fs_err::read_dir(all).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn an_old_page_gets_its_assets_whatever_is_restarted_or_removed() {
    let (host, _program) = host_with_proxy_of_another_user().await;
    let app = host.app("beacon", &settings("1 h"));
    deploy(&app, "beacon-base", "app-old.js").await;
    assert_eq!(get(&host, OLD).await.0, StatusCode::NOT_FOUND, "beacon itself serves no files");
    deploy(&app, "beacon-module-changed", "app-new.js").await;
    let old = found("app-old.js of 1.0.0");
    assert_eq!(get(&host, OLD).await, old);
    let head = ask(&host, Method::HEAD, OLD).await.unwrap();
    assert_eq!(head, (StatusCode::OK, Some(19), String::new()));
    for (method, path) in [
        (Method::POST, OLD),
        (Method::GET, "/assets/none.js"),
        (Method::GET, "/app-old.js"),
        (Method::GET, "/assets/..%2f..%2f..%2febin%2fbeacon.app"),
    ] {
        let (status, _, _) = ask(&host, method.clone(), path).await.unwrap();
        assert_eq!(status, StatusCode::NOT_FOUND, "{method} {path}");
    }
    assert_eq!(folders(&host, &app).len(), 2);

    host.restart_daemon().await;
    assert_eq!(get(&host, OLD).await, old, "after a restart of the daemon");
    let proxy = host.client().routes().await.unwrap().proxy.pid.unwrap();
    host.kill_daemon();
    assert!(processes::signal(proxy.try_into().unwrap(), host.root(), Signal::KILL));
    wait_for("the proxy is back, without a daemon", LONG, async || ask(&host, Method::GET, "/").await).await;
    assert_eq!(get(&host, OLD).await, old, "from the saved table");
    host.start_daemon().await;

    app.deploy("beacon-module-added", Phase::Committed).await;
    app.api.delete(&app.name, "1.0.0").await.unwrap();
    let versions = host.path("var/lib/bellrock/versions").join(&app.name);
    wait_for("the version is gone", LONG, async || (!versions.join("1.0.0").exists()).then_some(())).await;
    assert_eq!(get(&host, OLD).await, old, "its files are kept");
    assert_eq!(get(&host, NEW).await, found("app-new.js of 1.1.0"), "those of the one in between too");
}

#[tokio::test]
async fn after_its_time_it_is_not_found_and_its_files_are_gone() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &settings("8 s"));
    deploy(&app, "beacon-base", "app-old.js").await;
    let granted = app.api.deploy(&app.name, package("beacon-module-changed", "app-new.js")).await.unwrap();
    wait_for("the switch", LONG, async || {
        (get(&host, OLD).await == found("app-old.js of 1.0.0")).then_some(())
    })
    .await;
    app.ends(granted, Phase::Committed).await;
    wait_for("it is not found", LONG, async || {
        (get(&host, OLD).await.0 == StatusCode::NOT_FOUND).then_some(())
    })
    .await;
    wait_for("its files are removed", LONG, async || folders(&host, &app).is_empty().then_some(())).await;
    assert_eq!(get(&host, "/").await.0, StatusCode::OK);
}
