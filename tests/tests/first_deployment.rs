//! The first deployment of each kind of release.

use api::app::AppState;
use api::deployment::Phase;
use testkit::app::get;
use testkit::host::SECRET;
use testkit::{TempHost, processes};

/// What every instance finds in its environment, seen from inside of it.
async fn check_environment(app: &testkit::TestApp<'_>, version: &str) {
    for place in [1, 2] {
        let instance = app.instance(place).await;
        assert_eq!(instance.port, app.port + place - 1, "first instances stand in slot a");
        let environment = processes::environment(instance.pid.unwrap().try_into().unwrap());
        let value = |name: &str| {
            let prefix = format!("{name}=");
            environment
                .iter()
                .find_map(|variable| variable.strip_prefix(&prefix))
                .unwrap_or_else(|| panic!("no {name}"))
        };
        assert_eq!(value("PORT"), instance.port.to_string());
        assert_eq!(value("BELLROCK_APP"), app.name);
        assert_eq!(value("BELLROCK_PLACE"), place.to_string());
        assert_eq!(value("BELLROCK_VERSION"), version);
        assert_eq!(value("RELEASE_NODE_SUFFIX"), format!("-{place}"));
        assert!(
            value("RELEASE_NODE").starts_with(&format!("{}-{place}@", app.name)),
            "{}",
            value("RELEASE_NODE")
        );
        assert_eq!(value("RELX_REPLACE_OS_VARS"), "true");
        assert_eq!(value("LANG"), "C.UTF-8");
        for folder in ["HOME", "TMPDIR", "RELEASE_TMP"] {
            let folder = value(folder);
            assert!(folder.starts_with(&app.host.root().display().to_string()), "{folder}");
        }
    }
}

#[tokio::test]
async fn a_mix_release_is_deployed() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    let deployment = app.deploy("beacon-base", Phase::Committed).await;
    assert!(!deployment.deployment.ghosted);
    let state = app.state().await;
    assert_eq!((state.state, state.ready, state.version.as_deref()), (AppState::Ready, 2, Some("1.0.0")));
    check_environment(&app, "1.0.0").await;
    let page = app.page(2).await;
    assert_eq!(
        (page["app"].as_str(), page["version"].as_str(), page["place"].as_str()),
        (Some("beacon"), Some("1.0.0"), Some("2"))
    );
    assert_eq!(app.variable(1, "PORT").await, Some(app.port.to_string()));
    assert_eq!(app.variable(1, "NOT_THERE").await, None);
}

#[tokio::test]
async fn a_rebar3_release_is_deployed() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "");
    app.deploy("buoy-base", Phase::Committed).await;
    check_environment(&app, "1.0.0").await;
    assert_eq!(app.page(1).await["version"], "1.0.0");
}

#[tokio::test]
async fn a_gleam_shipment_is_deployed_with_a_runtime_of_the_host() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'");
    app.deploy("lantern-1", Phase::Committed).await;
    check_environment(&app, "0.1.0").await;
    assert_eq!(app.page(1).await["version"], "0.1.0");
}

#[tokio::test]
async fn the_daemons_environment_reaches_nobody() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let daemon = host.daemon_pid().try_into().unwrap();
    assert!(processes::environment(daemon).contains(&SECRET.to_owned()), "the test itself works");
    let others = processes::below(host.root()).into_iter().filter(|process| process.pid != daemon);
    let others: Vec<_> = others.collect();
    assert!(others.iter().any(|process| process.command_line.contains("bellrock-shim")), "{others:?}");
    assert!(others.iter().any(|process| process.command_line.contains("beam.smp")), "{others:?}");
    let (name, value) = SECRET.split_once('=').unwrap();
    for process in others {
        let leaked = processes::environment(process.pid)
            .into_iter()
            .find(|it| it.contains(name) || it.contains(value));
        assert_eq!(leaked, None, "{process:?}");
    }
    let (status, _) = get(app.port, &format!("/env?name={name}")).await.unwrap();
    assert_eq!(status, 404);
}
