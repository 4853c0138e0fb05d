//! Pre-commands that hang, are given up, or lose their runner or the daemon.

use api::deployment::{Deployment, Phase};
use api::event::Step;
use testkit::app::log;
use testkit::{TempHost, TestApp, processes};

use super::{
    gone, kill, left_over, lines, migrated_once, migrating, migration_log, migrations_reach, over, runner,
    wait_for,
};

/// Deploys v1 without migrations, then says how the next version migrates.
async fn deployed<'h>(host: &'h TempHost, more: &str, variables: &str) -> TestApp<'h> {
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    app.write_settings(&migrating(host, more, variables));
    app
}

/// Asks for v1.1.0; its number.
async fn begin(app: &TestApp<'_>) -> u64 {
    app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap()
}

/// The migration hangs with a child of its own: their process ids.
async fn hanging(host: &TempHost) -> [i32; 2] {
    let lines = migrations_reach(host, 2).await;
    let number = |line: &str, word: usize| line.split(' ').nth(word).unwrap().parse().unwrap();
    let pids = [number(&lines[0], 0), number(&lines[1], 1)];
    assert!(pids.iter().all(|pid| processes::is_alive(*pid)), "{lines:?}");
    pids
}

/// v1.0.0 goes on untouched, and nothing is left of the command.
async fn untouched(app: &TestApp<'_>, pids: &[u32], deployment: &Deployment) {
    assert_eq!(app.pids().await, pids, "the old version's instances are the same");
    assert!(deployment.serving_at.is_none());
    left_over::settles(app, "1.0.0", 2).await;
}

#[tokio::test]
async fn a_hanging_pre_command_is_killed_with_its_child_and_the_old_version_goes_on() {
    let host = TempHost::start().await;
    let app = deployed(&host, "command_timeout = '4 s'", "MIGRATION_HANG = '1'").await;
    let pids = app.pids().await;
    let id = begin(&app).await;
    let hanging = hanging(&host).await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Failed, "{}", log(&ended));
    let reason = ended.deployment.reason.clone().unwrap();
    assert!(
        reason.contains("eval Beacon.Migrator.migrate") && reason.contains("command_timeout"),
        "{reason}"
    );
    for pid in hanging {
        assert!(!processes::is_alive(pid), "{pid} is left");
    }
    assert!(!ended.deployment.ghosted, "{}", log(&ended));
    untouched(&app, &pids, &ended.deployment).await;
}

#[tokio::test]
async fn a_pre_command_that_is_given_up_ends_at_once() {
    let host = TempHost::start().await;
    let app = deployed(&host, "", "MIGRATION_HANG = '1'").await;
    let pids = app.pids().await;
    let id = begin(&app).await;
    let hanging = hanging(&host).await;
    app.api.cancel(id).await.unwrap();
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Cancelled, "{}", log(&ended));
    for pid in hanging {
        gone("the given up command", pid).await;
    }
    untouched(&app, &pids, &ended.deployment).await;
}

#[tokio::test]
async fn a_pre_command_that_is_given_up_ends_although_the_daemon_is_killed() {
    let host = TempHost::start().await;
    let app = deployed(&host, "", "MIGRATION_HANG = '1'").await;
    let pids = app.pids().await;
    let id = begin(&app).await;
    let hanging = hanging(&host).await;
    app.api.cancel(id).await.unwrap();
    host.restart_daemon().await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Cancelled, "{}", log(&ended));
    for pid in hanging {
        gone("the given up command", pid).await;
    }
    untouched(&app, &pids, &ended.deployment).await;
}

#[tokio::test]
async fn a_deployment_given_up_before_its_pre_command_runs_ends_soon() {
    let host = TempHost::start().await;
    let app = deployed(&host, "", "MIGRATION_HANG = '1'").await;
    let pids = app.pids().await;
    let id = begin(&app).await;
    super::sees(&app, id, Phase::Commands).await;
    app.api.cancel(id).await.unwrap();
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Cancelled, "{}", log(&ended));
    untouched(&app, &pids, &ended.deployment).await;
}

#[tokio::test]
async fn a_pre_command_runs_once_although_the_daemon_is_killed_meanwhile() {
    let host = TempHost::start().await;
    let app = deployed(&host, "", "MIGRATION_SLEEP_MS = '8000'").await;
    let id = begin(&app).await;
    migrations_reach(&host, 1).await;
    for _ in 0..2 {
        host.restart_daemon().await;
    }
    let detail = app.api.deployment(id).await.unwrap();
    assert_eq!(detail.deployment.phase, Phase::Commands, "killed while it ran\n{}", log(&detail));
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    migrated_once(&app, &["1.1.0"]);
    left_over::settles(&app, "1.1.0", 2).await;
}

#[tokio::test]
async fn a_pre_command_that_fails_while_the_daemon_is_away_aborts_the_deployment() {
    let host = TempHost::start().await;
    let app = deployed(&host, "", "MIGRATION_SLEEP_MS = '500'\nMIGRATION_FAIL = '1'").await;
    let pids = app.pids().await;
    let id = begin(&app).await;
    let lines = migrations_reach(&host, 1).await;
    host.kill_daemon();
    gone("the migration", lines[0].split(' ').next().unwrap().parse().unwrap()).await;
    host.start_daemon().await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Failed, "{}", log(&ended));
    assert!(ended.deployment.reason.as_ref().unwrap().contains("ended with exit 1"), "{}", log(&ended));
    migrated_once(&app, &["1.1.0"]);
    untouched(&app, &pids, &ended.deployment).await;
}

/// The outcome is unknown: said so, not run again.
async fn aborted_as_unknown(app: &TestApp<'_>, id: u64, pids: &[u32]) {
    let ended = over(app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Failed, "{}", log(&ended));
    let reason = ended.deployment.reason.clone().unwrap();
    assert!(
        reason.contains("nobody knows how it ended") && reason.contains("it is not run again"),
        "{reason}"
    );
    let told = lines(app, Step::RolledBack).await;
    assert!(told.iter().any(|line| line.contains("a database stays migrated")), "{told:#?}");
    migrated_once(app, &["1.1.0"]);
    untouched(app, pids, &ended.deployment).await;
}

#[tokio::test]
async fn a_pre_command_whose_runner_is_killed_is_not_run_again() {
    let host = TempHost::start().await;
    let app = deployed(&host, "", "MIGRATION_SLEEP_MS = '60000'").await;
    let pids = app.pids().await;
    let id = begin(&app).await;
    let lines = migrations_reach(&host, 1).await;
    kill(&host, runner(&app).expect("it runs under a shim"));
    gone("the migration", lines[0].split(' ').next().unwrap().parse().unwrap()).await;
    aborted_as_unknown(&app, id, &pids).await;
}

#[tokio::test]
async fn a_pre_command_whose_runner_and_daemon_are_killed_is_not_run_again() {
    let host = TempHost::start().await;
    let app = deployed(&host, "", "MIGRATION_SLEEP_MS = '60000'").await;
    let pids = app.pids().await;
    let id = begin(&app).await;
    migrations_reach(&host, 1).await;
    let runner = runner(&app).expect("it runs under a shim");
    host.kill_daemon();
    kill(&host, runner);
    gone("the runner", runner).await;
    host.start_daemon().await;
    aborted_as_unknown(&app, id, &pids).await;
    // The next try is a new deployment, and runs it anew.
    app.write_settings(&migrating(&host, "", ""));
    fs_err::remove_file(migration_log(&host)).unwrap();
    app.deploy("beacon-module-changed", Phase::Committed).await;
    migrated_once(&app, &["1.1.0"]);
    wait_for("its runner is dismissed", super::SOON, async || super::runner(&app).is_none().then_some(()))
        .await;
}
