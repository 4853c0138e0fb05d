//! Requests that wait because no instance is ready.

use std::time::{Duration, Instant, SystemTime};

use wire::proxy::BackendMode;

use crate::instance::Instance;
use crate::rig::{Rig, backend, eventually, nobody};

fn held(rig: &mut Rig) -> u64 {
    rig.daemon.report().routes[0].held
}

#[test]
fn until_somebody_is_there() {
    let mut rig = Rig::serving(&[]);
    rig.change(|route| route.hold_ms = 60_000);
    let mut clients: Vec<_> = (0..20).map(|_| rig.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        client.send(&format!("{method} / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"));
    }
    eventually("all are held", || held(&mut rig) == 20);
    let instance = Instance::named("late");
    rig.change(|route| route.backends = vec![backend(1, instance.address)]);
    for mut client in clients {
        assert_eq!(client.reply().text(), "late");
    }
    let report = &rig.daemon.report().routes[0];
    assert_eq!((report.held, report.held_total, report.held_in_vain), (0, 20, 0));
}

#[test]
fn until_somebody_listens_again() {
    let address = nobody();
    let mut rig = Rig::serving(&[address]);
    rig.change(|route| route.hold_ms = 60_000);
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
    eventually("it is held", || held(&mut rig) == 1);
    let _instance = Instance::at(address, |served, request| {
        let _ = served.read_body(&request);
        served.answer("back")
    });
    assert_eq!(client.reply().text(), "back");
}

#[test]
fn no_longer_than_is_allowed() {
    let mut rig = Rig::serving(&[]);
    rig.change(|route| route.hold_ms = 300);
    let begin = Instant::now();
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (503, "hold-timeout"));
    assert!(begin.elapsed().as_millis() >= 300);
    let report = &rig.daemon.report().routes[0];
    assert_eq!((report.held, report.held_total, report.held_in_vain, report.own_errors), (0, 1, 1, 1));
}

#[test]
fn not_too_many() {
    let mut rig = Rig::serving(&[]);
    rig.change(|route| {
        route.hold_ms = 60_000;
        route.limits.max_held = 2;
    });
    let mut clients: Vec<_> = (0..2).map(|_| rig.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    eventually("both are held", || held(&mut rig) == 2);
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (503, "held-too-many"));
    drop(clients.pop());
    eventually("one has gone", || held(&mut rig) == 1);
}

#[test]
fn not_at_all_where_that_is_wanted() {
    let rig = Rig::serving(&[]);
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error(), reply.header("retry-after")), (503, "no-instance", Some("1")));
}

#[test]
fn paused() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.change(|route| {
        route.hold_ms = 60_000;
        route.paused = true;
    });
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("it is held", || held(&mut rig) == 1);
    assert!(instance.requests().is_empty());
    rig.change(|route| route.paused = false);
    assert_eq!(client.reply().text(), "x");
}

#[test]
fn while_the_only_instance_drains() {
    let old = Instance::named("old");
    let mut rig = Rig::serving(&[old.address]);
    rig.change(|route| {
        route.hold_ms = 60_000;
        route.backends[0].mode = BackendMode::Draining;
    });
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("it is held", || held(&mut rig) == 1);
    let new = Instance::named("new");
    rig.change(|route| route.backends.push(backend(2, new.address)));
    assert_eq!(client.reply().text(), "new");
    assert!(old.requests().is_empty());
}

#[test]
fn a_route_that_is_taken_away_ends_it() {
    let mut rig = Rig::serving(&[]);
    rig.change(|route| route.hold_ms = 60_000);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("it is held", || held(&mut rig) == 1);
    rig.table.routes.clear();
    rig.apply();
    assert_eq!(client.reply().error(), "no-route");
}

#[test]
fn a_pause_ends_by_itself_without_the_daemon() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    let ends = SystemTime::now() + Duration::from_millis(700);
    rig.change(|route| {
        route.hold_ms = 60_000;
        route.paused = true;
        route.paused_until_ms = ends.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
    });
    let mut clients: Vec<_> = (0..8).map(|_| rig.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.reply().text(), "x");
    }
    assert!(SystemTime::now() >= ends, "held until then");
    assert_eq!(rig.client().get("/").text(), "x", "nobody is held any more");
    let report = &rig.daemon.report().routes[0];
    assert_eq!((report.held, report.held_in_vain, report.own_errors), (0, 0, 0));
}
