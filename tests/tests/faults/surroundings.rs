//! What the host has around it does not answer: the store hangs or is gone, a name cannot be resolved.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use api::change::SetMode;
use api::deployment::Phase;
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, TestApp, sample};

use super::{back, kill, left_over, pid};

/// A file system over a folder in which every look hangs, until this is dropped: nobody answers the kernel.
struct Hanging {
    at: PathBuf,
    _answers: OwnedFd,
}

impl Hanging {
    /// `Err`: not possible here, and why.
    fn over(at: PathBuf) -> Result<Self, String> {
        let device = fs_err::OpenOptions::new().read(true).write(true).open("/dev/fuse");
        let device = device.map_err(|error| error.to_string())?.into_parts().0;
        let mut mount = Command::new("mount");
        mount
            .args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0,allow_other", "hangs"])
            .arg(&at)
            .stdin(Stdio::from(device.try_clone().map_err(|error| error.to_string())?));
        let output = mount.output().map_err(|error| format!("mount: {error}"))?;
        if !output.status.success() {
            return Err(format!("mount: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(Hanging { at, _answers: device.into() })
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

/// What an app that follows a store of its own has.
fn following(store: &std::path::Path) -> String {
    format!("runtime = '/usr/lib/erlang'\nreplicas = 1\nstore = '{}'", store.display())
}

/// Puts a version into such a store, and has it named.
fn publish(store: &std::path::Path, app: &TestApp<'_>, name: &str) {
    let sample = sample(name);
    let (dist, versions) =
        (store.join("dist").join(&app.name), store.join("versions").join(&app.name).join("production"));
    fs_err::create_dir_all(&dist).unwrap();
    fs_err::create_dir_all(&versions).unwrap();
    fs_err::copy(&sample.path, dist.join(format!("{}-{}.tar.gz", app.name, sample.version))).unwrap();
    let current = format!(r#"{{"version": "{}", "hash": "{}"}}"#, sample.version, sample.sha256);
    fs_err::write(versions.join("new"), current).unwrap();
    fs_err::rename(versions.join("new"), versions.join("current.json")).unwrap();
}

async fn runs(app: &TestApp<'_>, version: &str) {
    let what = format!("{version} runs");
    app.wait_for(&what, |state| state.version.as_deref() == Some(version) && state.deployment.is_none())
        .await;
}

#[tokio::test]
async fn a_store_that_hangs_delays_nobody_but_who_follows_it() {
    let host = TempHost::start().await;
    let store = host.path("far");
    fs_err::create_dir(&store).unwrap();
    let hanging = match Hanging::over(store.clone()) {
        Ok(hanging) => hanging,
        Err(why) => {
            println!("not tested: no file system that hangs can be mounted here (only root may): {why}");
            return;
        }
    };
    let app = host.app("lantern", &following(&store));
    let other = host.app("lantern", "runtime = '/usr/lib/erlang'\nreplicas = 1");
    app.deploy("lantern-1", Phase::Committed).await;
    app.api.mode(&app.name, &SetMode::Automatic).await.unwrap();
    // The daemon answers, and says what is wrong; others follow their store; who follows this one is looked after.
    let doctor = host.bellrock(&["doctor"]).await.stdout;
    let said = |line: &str| line.contains(" store ") && line.contains("no answer within 10 s");
    assert!(doctor.lines().any(said), "{doctor}");
    other.publish_package("lantern-1");
    other.publish_version("lantern-1", &[]);
    testkit::wait_for("the other app is known", LONG, async || other.api.app(&other.name).await.ok()).await;
    runs(&other, "0.1.0").await;
    let before = app.instance(1).await;
    kill(&host, pid(&before));
    back(&app, 1, pid(&before)).await;
    app.deploy("lantern-2", Phase::Committed).await;
    app.api.mode(&app.name, &SetMode::Automatic).await.unwrap();
    // It ends and starts in order.
    assert_eq!(testkit::host::code(host.stop_daemon().await), 0, "{}", host.daemon_log());
    host.start_daemon().await;
    left_over::settles(&app, "0.2.0", 1).await;
    // The store answers again.
    drop(hanging);
    publish(&store, &app, "lantern-3");
    runs(&app, "0.3.0").await;
    // It is gone: what runs goes on, and it is said once.
    fs_err::rename(&store, host.path("away")).unwrap();
    publish(&host.path("away"), &app, "lantern-4");
    let gone = format!("the store {} is not there", store.display());
    let told = || host.daemon_log().lines().filter(|line| line.contains(&gone)).count();
    testkit::wait_for("it is told that the store is gone", LONG, async || (told() > 0).then_some(())).await;
    left_over::settles(&app, "0.3.0", 1).await;
    fs_err::rename(host.path("away"), &store).unwrap();
    runs(&app, "0.4.0").await;
    assert_eq!(told(), 1, "told once");
}

#[tokio::test]
async fn a_host_name_that_nobody_knows_keeps_nothing_from_running_and_is_told() {
    let config = "node_host = 'no-such-host.invalid'".to_owned();
    let host = HostPlan { config, ..HostPlan::default() }.start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
    assert_eq!(
        app.page(1).await["node"].as_str().and_then(|node| node.split('@').nth(1)),
        Some("no-such-host.invalid")
    );
    let doctor = host.bellrock(&["doctor"]).await.stdout;
    assert!(doctor.contains("no-such-host.invalid cannot be resolved"), "{doctor}");
    assert!(doctor.contains("/etc/hosts"), "it says what to do: {doctor}");
    left_over::settles(&app, "1.1.0", 1).await;
}
