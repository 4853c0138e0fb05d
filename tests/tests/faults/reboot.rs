//! A reboot, as far as a test can make one: every process is killed at once and the run folder is empty.

use std::time::{Duration, Instant};

use api::deployment::Phase;
use testkit::app::log;
use testkit::wait::LONG;
use testkit::{TempHost, TestApp, processes, wait_for};

use super::{left_over, migrated_once, migrating, migrations_reach, over, sees};

/// The host goes down and comes up.
async fn reboot(host: &TempHost) {
    goes_down(host);
    host.start_daemon().await;
}

/// Every process of the host is killed, and what only lives as long as a boot is gone.
pub(crate) fn goes_down(host: &TempHost) {
    host.kill_daemon();
    let left = processes::end_all(host.root(), Duration::from_secs(20));
    assert!(left.is_empty(), "{left:?}");
    let run = host.path("run/bellrock");
    for entry in fs_err::read_dir(&run).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { fs_err::remove_dir_all(path).unwrap() } else { fs_err::remove_file(path).unwrap() }
    }
}

async fn nothing_ghosted(app: &TestApp<'_>) {
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty(), "a reboot says nothing about a version");
    assert!(app.state().await.stuck.is_none());
}

/// How soon everything should serve again, as docs/faults.md says it: the slowest boot, as often as instances share a core,
/// and five seconds.
async fn back_within(apps: &[TestApp<'_>]) -> Duration {
    let mut boots = Vec::new();
    for app in apps {
        let ready = app.ready().await;
        boots.extend(
            ready.iter().filter_map(|it| Some(it.ready_at?.duration_since(it.up_since?).unsigned_abs())),
        );
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shared = u32::try_from(boots.len().div_ceil(cores)).unwrap();
    boots.into_iter().max().unwrap_or_default() * shared + Duration::from_secs(5)
}

#[tokio::test]
async fn everything_runs_again_after_a_reboot_at_the_right_version() {
    let host = TempHost::start().await;
    let apps = [host.app("buoy", ""), host.app("lantern", "runtime = '/usr/lib/erlang'")];
    for (app, old, new) in
        [(&apps[0], "buoy-base", "buoy-module-changed"), (&apps[1], "lantern-1", "lantern-2")]
    {
        app.deploy(old, Phase::Committed).await;
        app.deploy(new, Phase::Committed).await;
    }
    let stopped = host.app("lantern", "runtime = '/usr/lib/erlang'");
    stopped.deploy("lantern-1", Phase::Committed).await;
    let stop = stopped.api.stop(&stopped.name).await.unwrap();
    stopped.ends(stop, Phase::Committed).await;
    let within = back_within(&apps).await;
    let begin = Instant::now();
    reboot(&host).await;
    for (app, version) in apps.iter().zip(["1.1.0", "0.2.0"]) {
        wait_for(
            format!("{} is back", app.name),
            (within * 4 + LONG).saturating_sub(begin.elapsed()),
            async || {
                let state = app.api.app(&app.name).await.ok()?;
                (state.ready == 2 && state.version.as_deref() == Some(version)).then_some(())
            },
        )
        .await;
    }
    println!("all serve {:?} after the power went; it should be {within:?} at most", begin.elapsed());
    for (app, version) in apps.iter().zip(["1.1.0", "0.2.0"]) {
        left_over::settles(app, version, 2).await;
        nothing_ghosted(app).await;
        assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 2, "a restore is no deployment");
    }
    left_over::nothing_left(&stopped).await;
}

#[tokio::test]
async fn a_reboot_while_instances_are_replaced_leads_back_to_the_old_version() {
    let host = TempHost::start().await;
    let app = host.app("beacon", &migrating(&host, "", "WARMUP_MS = '1500'"));
    app.deploy("beacon-base", Phase::Committed).await;
    let id = app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap();
    assert_eq!(sees(&app, id, Phase::Replacing).await, Phase::Replacing);
    reboot(&host).await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::RolledBack, "{}", log(&ended));
    left_over::settles(&app, "1.0.0", 2).await;
    nothing_ghosted(&app).await;
    migrated_once(&app, &["1.0.0", "1.1.0"]);
    // It was not the version's fault: the next try is welcome.
    app.deploy("beacon-module-changed", Phase::Committed).await;
    left_over::settles(&app, "1.1.0", 2).await;
}

#[tokio::test]
async fn a_reboot_during_a_pre_command_aborts_and_does_not_run_it_again() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    app.write_settings(&migrating(&host, "", "MIGRATION_SLEEP_MS = '60000'"));
    let id = app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap();
    migrations_reach(&host, 1).await;
    reboot(&host).await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Failed, "{}", log(&ended));
    let reason = ended.deployment.reason.clone().unwrap();
    assert!(reason.contains("nobody knows how it ended"), "{reason}");
    migrated_once(&app, &["1.1.0"]);
    left_over::settles(&app, "1.0.0", 2).await;
    nothing_ghosted(&app).await;
}

#[tokio::test]
async fn a_reboot_in_the_watch_window_and_one_in_a_rollback_end_right() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "watch_window = '3 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    let id = app.deploy("beacon-module-changed", Phase::Watching).await.deployment.id;
    reboot(&host).await;
    let ended = over(&app, id).await;
    // All of it had been ready; the window goes on over the reboot.
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    left_over::settles(&app, "1.1.0", 2).await;
    nothing_ghosted(&app).await;

    let id = app.deploy("beacon-module-added", Phase::Watching).await.deployment.id;
    app.api.rollback(&app.name).await.unwrap();
    assert_eq!(sees(&app, id, Phase::RollingBack).await, Phase::RollingBack);
    reboot(&host).await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::RolledBack, "{}", log(&ended));
    left_over::settles(&app, "1.1.0", 2).await;
}

/// The host goes down in order: the daemon ends, then a unit has everything else end.
async fn shut_down(host: &TempHost) {
    assert_eq!(testkit::host::code(host.stop_daemon().await), 0);
    let mut command = host.daemon_command();
    let status = tokio::task::spawn_blocking(move || command.arg("--stop-all").status().unwrap());
    assert!(status.await.unwrap().success(), "{}", host.daemon_log());
    wait_for("nothing is left", Duration::from_secs(20), async || {
        processes::below(host.root()).is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_orderly_shutdown_stops_each_app_and_the_next_start_brings_all_back() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "watch_window = '3 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    let stopped = host.app("buoy", "replicas = 1\nmax = 1\nproxy = false");
    stopped.deploy("buoy-base", Phase::Committed).await;
    let stop = stopped.api.stop(&stopped.name).await.unwrap();
    stopped.ends(stop, Phase::Committed).await;
    let id = app.deploy("beacon-module-changed", Phase::Watching).await.deployment.id;
    // Beside a daemon it does nothing.
    let refused = host.daemon_command().arg("--stop-all").status().unwrap();
    assert!(!refused.success() && host.daemon_log().contains("stop it first"));
    app.ready().await;
    shut_down(&host).await;
    host.start_daemon().await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    left_over::settles(&app, "1.1.0", 2).await;
    nothing_ghosted(&app).await;
    left_over::nothing_left(&stopped).await;
}
