//! Settings: three layers, and everything that is wrong with them at once.

use api::deployment::Phase;
use testkit::client::Upload;
use testkit::{HostPlan, TempHost, pack, sample};

/// The raft sample with settings of its own inside.
fn with_settings(toml: &str) -> Upload {
    let bytes = pack::edited(&sample("raft-stripped").path, &[("bellrock.toml", toml.as_bytes())]);
    Upload { bytes, ..Upload::default() }
}

#[tokio::test]
async fn package_below_host_below_command() {
    let host = TempHost::start().await;
    let app = host.app("raft", "replicas = 1\nwatch_exits = 7\nvariables.FROM = 'host'");
    let upload = with_settings(
        "watch_exits = 5\ntries = 6\nstop_timeout = '9 s'\nkeep_versions = 4\n[variables]\nFROM = 'package'\nONLY = 'package'",
    );
    let granted = app.api.deploy(&app.name, upload.settings("tries = 8\nkeep_versions = 3")).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let settings = app.api.version(&app.name, "1.0.0").await.unwrap().settings.0;
    assert_eq!((settings.watch_exits, settings.tries, settings.keep_versions), (7, 8, 3));
    assert_eq!(settings.stop_timeout.as_secs(), 20, "the tests' host file says so");
    assert_eq!(app.variable(1, "FROM").await.as_deref(), Some("host"));
    assert_eq!(app.variable(1, "ONLY").await.as_deref(), Some("package"));
}

#[tokio::test]
async fn a_version_keeps_the_settings_it_ran_with() {
    let host = TempHost::start().await;
    let app = host.app("raft", "replicas = 1\nwatch_exits = 7");
    app.deploy("raft-stripped", Phase::Committed).await;
    app.write_settings("replicas = 1\nwatch_exits = 9");
    app.deploy("raft-unstripped", Phase::Committed).await;
    let of = async |version: &str| app.api.version(&app.name, version).await.unwrap().settings.0.watch_exits;
    assert_eq!((of("1.0.0").await, of("1.0.1").await), (7, 9));
    let granted = app.api.activate(&app.name, "1.0.0").await.unwrap();
    app.ends(granted, Phase::Committed).await;
    assert_eq!(of("1.0.0").await, 7);
}

#[tokio::test]
async fn all_problems_are_told_and_nothing_is_left() {
    let host = TempHost::start().await;
    let app = host.app("raft", "");
    let wrong = "replicaz = 2\nwatch_window = 90\nstrategy = 'sideways'\n[readiness]\nwithin = '9 parsecs'";
    let refused =
        app.api.deploy(&app.name, Upload::file(&sample("raft-stripped").path).settings(wrong)).await;
    let problem = refused.unwrap_err().problem();
    assert_eq!((problem.slug(), problem.status), ("settings", 422));
    for word in ["replicaz", "did you mean", "watch_window", "sideways", "parsecs"] {
        assert!(problem.detail.contains(word), "{word:?} is not in\n{}", problem.detail);
    }
    assert!(app.api.app(&app.name).await.is_err());
    let verdict = app.api.check_settings(&app.name, wrong).await.unwrap();
    assert!(!verdict.ok && verdict.problems.len() >= 4, "{verdict:?}");
    let good = app.api.check_settings(&app.name, "watch_window = '90 s'").await.unwrap();
    assert!(good.ok && good.problems.is_empty(), "{good:?}");
    super::refusals::check_nothing_is_left(&app);
}

#[tokio::test]
async fn two_apps_do_not_share_a_port() {
    let host = TempHost::start().await;
    let (first, second) = (host.app("raft", "replicas = 1"), host.app("buoy", "replicas = 1"));
    first.deploy("raft-stripped", Phase::Committed).await;
    let settings = format!("port = {}", first.port + 4);
    let upload = Upload::file(&sample("buoy-base").path).settings(&settings);
    let problem = second.api.deploy(&second.name, upload).await.unwrap_err().problem();
    assert_eq!(problem.slug(), "settings");
    assert!(
        problem.detail.contains("overlaps") && problem.detail.contains(&first.name),
        "{}",
        problem.detail
    );
    second.deploy("buoy-base", Phase::Committed).await;
}

#[tokio::test]
async fn a_daemon_does_not_start_with_settings_that_make_no_sense() {
    let host = HostPlan {
        config: "poll_intervall = '5 s'\nlog.max_size = '10 parsecs'".into(),
        ..HostPlan::default()
    };
    let host = host.make().await;
    host.spawn_daemon();
    assert_eq!(testkit::host::code(host.daemon_ends().await), 1);
    let log = host.daemon_log();
    for word in ["poll_intervall", "poll_interval", "parsecs", "config.toml"] {
        assert!(log.contains(word), "{word:?} is not in\n{log}");
    }
}
