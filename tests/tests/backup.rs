//! `bellrock backup` and `bellrockd --restore`.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use api::app::AppState;
use api::deployment::Phase;
use testkit::{TempHost, processes, programs};
use tokio::process::Command;

/// How long killed processes may take to be gone.
const END: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_host_that_was_lost_comes_back_from_its_backup() {
    let host = TempHost::start().await;
    let mut app = host.app("beacon", "replicas = 2\nvariables.LAMP = 'green'");
    let name = &app.name.clone();
    app.deploy("beacon-base", Phase::Committed).await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
    app.set("SECRET", "by hand", false)
        .await
        .map(|granted| app.ends(granted, Phase::Committed))
        .unwrap()
        .await;
    let before = app.state().await;

    let kept = tempfile::tempdir().unwrap();
    let file = kept.path().join("backup.tar");
    let ran = host.bellrock(&["backup", file.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("mode 0600"), "{ran:?}");
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = host.bellrock(&["backup", file.to_str().unwrap()]).await;
    assert_eq!(again.code, 2, "a backup is never overwritten: {again:?}");

    let restore = async || {
        let mut command = Command::new(programs::program("bellrockd"));
        command.arg("--root").arg(host.root()).arg("--restore").arg(&file).env_clear();
        command.output().await.unwrap()
    };
    let refused = restore().await;
    assert!(!refused.status.success(), "there is a state: {refused:?}");

    host.kill_daemon();
    processes::end_all(host.root(), END);
    for folder in ["etc", "var", "run"] {
        fs_err::remove_dir_all(host.path(folder)).unwrap();
    }
    // The tests' client looks for the daemon's socket from here.
    fs_err::create_dir_all(host.path("run/bellrock")).unwrap();
    let restored = restore().await;
    assert!(restored.status.success(), "{restored:?}");
    host.start_daemon().await;
    // The one before holds on to the folder that was removed.
    app.api = host.client();
    let after = app.wait_for("both places are ready", |app| app.ready == 2).await;
    assert_eq!(
        (after.state, &after.version, &after.rollback_target, after.mode),
        (AppState::Ready, &before.version, &before.rollback_target, before.mode)
    );
    for place in [1, 2] {
        assert_eq!(app.page(place).await["version"], "1.1.0");
        assert_eq!(app.variable(place, "LAMP").await.as_deref(), Some("green"));
        assert_eq!(app.variable(place, "SECRET").await.as_deref(), Some("by hand"));
    }
    let ran = host.bellrock(&["rollback", name, "--wait=committed"]).await;
    assert_eq!((ran.code, app.page(1).await["version"].as_str()), (0, Some("1.0.0")), "{ran:?}");
}
