//! Daemon and proxy run out of descriptors.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use api::deployment::Phase;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use testkit::app::get;
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, wait_for};
use tokio::task::JoinSet;

use super::{SOON, exits, kill, left_over, pid};

/// The most files that a process may open, from now on.
fn limit(pid: u32, files: Option<u64>) {
    let pid = Pid::from_raw(pid.try_into().unwrap());
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    prlimit(pid, Resource::Nofile, Rlimit { current: files.or(maximum), maximum }).unwrap();
}

/// The lowest descriptor that a process does not use: the next one that it would get.
fn next_descriptor(pid: u32) -> u64 {
    let entries =
        fs_err::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|entry| entry.unwrap().file_name());
    let used: BTreeSet<u64> = entries.map(|name| name.to_str().unwrap().parse().unwrap()).collect();
    (0..).find(|number| !used.contains(number)).unwrap()
}

/// What the process on an instance's port says of itself.
async fn process_at(port: u16) -> Option<String> {
    let (_, body) = get(port, "/").await.ok()?;
    let page: serde_json::Value = serde_json::from_str(&body).ok()?;
    Some(page["pid"].to_string())
}

#[tokio::test]
async fn a_daemon_without_descriptors_keeps_nobody_from_serving_and_goes_on_when_it_has_some() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.instance(1).await;
    let old = process_at(before.port).await;
    wait_for("it takes no more connections", SOON, async || {
        // Until none of those that it has is one that it gives back at once.
        limit(host.daemon_pid(), Some(next_descriptor(host.daemon_pid())));
        let asked = tokio::time::timeout(Duration::from_millis(500), app.api.daemon()).await;
        (!matches!(asked, Ok(Ok(_)))).then_some(())
    })
    .await;
    // Its shim needs nobody to start it again, nor the proxy to know of it.
    kill(&host, pid(&before));
    wait_for("it runs again", LONG, async || {
        process_at(before.port).await.filter(|now| Some(now) != old.as_ref())
    })
    .await;
    for _ in 0..20 {
        let answer = reqwest::get(format!("http://{}/health", host.http())).await.unwrap();
        assert_eq!(answer.status(), reqwest::StatusCode::OK);
    }
    limit(host.daemon_pid(), None);
    super::back(&app, 1, pid(&before)).await;
    assert_eq!(exits(&app).await.len(), 1, "what happened meanwhile is known");
    let log = host.daemon_log();
    let told = log.lines().filter(|line| line.contains("could not accept an API connection")).count();
    // Once for each time that it ran out: a node's connection that ends gives it one for a moment.
    assert!((1..=3).contains(&told), "told {told} times: {log}");
    app.deploy("beacon-module-changed", Phase::Committed).await;
    left_over::settles(&app, "1.1.0", 2).await;
}

/// Far fewer than clients come: each connection needs one, and another to an instance.
const FEW: &str = "--nofile=256:256";

/// A client that says what it wants as soon as it is connected: who is silent for a second makes room for others.
fn asks(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONG * 2))?;
    stream.write_all(b"GET /slow?ms=500 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[tokio::test]
async fn a_proxy_with_few_descriptors_lets_clients_wait_and_answers_all() {
    let wrapper = vec!["/usr/bin/prlimit".to_owned(), FEW.to_owned()];
    let host = HostPlan { wrapper, ..HostPlan::default() }.start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let address = host.http();
    let mut clients = JoinSet::new();
    for _ in 0..300 {
        clients.spawn_blocking(move || asks(address));
    }
    let answers = clients.join_all().await;
    let lost: Vec<_> =
        answers.iter().filter(|it| !matches!(it, Ok(text) if text.starts_with("HTTP/1.1 200 "))).collect();
    assert!(lost.is_empty(), "{} of {}: {:?}", lost.len(), answers.len(), lost.first());
    let doctor = host.bellrock(&["doctor"]).await.stdout;
    assert!(
        doctor.contains("a process may open 256 files at most") && doctor.contains("LimitNOFILE="),
        "{doctor}"
    );
    let told = fs_err::read_to_string(host.path("var/log/bellrock/bellrock-proxy-stdout.log")).unwrap();
    assert!(
        told.contains("at most 128 connections at a time instead of proxy.max_connections = 20000"),
        "{told}"
    );
    left_over::settles(&app, "1.0.0", 2).await;
}
