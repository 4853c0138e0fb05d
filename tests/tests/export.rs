//! Other proxies in front of an app's instances, kept up to date by Bellrock.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use api::deployment::Phase;
use rustix::process::{Pid, Signal, kill_process};
use testkit::load::{Kind, Load, Plan, Weights};
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, TestApp, wait_for};

/// One of the rivals, running on files of its own; it ends with this.
struct Rival {
    child: Child,
    address: SocketAddr,
}

impl Drop for Rival {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.child.id()).unwrap()) {
            // It ends its workers itself; it may have ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

impl Rival {
    async fn start(mut command: Command, address: SocketAddr) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run tools/setup.sh bench"));
        let rival = Rival { child, address };
        wait_for("the rival listens", LONG, async || tokio::net::TcpStream::connect(address).await.ok())
            .await;
        rival
    }

    async fn nginx(folder: &Path, app: &str, port: u16) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let folder_text = folder.display();
        let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let temps: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {folder_text}/{kind};\n"))
            .concat();
        let text = format!(
            "daemon off; {user} worker_processes 2; pid {folder_text}/nginx.pid; error_log {folder_text}/error.log;
            events {{}}
            http {{ access_log off; {temps} include {folder_text}/bellrock.conf;
                server {{ listen {address};
                    location / {{ proxy_pass http://bellrock_{app}; proxy_http_version 1.1; proxy_request_buffering off; }}
                }}
            }}"
        );
        fs_err::write(folder.join("nginx.conf"), text).unwrap();
        fs_err::write(
            folder.join("bellrock.conf"),
            format!("upstream bellrock_{app} {{ server 127.0.0.1:9 down; }}"),
        )
        .unwrap();
        let mut command = Command::new("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(folder.join("nginx.conf"));
        Rival::start(command, address).await
    }

    async fn haproxy(folder: &Path, app: &str, port: u16) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let text = format!(
            "global\n    nbthread 2\n    hard-stop-after 60s\n    stats socket {0}/stats mode 600 expose-fd listeners\n\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\
             frontend front\n    bind {address}\n    default_backend bellrock_{app}\n",
            folder.display()
        );
        fs_err::write(folder.join("haproxy.cfg"), text).unwrap();
        fs_err::write(folder.join("bellrock.cfg"), format!("backend bellrock_{app}\n")).unwrap();
        let mut command = Command::new("/usr/sbin/haproxy");
        command.args(["-W", "-db", "-p"]).arg(folder.join("pid"));
        command.arg("-f").arg(folder.join("haproxy.cfg")).arg("-f").arg(folder.join("bellrock.cfg"));
        Rival::start(command, address).await
    }
}

/// A load of whole requests, each on a connection of its own: a reload of theirs closes kept ones under their clients.
fn load(rival: &Rival) -> Load {
    let plan = Plan::new(rival.address, 60, Duration::from_secs(600));
    let weights = Weights { new_connection: 80, upload: 10, stream: 10, ..Weights::none() };
    let plan = Plan { app: Some("beacon".to_owned()), weights, sse_clients: 0, web_sockets: 0, ..plan };
    Load::start(plan).unwrap()
}

async fn answered_anew(load: &Load) {
    let count = |kind| load.report().kinds.get(&kind).map_or(0, |each| each.answered);
    let kinds = [Kind::NewConnection, Kind::Upload, Kind::Stream];
    let before = kinds.map(count);
    wait_for("an answer of every kind", LONG, async || {
        kinds.map(count).iter().zip(before).all(|(now, before)| *now > before).then_some(())
    })
    .await;
}

/// A host without a proxy of its own that tells a rival.
async fn host(name: &str, reload: &str) -> (TempHost, PathBuf) {
    let folder = tempfile::Builder::new().prefix("br-rival-").tempdir_in("/tmp").unwrap().keep();
    let reload = reload.replace("DIR", &folder.display().to_string());
    let ending = if name == "haproxy" { "cfg" } else { "conf" };
    let config = format!(
        "[proxy]\nhttp = []\n[export]\ndrain = '3 s'\n[export.{name}]\nfile = '{}/bellrock.{ending}'\nreload = {reload}",
        folder.display()
    );
    (HostPlan { config, ..HostPlan::default() }.start().await, folder)
}

async fn back_and_forth(app: &TestApp<'_>, rival: &Rival) {
    app.deploy("beacon-base", Phase::Committed).await;
    let load = load(rival);
    for strategy in ["rolling", "parallel"] {
        app.write_settings(&format!("strategy = '{strategy}'"));
        answered_anew(&load).await;
        let (package, version) = if strategy == "rolling" {
            ("beacon-module-changed", "1.1.0")
        } else {
            ("beacon-module-added", "1.2.0")
        };
        let there = app.deploy(package, Phase::Committed).await.deployment;
        assert_eq!((there.strategy.as_str(), there.to.as_deref()), (strategy, Some(version)));
    }
    answered_anew(&load).await;
    let report = load.end().await;
    report.assert_nothing_lost();
    assert!(report.versions.contains_key("1.0.0") && report.versions.contains_key("1.2.0"), "{report}");
}

#[tokio::test]
async fn nginx_loses_no_request_while_versions_come_and_go() {
    let (host, folder) = host(
        "nginx",
        "['/usr/sbin/nginx', '-p', 'DIR', '-e', 'DIR/error.log', '-c', 'DIR/nginx.conf', '-s', 'reload']",
    )
    .await;
    let app = host.app("beacon", "");
    let rival = Rival::nginx(&folder, &app.name, host.ports(1)).await;
    back_and_forth(&app, &rival).await;
    drop(rival);
    fs_err::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn haproxy_loses_no_request_while_versions_come_and_go() {
    let (host, folder) = host("haproxy", "['sh', '-c', 'kill -USR2 $(cat DIR/pid)']").await;
    let app = host.app("beacon", "");
    let rival = Rival::haproxy(&folder, &app.name, host.ports(1)).await;
    back_and_forth(&app, &rival).await;
    let ran = host.bellrock(&["export", "haproxy", &app.name]).await;
    let ports: Vec<u16> = app.ready().await.iter().map(|it| it.port).collect();
    assert_eq!(
        ports.iter().filter(|port| ran.stdout.contains(&format!("127.0.0.1:{port}\n"))).count(),
        2,
        "{ran:?}"
    );
    drop(rival);
    fs_err::remove_dir_all(folder).unwrap();
}

/// `runsv` with a service; both end with this.
struct Runsv(Child);

impl Drop for Runsv {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(i32::try_from(self.0.id()).unwrap()) {
            // It ends its service and then itself; it may have ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn runit_keeps_bellrock_running_and_ends_the_apps_with_the_host_alone() {
    let host = HostPlan::default().make().await;
    let services = host.path("service");
    let ran = host.bellrock(&["export", "runit", "--into", services.to_str().unwrap()]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let service = services.join("bellrockd");
    // Says what the host's runlevel is, in place of the host's own.
    let programs = host.path("programs");
    fs_err::create_dir_all(&programs).unwrap();
    let mut command = Command::new("runsv");
    let path = format!("{}:/usr/bin:/bin", programs.display());
    command.arg(&service).env_clear().env("PATH", path).stdin(Stdio::null());
    let log = fs_err::File::create(host.path("daemon.log")).unwrap().into_parts().0;
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let _runsv =
        Runsv(command.spawn().unwrap_or_else(|error| panic!("runsv: {error}; run tools/setup.sh bench")));
    let sv = |arguments: &[&str]| {
        let sv = Command::new("sv").args(arguments).arg(&service).output().unwrap();
        assert!(sv.status.success(), "{sv:?}");
    };
    let runlevel = |level: &str| {
        let program = programs.join("runlevel");
        fs_err::write(&program, format!("#!/bin/sh\necho N {level}\n")).unwrap();
        fs_err::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    runlevel("2");
    host.wait_until_ready().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let (before, pids) = (host.client().daemon().await.unwrap().pid, app.pids().await);
    sv(&["restart"]);
    wait_for("another daemon", LONG, async || {
        host.client().daemon().await.ok().filter(|daemon| daemon.pid != before)
    })
    .await;
    assert_eq!(app.wait_for("it was found again", |app| app.ready == 1).await.ready, 1);
    assert_eq!(app.pids().await, pids, "the app was not touched");
    let port = app.instance(1).await.port;
    sv(&["-w", "60", "down"]);
    let answer = testkit::app::get(port, "/health").await;
    assert!(answer.is_ok_and(|(status, _)| status.is_success()), "it outlives the daemon");
    sv(&["-w", "60", "up"]);
    host.wait_until_ready().await;
    runlevel("0");
    sv(&["-w", "60", "down"]);
    wait_for("the app ends with the host", LONG, async || {
        testkit::app::get(port, "/health").await.is_err().then_some(())
    })
    .await;
    assert!(!testkit::processes::is_alive(i32::try_from(pids[0]).unwrap()));
}
