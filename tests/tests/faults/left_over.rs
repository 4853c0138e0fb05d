//! What must be true of a host whatever was done to it: one process tree per place, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use api::app::{App, AppState, InstanceState};
use testkit::ports::is_free;
use testkit::wait::patience;
use testkit::{TestApp, wait_for};
use tokio::time::{Instant, sleep};

use super::{SOON, beams, migrations, shims};

/// Waits until an app serves a version in so many places with nothing under way, and nothing is left over.
pub(super) async fn settles(app: &TestApp<'_>, version: &str, places: u16) -> App {
    let what = format!("{} serves v{version} in {places} places", app.name);
    let state = app
        .wait_for(&what, |state| {
            state.deployment.is_none()
                && state.queued.is_none()
                && state.state == AppState::Ready
                && state.version.as_deref() == Some(version)
                && state.ready == places
        })
        .await;
    nothing_left(app).await;
    for instance in app.ready().await {
        assert_eq!(instance.version, version, "place {}", instance.place);
        let page = app.page(instance.place).await;
        assert_eq!(page["pid"].to_string().trim_matches('"'), instance.pid.unwrap().to_string());
    }
    state
}

/// Waits until an app has just the processes and ports that its living instances need: a shim and a VM for each.
pub(super) async fn nothing_left(app: &TestApp<'_>) {
    let look = async || {
        let state = app.state().await;
        let living: Vec<_> =
            state.instances.iter().filter(|instance| instance.state != InstanceState::Stopped).collect();
        let pids: BTreeSet<i32> =
            living.iter().filter_map(|instance| instance.pid?.try_into().ok()).collect();
        let wanted: BTreeSet<String> =
            living.iter().map(|it| format!("{}-{}-i{}", app.name, it.place, it.instance)).collect();
        let found: Vec<String> =
            shims(app.host).iter().filter_map(|it| shim_id(&it.command_line, app)).collect();
        let beams = beams(app);
        let taken: BTreeSet<u16> =
            (app.port..app.port + testkit::app::PORTS).filter(|port| !is_free(*port)).collect();
        let ports: BTreeSet<u16> = living.iter().map(|instance| instance.port).collect();
        let right = found.len() == wanted.len()
            && found.iter().all(|id| wanted.contains(id))
            && beams.len() == pids.len()
            && beams.iter().all(|pid| pids.contains(pid))
            && taken == ports;
        let told = format!(
            "shims {found:?} for {wanted:?}; VMs {beams:?} for {pids:?}; ports {taken:?} for {ports:?}"
        );
        if right { Ok(()) } else { Err(told) }
    };
    let deadline = Instant::now() + SOON * patience();
    while let Err(told) = look().await {
        assert!(Instant::now() < deadline, "{}: something is missing or left over: {told}", app.name);
        sleep(Duration::from_millis(50)).await;
    }
    no_command_folder(app).await;
}

/// Trees that commands ran in are removed.
async fn no_command_folder(app: &TestApp<'_>) {
    let folder = app.host.path("var/lib/bellrock/commands").join(&app.name);
    wait_for(format!("{} is empty", folder.display()), SOON, async || {
        fs_err::read_dir(&folder).map_or(0, Iterator::count).eq(&0).then_some(())
    })
    .await;
}

/// The id in a shim's command line, if it is one of the app's.
fn shim_id(command_line: &str, app: &TestApp<'_>) -> Option<String> {
    let folder = command_line.split(' ').find(|word| word.contains("/run/bellrock/shims/"))?;
    let id = folder.rsplit('/').next()?;
    id.contains(&app.name).then(|| id.to_owned())
}

/// Each of these versions was migrated to once, and no other.
#[track_caller]
pub(super) fn migrated_once(app: &TestApp<'_>, versions: &[&str]) {
    let lines = migrations(app.host);
    let seen: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').nth(2)).collect();
    assert_eq!(seen, versions, "{lines:#?}");
}
