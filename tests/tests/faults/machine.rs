//! A machine that really goes down and comes up: one boot of the virtual machine of `make test-vm` for each run of a test
//! here, on a disk that stays. `xtask/src/vm` says which follow each other, and ends the machine.
//!
//! Nothing of these hosts is ended by its test: the machine does that.

use std::path::PathBuf;
use std::time::Instant;

use api::app::InstanceState;
use api::deployment::{Deployment, Phase};
use testkit::app::log;
use testkit::{HostPlan, TempHost, TestApp};

use super::limits::is_limited_to;
use super::{left_over, migrating, migrations, over, pid};

/// A host on the disk of the machine, as the last boot left it; nothing where no machine was booted for this.
async fn host() -> Option<TempHost> {
    let Some(disk) = std::env::var_os("BELLROCK_VM_DISK") else {
        eprintln!("not tested here, but by make test-vm: it takes a machine of its own");
        return None;
    };
    let root = Some(PathBuf::from(disk).join("host"));
    Some(HostPlan { root, ..HostPlan::default() }.make().await)
}

/// Three apps; the same ones in each boot, since a machine that has just come up gives its ports in the same order.
fn apps(host: &TempHost) -> [TestApp<'_>; 3] {
    let limited = "[resources]\nmemory = '300 MB'";
    let lantern = "runtime = '/usr/lib/erlang'";
    [host.app("beacon", limited), host.app("lantern", lantern), host.app("lantern", lantern)]
}

/// Says something to who runs the machine.
fn tell(what: &str) {
    println!("machine: {what}");
}

/// Leaves everything to the machine's end.
fn leave(host: TempHost) {
    std::mem::forget(host);
}

/// The first boot: two apps in their second version, one that was stopped.
#[tokio::test]
async fn a_machine_is_set_up() {
    let Some(host) = host().await else { return };
    host.start_daemon().await;
    let [beacon, lantern, stopped] = apps(&host);
    for (app, versions) in [
        (&beacon, &["beacon-base", "beacon-module-changed"][..]),
        (&lantern, &["lantern-1", "lantern-2"]),
        (&stopped, &["lantern-1"]),
    ] {
        for version in versions {
            app.deploy(version, Phase::Committed).await;
        }
    }
    let stop = stopped.api.stop(&stopped.name).await.unwrap();
    stopped.ends(stop, Phase::Committed).await;
    tell("two apps run, one is stopped");
    leave(host);
}

/// Each later boot: what should run runs, at its version and within its limits, and it is said how soon.
#[tokio::test]
async fn a_machine_that_comes_up_runs_all_that_should_run() {
    let Some(host) = host().await else { return };
    let begin = Instant::now();
    host.start_daemon().await;
    let [beacon, lantern, stopped] = apps(&host);
    for (app, version) in [(&beacon, "1.1.0"), (&lantern, "0.2.0")] {
        app.wait_for("it serves", |state| state.ready == 2 && state.version.as_deref() == Some(version))
            .await;
    }
    tell(&format!("two apps with two instances each serve {:.1?} after the daemon's start", begin.elapsed()));
    left_over::settles(&beacon, "1.1.0", 2).await;
    left_over::settles(&lantern, "0.2.0", 2).await;
    left_over::nothing_left(&stopped).await;
    assert!(stopped.state().await.instances.iter().all(|it| it.state == InstanceState::Stopped));
    for app in [&beacon, &lantern] {
        assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 2, "a restore is no deployment");
        assert!(app.api.ghosts(&app.name).await.unwrap().is_empty(), "a reboot says nothing about a version");
    }
    for instance in beacon.ready().await {
        assert!(is_limited_to(pid(&instance), 300_000_000), "{instance:?}");
    }
    leave(host);
}

/// Looks whether the deployment that the power went in ends right, and begins the next one for it to go in.
#[tokio::test]
async fn a_deployment_in_which_the_power_went_ends_right() {
    let Some(host) = host().await else { return };
    host.start_daemon().await;
    let app = host.app("beacon", &migrating(&host, "watch_window = '500 ms'", ""));
    match newest(&app).await {
        Some(cut) => ended_right(&app, cut.id).await,
        None => drop(app.deploy(VERSIONS[0].0, Phase::Committed).await),
    }
    let state = app.state().await;
    let serving = state.version.as_deref();
    let next = VERSIONS.iter().find(|(_, version)| Some(*version) != serving).unwrap();
    let begin = Instant::now();
    let id = app.try_deploy(next.0).await.unwrap().deployment.unwrap();
    tell(&format!("deployment {id} begins"));
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    tell(&format!("deployment {id} took ms={}", begin.elapsed().as_millis()));
    leave(host);
}

/// What is deployed in turns.
const VERSIONS: [(&str, &str); 2] = [("beacon-base", "1.0.0"), ("beacon-module-changed", "1.1.0")];

async fn newest(app: &TestApp<'_>) -> Option<Deployment> {
    let listed = app.api.deployments(&app.name).await.unwrap_or_default();
    listed.into_iter().max_by_key(|deployment| deployment.id)
}

/// It is over, one version serves, whole and in both places, and there is nothing else.
async fn ended_right(app: &TestApp<'_>, id: u64) {
    let ended = over(app, id).await.deployment;
    let deployments = app.api.deployments(&app.name).await.unwrap();
    let committed = deployments.iter().filter(|it| it.phase == Phase::Committed).max_by_key(|it| it.id);
    let serves = committed.and_then(|it| it.to.clone()).unwrap();
    tell(&format!("after the power cut: deployment {id} is {}, v{serves} serves", ended.phase.word()));
    assert!(ended.phase == Phase::Committed || Some(&serves) == ended.from.as_ref(), "{ended:?}");
    left_over::settles(app, &serves, 2).await;
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty(), "it was not the version's fault");
    for (_, version) in VERSIONS {
        let begun = deployments.iter().filter(|it| it.to.as_deref() == Some(version)).count();
        let migrated = migrations(app.host).iter().filter(|line| line.ends_with(version)).count();
        assert!(migrated <= begun, "{migrated} migrations to {version} in {begun} deployments");
    }
}
