//! The proxy as a part of the host: its end and return, its addresses, what is told of it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use api::deployment::Phase;
use api::routes::{ProxyState, RoutedState};
use rustix::process::Signal;
use testkit::load::{Crash, Crashed, Load, Plan, Report};
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, TestApp, processes, wait_for};

use super::journey::{Daemon, Journey};
use super::kinds::MIX;
use super::{answered_anew, plan};

#[tokio::test]
async fn in_a_temporary_shutdown_requests_are_held() {
    let host = TempHost::start().await;
    let mut journey = Journey::begin(&host, &MIX, "temporary_shutdown", Daemon::Stays).await;
    journey.deploys(0).await;
    journey.activates().await;
    journey.end().await;
}

pub(super) async fn proxy_pid(host: &TempHost) -> i32 {
    other_proxy_pid(host, 0).await
}

pub(super) async fn other_proxy_pid(host: &TempHost, than: i32) -> i32 {
    wait_for("the proxy serves", LONG, async || {
        let proxy = host.client().routes().await.ok()?.proxy;
        let pid = proxy.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid != than)?;
        (proxy.state == ProxyState::Serving).then_some(pid)
    })
    .await
}

#[tokio::test]
async fn a_killed_proxy_is_back_with_its_last_routes_without_the_daemon_too() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let first = proxy_pid(&host).await;
    let load = Load::start(plan(&host, &MIX)).unwrap();
    answered_anew(&load, &MIX).await;
    let mut crashes = Vec::new();
    let mut kill = |pid: i32| {
        let from = SystemTime::now();
        assert!(processes::signal(pid, host.root(), Signal::KILL));
        crashes.push(Crash::about(Crashed::Server, from, Duration::from_secs(2)));
    };
    kill(first);
    answered_anew(&load, &MIX).await;
    let second = other_proxy_pid(&host, first).await;
    host.kill_daemon();
    kill(second);
    answered_anew(&load, &MIX).await;
    host.start_daemon().await;
    let third = other_proxy_pid(&host, second).await;
    answered_anew(&load, &MIX).await;
    host.restart_daemon().await;
    assert_eq!(proxy_pid(&host).await, third, "a new daemon finds the proxy");
    let report = load.end().await.with_crashes(&crashes);
    assert_eq!(report.lost, 0, "only what was in flight in it: {report}");
}

async fn answers(address: SocketAddr) -> Option<reqwest::StatusCode> {
    reqwest::get(format!("http://{address}/health")).await.ok().map(|response| response.status())
}

#[tokio::test]
async fn another_address_is_taken_at_the_next_start_of_the_daemon() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    assert_eq!(answers(host.http()).await, Some(reqwest::StatusCode::OK));
    let other = SocketAddr::from(([127, 0, 0, 1], host.ports(1)));
    let config = host.path("etc/bellrock/config.toml");
    let text = fs_err::read_to_string(&config).unwrap();
    fs_err::write(&config, text.replace(&host.http().to_string(), &other.to_string())).unwrap();
    host.restart_daemon().await;
    wait_for("it serves at the new address", LONG, async || answers(other).await).await;
    assert_eq!(answers(other).await, Some(reqwest::StatusCode::OK));
    assert_eq!(answers(host.http()).await, None, "nobody listens there any more");
}

#[tokio::test]
async fn a_host_without_an_address_has_no_proxy() {
    let host = HostPlan { config: "[proxy]\nhttp = []".into(), ..HostPlan::default() }.start().await;
    let app = host.app("beacon", "strategy = 'parallel'");
    app.deploy("beacon-base", Phase::Committed).await;
    app.deploy("beacon-module-changed", Phase::Committed).await;
    assert_eq!(host.client().routes().await.unwrap().proxy.state, ProxyState::Off);
    let programs: Vec<_> = processes::below(host.root()).into_iter().map(|it| it.command_line).collect();
    assert!(!programs.iter().any(|it| it.contains("bellrock-proxy")), "{programs:?}");
}

#[tokio::test]
async fn routes_tell_what_is_served_where_and_status_what_was_counted() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "hosts = ['beacon.test']\npaths = ['/']");
    let silent = host.app("buoy", "proxy = false");
    app.deploy("beacon-base", Phase::Committed).await;
    silent.deploy("buoy-base", Phase::Committed).await;
    assert_eq!(answers(host.http()).await, Some(reqwest::StatusCode::SERVICE_UNAVAILABLE), "another host");
    let plan = Plan::new(host.http(), 50, Duration::from_secs(600));
    let load = Load::start(Plan { host: Some("beacon.test".into()), ..plan }).unwrap();
    let routes = wait_for("counted requests", LONG, async || {
        let routes = host.client().routes().await.ok()?;
        let counted = routes.routes.first()?.traffic.is_some_and(|it| it.requests_per_s > 0.0);
        counted.then_some(routes)
    })
    .await;
    assert_eq!(routes.proxy.listeners[0].address, host.http().to_string());
    assert_eq!(routes.routes.len(), 1, "buoy does without: {routes:#?}");
    let route = &routes.routes[0];
    assert_eq!(
        (route.app.as_str(), route.hosts.as_slice()),
        (app.name.as_str(), ["beacon.test".to_owned()].as_slice())
    );
    let states: Vec<_> = route.instances.iter().map(|it| (it.place, it.state)).collect();
    assert_eq!(states, [(1, RoutedState::Serving), (2, RoutedState::Serving)]);
    let traffic = app.state().await.traffic.unwrap();
    assert!(traffic.requests_per_s > 0.0 && traffic.p50_us.is_some(), "{traffic:?}");
    assert_eq!(silent.state().await.traffic, None);
    load.end().await.assert_nothing_lost();
}

/// The whole number of requests that a version answered.
fn answered_by(report: &Report, version: &str) -> u64 {
    report.versions.get(version).map_or(0, |it| it.answers)
}

#[tokio::test]
async fn only_the_new_version_is_asked_after_the_switch() {
    let host = TempHost::start().await;
    let app: TestApp<'_> = host.app("beacon", "strategy = 'parallel'");
    app.deploy("beacon-base", Phase::Committed).await;
    let first = Load::start(plan(&host, &MIX)).unwrap();
    answered_anew(&first, &MIX).await;
    app.deploy("beacon-module-changed", Phase::Watching).await;
    first.end().await.assert_nothing_lost();
    let second = Load::start(plan(&host, &MIX)).unwrap();
    answered_anew(&second, &MIX).await;
    let report = second.end().await;
    report.assert_nothing_lost();
    assert_eq!(answered_by(&report, "1.0.0"), 0, "{report}");
    assert!(answered_by(&report, "1.1.0") > 0, "{report}");
}

#[tokio::test]
async fn a_host_leads_to_one_app_and_who_takes_every_host_is_told() {
    let host = TempHost::start().await;
    let first = host.app("buoy", "replicas = 1\nmax = 1\nhosts = ['a.test']");
    first.deploy("buoy-base", Phase::Watching).await;
    let second = host.app("buoy", "replicas = 1\nmax = 1\nhosts = ['b.test', 'a.test']");
    let problem = second.try_deploy("buoy-base").await.unwrap_err().problem();
    assert_eq!((problem.slug(), problem.status), ("settings", 422));
    let expected = format!("\"a.test\" leads to \"{}\" already", first.name);
    assert!(problem.detail.contains(&expected), "{}", problem.detail);
    second.write_settings("replicas = 1\nmax = 1");
    let granted = second.try_deploy("buoy-base").await.unwrap();
    assert!(!granted.remarks.iter().any(|remark| remark.contains("takes every host")), "{granted:?}");
    let third = host.app("buoy", "replicas = 1\nmax = 1");
    let granted = third.try_deploy("buoy-base").await.unwrap();
    let expected = format!("\"{}\" takes every host and path already", second.name);
    assert!(granted.remarks.iter().any(|remark| remark.contains(&expected)), "{granted:?}");
}
