//! The first deployment of each kind of release.

use api::app::AppState;
use api::deployment::Phase;
use api::version::By;
use serde_json::Value;
use testkit::{TempHost, TestApp, processes};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const RUNTIME: &str = "runtime = '/usr/lib/erlang'";

/// What every instance finds in its environment, as the kernel shows it.
async fn check_environment(app: &TestApp<'_>, version: &str) {
    for place in [1, 2] {
        let instance = app.instance(place).await;
        assert_eq!(instance.port, app.port + place - 1, "first instances stand in slot a");
        let environment = processes::environment(instance.pid.unwrap().try_into().unwrap());
        let value = |name: &str| {
            let prefix = format!("{name}=");
            let found = environment.iter().find_map(|variable| variable.strip_prefix(&prefix));
            found.unwrap_or_else(|| panic!("no {name} in {environment:?}"))
        };
        assert_eq!(value("PORT"), instance.port.to_string());
        assert_eq!(value("BELLROCK_APP"), app.name);
        assert_eq!(value("BELLROCK_PLACE"), place.to_string());
        assert_eq!(value("BELLROCK_VERSION"), version);
        assert_eq!(value("RELEASE_NODE_SUFFIX"), format!("-{place}"));
        assert!(value("RELEASE_NODE").starts_with(&format!("{}-{place}@", app.name)));
        assert_eq!(value("RELX_REPLACE_OS_VARS"), "true");
        assert_eq!(value("LANG"), "C.UTF-8");
        for name in ["HOME", "TMPDIR", "RELEASE_TMP"] {
            let folder = value(name);
            assert!(folder.starts_with(&app.host.root().display().to_string()), "{name}={folder}");
        }
    }
}

/// Deploys a sample with HTTP pages and looks at all that a first deployment promises.
async fn check(base: &str, name: &str, settings: &str, page: [&str; 2]) {
    let host = TempHost::start().await;
    let app = host.app(base, settings);
    let deployment = app.deploy(name, Phase::Committed).await.deployment;
    let [package_app, version] = page;
    assert_eq!((deployment.from, deployment.to.as_deref()), (None, Some(version)));
    let By::Operator { uid, .. } = deployment.by else { panic!("{:?} did not ask", deployment.by) };
    assert_eq!(uid, rustix::process::geteuid().as_raw());
    let state = app.state().await;
    assert_eq!((state.state, state.ready, state.version.as_deref()), (AppState::Ready, 2, Some(version)));
    check_environment(&app, version).await;
    for place in [1, 2] {
        let page = app.page(place).await;
        assert_eq!(page["app"], package_app);
        assert_eq!(page["version"], version);
        assert_eq!(page["place"], place.to_string());
        let pid =
            page["pid"].as_str().map_or(page["pid"].clone(), |pid| Value::from(pid.parse::<u64>().unwrap()));
        assert_eq!(pid, app.instance(place).await.pid.unwrap(), "the pid that we know is the app's own");
    }
}

#[tokio::test]
async fn mix_release() {
    check("beacon", "beacon-base", "", ["beacon", "1.0.0"]).await;
}

#[tokio::test]
async fn rebar3_release() {
    check("buoy", "buoy-base", "", ["buoy", "1.0.0"]).await;
}

#[tokio::test]
async fn gleam_shipment_with_a_runtime_of_the_host() {
    check("lantern", "lantern-1", RUNTIME, ["lantern", "0.1.0"]).await;
}

#[tokio::test]
async fn one_release_of_an_umbrella_and_the_other() {
    check("fore", "umbrella-fore", "", ["fore", "1.0.0"]).await;
    check("aft", "umbrella-aft", "", ["aft", "1.0.0"]).await;
}

#[tokio::test]
async fn mix_release_without_erts() {
    check("raft", "raft-no-erts", RUNTIME, ["raft", "1.0.2"]).await;
}

#[tokio::test]
async fn release_that_is_not_named_as_its_app() {
    check("raft", "raft-renamed", "", ["raft", "1.0.3"]).await;
}

#[tokio::test]
async fn version_with_a_plus() {
    check("raft", "raft-plus", "", ["raft", "1.0.4+build.7"]).await;
}

#[tokio::test]
async fn start_erl_data_decides_between_two_releases() {
    check("raft", "raft-two-releases", "", ["raft", "1.1.0"]).await;
}

#[tokio::test]
async fn tcp_app_without_http() {
    let host = TempHost::start().await;
    let app = host.app("echo", "[readiness]\nkind = 'tcp'");
    app.deploy("echo-base", Phase::Committed).await;
    check_environment(&app, "1.0.0").await;
    for place in [1, 2] {
        let port = app.instance(place).await.port;
        let mut stream = BufReader::new(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        stream.write_all(b"ahoy\n").await.unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "ahoy\n");
    }
}

#[tokio::test]
async fn a_node_answers_to_its_name() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let name = format!("{}-1@", app.name);
    let node = app.page(1).await["node"].as_str().unwrap().to_owned();
    assert!(node.starts_with(&name), "{node}");
}
