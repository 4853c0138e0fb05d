//! Bellrock's own programs are replaced by newer ones while apps run and requests come.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use api::deployment::Phase;
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::load::Load;
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, TestApp, processes, programs, wait_for};

use super::kinds::MIX;
use super::proxy::{other_proxy_pid, proxy_pid};
use super::{answered_anew, plan};

/// Programs of one host alone, which can be replaced; the daemon finds the others beside itself.
struct Installed {
    folder: TempDir,
}

/// The version of this build, and one of the same length that a replaced daemon tells.
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Installed {
    fn new() -> Self {
        let folder = TempDir::with_prefix_in("br-programs-", "/tmp").unwrap();
        let installed = Installed { folder };
        ["bellrockd", "bellrock-proxy", "bellrock-shim"].iter().for_each(|name| installed.replace(name));
        installed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another file in the program's place, as a package manager puts it there.
    fn replace(&self, name: &str) {
        self.put(name, &fs_err::read(programs::program(name)).unwrap());
    }

    /// A program that tells another version; returns that.
    fn replace_by_newer(&self, name: &str) -> String {
        let newer = VERSION.replace(|digit: char| digit.is_ascii_digit(), "9");
        let mut program = fs_err::read(programs::program(name)).unwrap();
        let mut places = 0;
        for place in 0..program.len() - VERSION.len() {
            if &program[place..place + VERSION.len()] == VERSION.as_bytes() {
                program[place..place + VERSION.len()].copy_from_slice(newer.as_bytes());
                places += 1;
            }
        }
        assert!(places > 0, "{name} has its version in it");
        self.put(name, &program);
        newer
    }

    fn put(&self, name: &str, program: &[u8]) {
        let new = self.path("new");
        fs_err::write(&new, program).unwrap();
        fs_err::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        fs_err::rename(&new, self.path(name)).unwrap();
    }

    /// A host whose daemon is this one, whatever the tests would start.
    async fn host(&self) -> TempHost {
        let script = format!("shift; exec {} \"$@\"", self.path("bellrockd").display());
        let wrapper = vec!["/bin/sh".to_owned(), "-c".to_owned(), script, "installed".to_owned()];
        HostPlan { wrapper, ..HostPlan::default() }.start().await
    }

    /// The shims of a host that run another file than the installed one.
    fn outdated_shims(&self, host: &TempHost) -> usize {
        let installed = fs_err::metadata(self.path("bellrock-shim")).unwrap();
        let below = processes::below(host.root());
        let of_shims = below.iter().filter(|it| it.command_line.contains("bellrock-shim "));
        let exe = of_shims.filter_map(|it| fs_err::metadata(format!("/proc/{}/exe", it.pid)).ok());
        exe.filter(|exe| (exe.dev(), exe.ino()) != (installed.dev(), installed.ino())).count()
    }
}

/// Waits until the proxy that was replaced has ended by itself, with its shim.
async fn has_left(host: &TempHost, pid: i32) {
    wait_for("the proxy that was replaced has left", LONG, async || {
        let left = !processes::below(host.root()).iter().any(|process| process.pid == pid);
        (left && proxies(host.root()) == 1).then_some(())
    })
    .await;
}

/// Shims of proxies that are there.
fn proxies(root: &Path) -> usize {
    let folders = fs_err::read_dir(root.join("run/bellrock/shims")).unwrap();
    let names = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name == "proxy" || name.starts_with("proxy.")).count()
}

#[tokio::test]
async fn a_new_proxy_takes_over_under_load_and_nothing_is_lost() {
    let installed = Installed::new();
    let host = installed.host().await;
    let app: TestApp<'_> = host.app("beacon", "strategy = 'parallel'");
    app.deploy("beacon-base", Phase::Committed).await;
    let first = proxy_pid(&host).await;
    let load = Load::start(plan(&host, &MIX)).unwrap();
    answered_anew(&load, &MIX).await;
    installed.replace("bellrock-proxy");
    host.restart_daemon().await;
    let second = other_proxy_pid(&host, first).await;
    answered_anew(&load, &MIX).await;
    has_left(&host, first).await;
    // And in the middle of a deployment: what is in flight in the old proxy keeps the old instances.
    let granted = app.try_deploy("beacon-module-changed").await.unwrap();
    app.wait_for("an instance on its way", |app| {
        app.instances.iter().any(|it| it.state == api::app::InstanceState::Starting)
    })
    .await;
    installed.replace("bellrock-proxy");
    host.restart_daemon().await;
    other_proxy_pid(&host, second).await;
    app.ends(granted, Phase::Committed).await;
    answered_anew(&load, &MIX).await;
    has_left(&host, second).await;
    let report = load.end().await;
    report.assert_nothing_lost();
    let versions: Vec<&str> = report.versions.keys().map(String::as_str).collect();
    assert_eq!(versions, ["1.0.0", "1.1.0"], "{report}");
}

#[tokio::test]
async fn all_programs_are_replaced_in_a_watch_window_and_the_apps_do_not_notice() {
    let installed = Installed::new();
    let host = installed.host().await;
    let app = host.app("beacon", "strategy = 'parallel'\nwatch_window = '20 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    let load = Load::start(plan(&host, &MIX)).unwrap();
    answered_anew(&load, &MIX).await;
    let watched = app.deploy("beacon-module-changed", Phase::Watching).await.deployment;
    let (pids, first) = (app.pids().await, proxy_pid(&host).await);
    assert_eq!(installed.outdated_shims(&host), 0);
    let version = installed.replace_by_newer("bellrockd");
    ["bellrock-shim", "bellrock-proxy"].iter().for_each(|name| installed.replace(name));
    assert!(installed.outdated_shims(&host) >= 3, "two instances' and the proxy's");
    host.restart_daemon().await;
    assert_eq!(host.client().daemon().await.unwrap().version, version);
    wait_for("every shim goes on as the installed one", LONG, async || {
        (installed.outdated_shims(&host) == 0).then_some(())
    })
    .await;
    other_proxy_pid(&host, first).await;
    wait_for("the deployment under watch is committed", LONG, async || {
        let phase = app.api.deployment(watched.id).await.ok()?.deployment.phase;
        assert!(matches!(phase, Phase::Watching | Phase::Committed), "{phase:?}");
        (phase == Phase::Committed).then_some(())
    })
    .await;
    answered_anew(&load, &MIX).await;
    assert_eq!(app.pids().await, pids, "the same processes");
    load.end().await.assert_nothing_lost();
    // What the renewed shims do is noticed as before: a crash, a stop.
    let crashed = app.instance(1).await.pid.unwrap();
    assert!(processes::signal(crashed.try_into().unwrap(), host.root(), Signal::KILL));
    app.wait_for("it is back", |app| app.instances.iter().all(|it| it.pid.is_some_and(|pid| pid != crashed)))
        .await;
    app.deploy("beacon-module-added", Phase::Committed).await;
}
