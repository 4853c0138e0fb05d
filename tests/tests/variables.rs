//! Environment variables of an app, and which of them come back with a version.

use api::deployment::{DeploymentKind, Phase};
use api::variable::{ChangeVariables, VariableSource};
use testkit::client::Upload;
use testkit::{TempHost, TestApp, sample};

/// Sets a variable and waits until every instance has it.
async fn set(app: &TestApp<'_>, name: &str, value: &str) {
    let granted = app.set(name, value, false).await.unwrap();
    app.ends(granted, Phase::Committed).await;
}

#[tokio::test]
async fn a_new_value_comes_with_a_rolling_restart() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let granted = app.set("LAMP", "it's \"red\" $HOME", false).await.unwrap();
    let deployment = app.ends(granted, Phase::Committed).await.deployment;
    assert_eq!(deployment.kind, DeploymentKind::Variables);
    assert_eq!(app.state().await.version.as_deref(), Some("1.0.0+env1"));
    assert!(app.pids().await.iter().all(|pid| !before.contains(pid)));
    for place in [1, 2] {
        assert_eq!(
            app.variable(place, "LAMP").await.as_deref(),
            Some("it's \"red\" $HOME"),
            "as it was said"
        );
        assert_eq!(app.variable(place, "BELLROCK_VERSION").await.as_deref(), Some("1.0.0+env1"));
    }
    let unset = ChangeVariables { unset: ["LAMP".to_owned()].into(), ..ChangeVariables::default() };
    let granted = app.api.change_variables(&app.name, &unset).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    assert_eq!(app.variable(1, "LAMP").await, None);
}

#[tokio::test]
async fn later_means_with_the_next_instance() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let granted = app.set("LAMP", "red", true).await.unwrap();
    assert_eq!(granted.deployment, None);
    assert_eq!((app.pids().await, app.variable(1, "LAMP").await), (before, None));
    let granted = app.api.restart(&app.name, Some(1)).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    assert_eq!(app.variable(1, "LAMP").await.as_deref(), Some("red"));
}

#[tokio::test]
async fn settings_give_values_and_env_set_wins() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1\n[variables]\nLAMP = 'white'\nHORN = 'loud'");
    app.deploy("beacon-base", Phase::Committed).await;
    set(&app, "LAMP", "red").await;
    assert_eq!(app.variable(1, "LAMP").await.as_deref(), Some("red"));
    assert_eq!(app.variable(1, "HORN").await.as_deref(), Some("loud"));
    let listed = app.api.variables(&app.name).await.unwrap().variables;
    let listed: Vec<_> = listed.iter().map(|it| (it.name.as_str(), it.value.as_str(), it.from)).collect();
    assert_eq!(listed, [("HORN", "loud", VariableSource::Settings), ("LAMP", "red", VariableSource::Set)]);
}

/// The rule's own example: v1 with A=1, set A=2, deploy v2, set A=3, activate v1 ⇒ A=2.
#[tokio::test]
async fn activation_restores_what_the_version_last_ran_with() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    set(&app, "A", "1").await;
    set(&app, "A", "2").await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
    assert_eq!(app.variable(1, "A").await.as_deref(), Some("2"), "a new version starts with what is set");
    set(&app, "A", "3").await;
    set(&app, "ADDED_UNDER_V2", "yes").await;
    let granted = app.api.activate(&app.name, "1.0.0").await.unwrap();
    let deployment = app.ends(granted, Phase::Committed).await.deployment;
    assert_eq!(deployment.kind, DeploymentKind::Activate);
    assert_eq!(app.page(1).await["version"], "1.0.0");
    assert_eq!(app.variable(1, "A").await.as_deref(), Some("2"));
    assert_eq!(app.variable(1, "ADDED_UNDER_V2").await, None);
    let granted = app.api.activate(&app.name, "1.1.0").await.unwrap();
    app.ends(granted, Phase::Committed).await;
    assert_eq!(app.variable(1, "A").await.as_deref(), Some("3"));
    assert_eq!(app.variable(1, "ADDED_UNDER_V2").await.as_deref(), Some("yes"));
}

#[tokio::test]
async fn an_automatic_rollback_restores_them_too() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "strategy = 'temporary_shutdown'\ntries = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    set(&app, "A", "1").await;
    let settings = "[variables]\nWITH_V2 = 'yes'";
    let upload = Upload::file(&sample("beacon-broken-boot").path).settings(settings);
    let granted = app.api.deploy(&app.name, upload).await.unwrap();
    app.ends(granted, Phase::RolledBack).await;
    for place in [1, 2] {
        assert_eq!(app.variable(place, "A").await.as_deref(), Some("1"));
        assert_eq!(app.variable(place, "WITH_V2").await, None);
        assert_eq!(app.variable(place, "BELLROCK_VERSION").await.as_deref(), Some("1.0.0+env1"));
    }
}

#[tokio::test]
async fn a_value_that_breaks_the_app_is_taken_back() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "tries = 1\nreadiness.failure_timeout = '6 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    let granted = app.set("WARMUP_MS", "600000", false).await.unwrap();
    let deployment = app.ends(granted, Phase::RolledBack).await.deployment;
    assert!(!deployment.ghosted, "the version itself is good");
    assert_eq!((app.pids().await, app.variable(1, "WARMUP_MS").await), (before, None));
}
