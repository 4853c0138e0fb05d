//! The daemon is killed and started again, or replaced, while nothing is under way.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use api::deployment::Phase;
use testkit::{TempHost, TestApp, wait_for};

use super::{SOON, exits, left_over, numbered, shims};

/// Number of the last line that place 1 has written; every line before it is there.
fn lines_written(app: &TestApp<'_>) -> u32 {
    let log = app.host.path("var/log/bellrock").join(&app.name).join(format!("{}-1-stdout.log", app.name));
    numbered::numbers(&fs_err::read_to_string(log).unwrap())
}

/// Waits until the app has written more lines than that.
async fn more_lines(app: &TestApp<'_>, than: u32) -> u32 {
    let what = format!("more lines than {than}");
    wait_for(what, SOON, async || Some(lines_written(app)).filter(|lines| *lines > than + 20)).await
}

#[tokio::test]
async fn three_restarts_of_the_daemon_touch_no_process_and_lose_no_log_line() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'\n[log]\nmax_size = '100 MB'");
    let granted = app.api.deploy(&app.name, numbered::package()).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let (pids, before) = (app.pids().await, shims(&host));
    let mut lines = more_lines(&app, 0).await;
    for _ in 0..3 {
        host.kill_daemon();
        lines = more_lines(&app, lines).await;
        host.start_daemon().await;
        lines = more_lines(&app, lines).await;
        assert_eq!(app.pids().await, pids);
    }
    assert_eq!(shims(&host), before);
    assert!(exits(&app).await.is_empty());
    assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 1);
    // An orderly end of the daemon is no other thing.
    assert!(host.stop_daemon().await.success());
    more_lines(&app, lines).await;
    host.start_daemon().await;
    assert_eq!(app.pids().await, pids);
    left_over::settles(&app, "0.1.0", 2).await;
}

/// All shims but the proxy's, which a daemon with another program for it replaces.
fn shims_of_apps(host: &TempHost) -> Vec<testkit::processes::Process> {
    shims(host).into_iter().filter(|shim| !shim.command_line.contains("shims/proxy")).collect()
}

fn pids_of(shims: &[testkit::processes::Process]) -> Vec<i32> {
    shims.iter().map(|shim| shim.pid).collect()
}

#[tokio::test]
async fn a_daemon_of_another_path_takes_over_with_every_process_untouched() {
    let host = TempHost::start().await;
    let app = host.app("lantern", "runtime = '/usr/lib/erlang'");
    app.deploy("lantern-1", Phase::Committed).await;
    let (pids, before) = (app.pids().await, shims_of_apps(&host));
    let folder = host.path("newer");
    fs_err::create_dir(&folder).unwrap();
    for program in ["bellrockd", "bellrock-shim", "bellrock-proxy"] {
        let copy = folder.join(program);
        fs_err::copy(testkit::programs::program(program), &copy).unwrap();
        fs_err::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    host.kill_daemon();
    let usual = host.daemon_command();
    let mut newer = Command::new(folder.join("bellrockd"))
        .args(usual.get_args())
        .env_clear()
        .envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(fs_err::File::create(host.path("newer.log")).unwrap().into_parts().0)
        .spawn()
        .unwrap();
    host.wait_until_ready().await;
    assert_eq!(app.pids().await, pids);
    let after = shims_of_apps(&host);
    assert_eq!(pids_of(&after), pids_of(&before), "each goes on, as the newer program sooner or later");
    app.deploy("lantern-2", Phase::Committed).await;
    left_over::settles(&app, "0.2.0", 2).await;
    let program = folder.join("bellrock-shim").display().to_string();
    let of_apps = shims_of_apps(&host);
    assert!(of_apps.iter().all(|shim| shim.command_line.contains(&program)), "{of_apps:?}");
    // And back again.
    let pids = app.pids().await;
    newer.kill().unwrap();
    newer.wait().unwrap();
    host.start_daemon().await;
    assert_eq!(app.pids().await, pids);
    left_over::settles(&app, "0.2.0", 2).await;
}
