//! The daemon itself: one per root, its journal, its restarts, long roots.

use std::os::unix::fs::MetadataExt;

use api::app::AppState;
use api::deployment::Phase;
use rustix::process::{Pid, Signal, kill_process};
use testkit::host::code;
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, processes, wait_for};

#[tokio::test]
async fn a_second_daemon_on_one_root_is_refused() {
    let host = TempHost::start().await;
    let mut second = host.daemon_command();
    let status = tokio::task::spawn_blocking(move || second.status().unwrap()).await.unwrap();
    assert_eq!(code(status), 1);
    let pid = host.client().daemon().await.unwrap().pid;
    assert_eq!(pid, host.daemon_pid(), "the first one still has its socket");
    assert!(host.daemon_log().contains(&format!("pid {pid}")), "it says who: {}", host.daemon_log());
}

#[tokio::test]
async fn a_journal_of_a_newer_schema_is_refused() {
    let host = TempHost::start().await;
    assert_eq!(code(host.stop_daemon().await), 0);
    let database = host.path("var/lib/bellrock/state.db");
    let connection = rusqlite::Connection::open(&database).unwrap();
    connection.pragma_update(None, "user_version", 4711).unwrap();
    drop(connection);
    host.spawn_daemon();
    assert_eq!(code(host.daemon_ends().await), 1);
    let log = host.daemon_log();
    assert!(log.contains("4711") && log.contains("newer"), "{log}");
}

#[tokio::test]
async fn apps_outlive_the_daemon_and_are_found_again() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.pids().await;
    assert_eq!(code(host.stop_daemon().await), 0);
    let (status, _) = testkit::app::get(app.port, "/").await.unwrap();
    assert_eq!(status, 200, "nobody needs the daemon to be served");
    host.start_daemon().await;
    let state = app.wait_for("both are found", |state| state.ready == 2).await;
    assert_eq!((state.state, app.pids().await), (AppState::Ready, before.clone()));
    host.restart_daemon().await;
    app.wait_for("both are found", |state| state.ready == 2).await;
    assert_eq!(app.pids().await, before);
    assert!(app.api.exits(&app.name).await.unwrap().is_empty());
    app.deploy("beacon-module-changed", Phase::Committed).await;
}

#[tokio::test]
async fn a_root_of_two_hundred_bytes() {
    let folder = format!("{}/{}", "long".repeat(25), "path".repeat(20));
    let host = HostPlan { folder: Some(folder), ..HostPlan::default() }.start().await;
    assert!(host.root().as_os_str().len() >= 200);
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    host.restart_daemon().await;
    app.wait_for("it is found", |state| state.ready == 1).await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
    let ran = host.bellrock(&["status", &app.name]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// A network of its own, in which nobody listens.
struct Network(String);

impl Network {
    fn new() -> Self {
        let network = Network(format!("bellrock-test-{}", std::process::id()));
        ip(&["netns", "add", &network.0]);
        ip(&["-n", &network.0, "link", "set", "lo", "up"]);
        network
    }

    /// What runs a command in it.
    fn wrapper(&self) -> Vec<String> {
        vec!["nsenter".into(), format!("--net=/var/run/netns/{}", self.0)]
    }

    /// The process of that name in it.
    fn process(&self, name: &str) -> Option<i32> {
        let own = fs_err::metadata(format!("/var/run/netns/{}", self.0)).unwrap().ino();
        let is_here = |pid: &i32| {
            let network = fs_err::metadata(format!("/proc/{pid}/ns/net")).ok();
            let is_named =
                fs_err::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|it| it.trim() == name);
            is_named && network.is_some_and(|it| it.ino() == own) && processes::is_alive(*pid)
        };
        let names = fs_err::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
        names.filter_map(|name| name.to_str()?.parse().ok()).find(is_here)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.0]);
    }
}

/// The process that a process is a child of.
fn parent(pid: i32) -> Option<i32> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn ip(arguments: &[&str]) {
    let status = std::process::Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}

#[tokio::test]
async fn epmd_is_ours_where_there_is_none_and_has_a_shim_of_its_own() {
    if !rustix::process::geteuid().is_root() {
        return; // Only root can make a network.
    }
    let network = Network::new();
    let host = HostPlan { wrapper: network.wrapper(), ..HostPlan::default() }.start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let epmd = || network.process("epmd");
    let before = epmd().expect("an epmd of this host runs");
    let mut shims = processes::below(host.root());
    shims.retain(|process| Some(process.pid) == parent(before));
    assert!(shims.len() == 1 && shims[0].command_line.contains("bellrock-shim"), "{shims:?}");
    host.restart_daemon().await;
    app.wait_for("the app is found", |state| state.ready == 1).await;
    assert_eq!(epmd(), Some(before), "it outlives the daemon");
    kill_process(Pid::from_raw(before).unwrap(), Signal::KILL).unwrap();
    wait_for("its shim starts another", LONG, async || epmd().filter(|now| *now != before)).await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
}
