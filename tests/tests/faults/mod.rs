//! Faults: apps, shims and the daemon are killed, hang, flood and fill disks, at every step of a deployment.

mod apps;
mod clock;
mod commands;
mod commits;
mod daemon;
mod descriptors;
mod disks;
mod journey;
mod left_over;
pub(crate) mod limits;
mod machine;
mod misbehaving;
mod mortal;
mod newer;
mod numbered;
mod operations;
mod output;
mod phases;
mod points;
mod power_cut;
pub(crate) mod reboot;
mod surroundings;

use std::collections::BTreeSet;
use std::time::Duration;

use api::app::{App, Instance};
use api::deployment::{DeploymentDetail, Phase};
use api::event::Step;
use api::exit::Exit;
use left_over::migrated_once;
use rustix::process::Signal;
use testkit::processes::{self, Process};
use testkit::{TempHost, TestApp, wait_for};

/// Longest that a fault may take to be seen and repaired on two busy cores.
const SOON: Duration = Duration::from_secs(30);

/// Whether all of it was asked for, however long it takes (`make test-faults`).
fn all() -> bool {
    std::env::var_os("BELLROCK_TEST_ALL").is_some_and(|value| value == "1")
}

/// Settings of beacon with a migration that leaves a line in a file for each run.
fn migrating(host: &TempHost, more: &str, variables: &str) -> String {
    format!(
        "pre_commands = ['eval Beacon.Migrator.migrate']\n{more}\n[variables]\nMIGRATION_LOG = '{}'\n{variables}",
        migration_log(host).display()
    )
}

/// Where beacon's migrations leave their lines; any user may write there.
fn migration_log(host: &TempHost) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = host.path("shared");
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    folder.join("migrations")
}

/// Lines that migrations have left.
fn migrations(host: &TempHost) -> Vec<String> {
    let text = fs_err::read_to_string(migration_log(host)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits for so many lines of migrations.
async fn migrations_reach(host: &TempHost, count: usize) -> Vec<String> {
    wait_for(format!("{count} migration lines"), SOON * 2, async || {
        Some(migrations(host)).filter(|lines| lines.len() >= count)
    })
    .await
}

/// The shims of a host: everything that runs the program.
fn shims(host: &TempHost) -> Vec<Process> {
    let mut found = processes::below(host.root());
    found
        .retain(|process| process.command_line.contains("bellrock-shim") && processes::is_alive(process.pid));
    found
}

/// The process of an instance's shim.
#[track_caller]
fn shim(app: &TestApp<'_>, instance: &Instance) -> i32 {
    let id = format!("/{}-{}-i{} ", app.name, instance.place, instance.instance);
    let found = shims(app.host).into_iter().find(|process| process.command_line.contains(&id));
    found.unwrap_or_else(|| panic!("no shim {id}")).pid
}

/// The runner of an app's command, while there is one.
fn runner(app: &TestApp<'_>) -> Option<i32> {
    let id = format!("/run-{}-", app.name);
    shims(app.host).into_iter().find(|process| process.command_line.contains(&id)).map(|process| process.pid)
}

/// The app's virtual machines, whatever started them.
fn beams(app: &TestApp<'_>) -> Vec<i32> {
    let name = format!("BELLROCK_APP={}", app.name);
    let is_beam = |pid: &i32| {
        fs_err::read_link(format!("/proc/{pid}/exe")).is_ok_and(|program| program.ends_with("beam.smp"))
    };
    let all = processes::below(app.host.root()).into_iter().map(|process| process.pid);
    all.filter(is_beam).filter(|pid| processes::environment(*pid).contains(&name)).collect()
}

/// SIGKILL to a process of the host.
#[track_caller]
fn kill(host: &TempHost, pid: i32) {
    assert!(processes::signal(pid, host.root(), Signal::KILL), "{pid} is there to be killed");
}

/// An instance's main process.
#[track_caller]
fn pid(instance: &Instance) -> i32 {
    instance.pid.unwrap_or_else(|| panic!("{instance:?} has no process")).try_into().unwrap()
}

/// Waits until a process is no more.
async fn gone(what: &str, pid: i32) {
    wait_for(format!("{what} {pid} is gone"), SOON, async || (!processes::is_alive(pid)).then_some(())).await;
}

/// Waits until a place has a ready instance with another process than `before`.
async fn back(app: &TestApp<'_>, place: u16, before: i32) -> Instance {
    let state =
        app.wait_for("a new process is ready", |state| ready_in(state, place, before).is_some()).await;
    ready_in(&state, place, before).unwrap().clone()
}

fn ready_in(state: &App, place: u16, other_than: i32) -> Option<&Instance> {
    state.instances.iter().find(|it| {
        it.place == place
            && it.state == api::app::InstanceState::Ready
            && it.pid.is_some_and(|now| i32::try_from(now) != Ok(other_than))
    })
}

/// The history of exits, of which none may be there twice.
async fn exits(app: &TestApp<'_>) -> Vec<Exit> {
    let exits = app.api.exits(&app.name).await.unwrap();
    let distinct: BTreeSet<_> = exits.iter().map(|exit| (exit.instance, exit.run)).collect();
    assert_eq!(distinct.len(), exits.len(), "an exit is there twice: {exits:#?}");
    exits
}

/// Crashes of all places, as the counters of the living instances say.
async fn crashes(app: &TestApp<'_>) -> u64 {
    app.ready().await.iter().map(|instance| instance.crashes).sum()
}

/// Waits until an app's running deployment is in a phase, or over; returns the phase that was seen.
async fn sees(app: &TestApp<'_>, id: u64, phase: Phase) -> Phase {
    wait_for(format!("deployment {id} is {}", phase.word()), SOON * 2, async || {
        let now = app.api.deployment(id).await.ok()?.deployment.phase;
        (now == phase || now.is_over()).then_some(now)
    })
    .await
}

/// Waits until a deployment is over, however.
async fn over(app: &TestApp<'_>, id: u64) -> DeploymentDetail {
    wait_for(format!("deployment {id} is over"), SOON * 3, async || {
        app.api.deployment(id).await.ok().filter(|it| it.deployment.phase.is_over())
    })
    .await
}

/// Lines of the events of one kind.
async fn lines(app: &TestApp<'_>, step: Step) -> Vec<String> {
    let events = app.api.events(&app.name).await.unwrap();
    events.into_iter().filter(|event| event.step == step).map(|event| event.text).collect()
}
