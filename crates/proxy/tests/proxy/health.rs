//! The proxy's own checks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use wire::proxy::{Answer, BackendState, Health, HealthCheck};

use crate::instance::Instance;
use crate::rig::{Rig, eventually, nobody};

/// An instance whose checks are answered with what `status` holds; other requests with its name.
struct Checked {
    instance: Instance,
    status: Arc<AtomicU16>,
    checks: Arc<AtomicUsize>,
}

fn checked(name: &'static str) -> Checked {
    let status = Arc::new(AtomicU16::new(200));
    let checks = Arc::new(AtomicUsize::new(0));
    let instance = Instance::raw({
        let (status, checks) = (status.clone(), checks.clone());
        move |served, request| {
            if request.path() != "/health" {
                return served.answer(name);
            }
            checks.fetch_add(1, Ordering::SeqCst);
            let status = status.load(Ordering::SeqCst);
            served.send(&format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n"));
            crate::instance::Then::Next
        }
    });
    Checked { instance, status, checks }
}

fn check() -> HealthCheck {
    HealthCheck { path: "/health".into(), interval_ms: 20, timeout_ms: 5_000, failures: 3, successes: 2 }
}

fn serving(checked: &[&Checked]) -> Rig {
    let addresses: Vec<_> = checked.iter().map(|checked| checked.instance.address).collect();
    let mut rig = Rig::serving(&addresses);
    rig.change(|route| route.health = Some(check()));
    rig
}

fn state(rig: &mut Rig, instance: u64) -> BackendState {
    rig.backend(instance).state
}

#[test]
fn down_after_failures_up_after_successes() {
    let (a, b) = (checked("a"), checked("b"));
    let mut rig = serving(&[&a, &b]);
    rig.daemon.watch();
    a.status.store(500, Ordering::SeqCst);
    let told = |rig: &mut Rig| match rig.daemon.news() {
        Answer::Health(health) => health,
        other => panic!("{other:?}"),
    };
    let reason = "it answered its check with 500 Internal Server Error".to_owned();
    assert_eq!(
        told(&mut rig),
        Health { app: "beacon".into(), instance: 1, up: false, reason: reason.clone() }
    );
    assert_eq!(rig.backend(1).reason, reason);
    let mut client = rig.client();
    (0..10).for_each(|_| assert_eq!(client.get("/").text(), "b"));
    a.status.store(204, Ordering::SeqCst);
    let up = Health { app: "beacon".into(), instance: 1, up: true, reason: String::new() };
    assert_eq!(told(&mut rig), up);
    assert_eq!(state(&mut rig, 1), BackendState::Serving);
    let names: Vec<String> = (0..10).map(|_| client.get("/").text().to_owned()).collect();
    assert!(names.iter().any(|name| name == "a"), "it gets traffic again");
}

#[test]
fn one_bad_answer_between_good_ones_is_nothing() {
    let a = checked("a");
    let mut rig = serving(&[&a]);
    rig.change(|route| route.health = Some(HealthCheck { failures: 2, ..check() }));
    for _ in 0..5 {
        let before = a.checks.load(Ordering::SeqCst);
        eventually("a good one", || a.checks.load(Ordering::SeqCst) > before + 1);
        assert_eq!(state(&mut rig, 1), BackendState::Serving);
    }
}

#[test]
fn a_new_run_begins_without_a_record() {
    let (a, b) = (checked("a"), checked("b"));
    let mut rig = serving(&[&a, &b]);
    a.status.store(500, Ordering::SeqCst);
    eventually("it is down", || state(&mut rig, 1) == BackendState::Down);
    rig.change(|route| {
        route.health = Some(HealthCheck { interval_ms: 60_000, failures: 3, ..check() });
        route.backends[0].run = 2;
    });
    assert_eq!(state(&mut rig, 1), BackendState::Serving);
}

#[test]
fn if_all_fail_traffic_goes_on_to_all() {
    let (a, b) = (checked("a"), checked("b"));
    let mut rig = serving(&[&a, &b]);
    a.status.store(500, Ordering::SeqCst);
    b.status.store(500, Ordering::SeqCst);
    eventually("both are down", || (1..=2).all(|instance| state(&mut rig, instance) == BackendState::Down));
    let mut client = rig.client();
    (0..10).for_each(|_| assert_eq!(client.get("/").status, 200));
    assert!(rig.daemon.report().routes[0].panic, "and it is told");
    a.status.store(200, Ordering::SeqCst);
    eventually("one is up", || state(&mut rig, 1) == BackendState::Serving);
    (0..10).for_each(|_| assert_eq!(client.get("/").text(), "a"));
    assert!(!rig.daemon.report().routes[0].panic);
}

#[test]
fn where_nobody_listens_it_is_down_at_once_and_up_soon() {
    let address = nobody();
    let b = checked("b");
    let mut rig = Rig::serving(&[address, b.instance.address]);
    rig.daemon.watch();
    // without a check of its own, requests find out
    let mut client = rig.client();
    (0..4).for_each(|_| assert_eq!(client.get("/").text(), "b"));
    assert_eq!(state(&mut rig, 1), BackendState::Down);
    assert!(matches!(rig.daemon.news(), Answer::Health(Health { instance: 1, up: false, .. })));
    let _a = Instance::at(address, |served, _| served.answer("a"));
    assert!(matches!(rig.daemon.news(), Answer::Health(Health { instance: 1, up: true, .. })));
    let names: Vec<String> = (0..4).map(|_| client.get("/").text().to_owned()).collect();
    assert!(names.iter().any(|name| name == "a"));
}

#[test]
fn checks_may_go_to_another_port() {
    let (served, health) = (Instance::named("x"), checked("y"));
    let mut rig = Rig::serving(&[served.address]);
    rig.change(|route| {
        route.health = Some(check());
        route.backends[0].health_port = Some(health.instance.address.port());
    });
    eventually("it is checked there", || health.checks.load(Ordering::SeqCst) > 2);
    assert!(served.requests().is_empty());
    assert_eq!(state(&mut rig, 1), BackendState::Serving);
}

#[test]
fn a_connection_is_enough_where_no_path_is_given() {
    let a = Instance::named("a");
    let mut rig = Rig::serving(&[a.address]);
    rig.change(|route| {
        route.health = Some(HealthCheck { path: String::new(), failures: 1, successes: 1, ..check() })
    });
    eventually("it is checked", || a.connections() > 2);
    assert_eq!(state(&mut rig, 1), BackendState::Serving);
    a.close();
    eventually("it is down", || state(&mut rig, 1) == BackendState::Down);
}

#[test]
fn who_begins_to_watch_is_told_what_is_down() {
    let a = checked("a");
    let mut rig = serving(&[&a]);
    a.status.store(503, Ordering::SeqCst);
    eventually("it is down", || state(&mut rig, 1) == BackendState::Down);
    rig.daemon.watch();
    assert!(matches!(rig.daemon.news(), Answer::Health(Health { instance: 1, up: false, .. })));
}

#[test]
fn an_instance_that_does_not_answer_its_check_is_down() {
    let stuck = Instance::raw(|served, request| {
        if request.path() == "/health" {
            // until the proxy gives up
            let _ = served.client.rest();
        }
        served.answer("x")
    });
    let mut rig = Rig::serving(&[stuck.address]);
    rig.change(|route| route.health = Some(HealthCheck { timeout_ms: 100, failures: 1, ..check() }));
    eventually("it is down", || state(&mut rig, 1) == BackendState::Down);
    assert_eq!(rig.backend(1).reason, "it did not answer its check within 100 ms");
}
