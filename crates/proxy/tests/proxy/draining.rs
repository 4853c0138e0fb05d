//! Instances that are to go: nothing new, what is in flight ends, and then that is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use wire::proxy::{Answer, BackendMode, BackendState, Drained};

use crate::gate::Gate;
use crate::instance::{Instance, Then};
use crate::rig::{Rig, backend, eventually};

/// Answers `/slow` with the first half of its body, and the second when the gate is open.
fn slow(name: &'static str, gate: &Gate) -> Instance {
    let gate = gate.clone();
    Instance::raw(move |served, request| {
        if request.path() == "/slow" {
            served.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
            gate.pass();
            served.send("def");
            return Then::Next;
        }
        served.answer(name)
    })
}

/// What is told of the next drain, but for the time that it took.
fn drained(rig: &mut Rig) -> Drained {
    match rig.daemon.news() {
        Answer::Drained(drained) => Drained { took_ms: 0, ..drained },
        other => panic!("{other:?}"),
    }
}

/// The table in which the first drains and the second serves.
fn switch(rig: &mut Rig, new: &Instance) {
    rig.change(|route| {
        route.backends[0].mode = BackendMode::Draining;
        route.backends.push(backend(2, new.address));
    });
}

#[test]
fn what_is_in_flight_ends_and_is_then_told_once() {
    let gate = Gate::default();
    let (old, new) = (slow("old", &gate), Instance::named("new"));
    let mut rig = Rig::serving(&[old.address]);
    rig.daemon.watch();
    let mut client = rig.client();
    client.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    switch(&mut rig, &new);
    let seen = old.requests().len();
    assert_eq!(rig.backend(1).state, BackendState::Draining);
    let mut others: Vec<_> = (0..8).map(|_| rig.client()).collect();
    for other in &mut others {
        (0..10).for_each(|_| assert_eq!(other.get("/").text(), "new"));
    }
    assert_eq!(old.requests().len(), seen, "nothing new after Applied");
    gate.open();
    assert_eq!(client.take(6), b"abcdef");
    assert_eq!(drained(&mut rig), Drained { app: "beacon".into(), instance: 1, ..Drained::default() });
    assert_eq!(rig.backend(1).state, BackendState::Drained);
    assert_eq!(client.get("/").text(), "new", "the client's connection moves on");
    rig.change(|route| drop(route.backends.remove(0)));
    assert_eq!(rig.backend(1).state, BackendState::Gone);
    rig.daemon.watch();
    let told = drained(&mut rig);
    assert_eq!(told.instance, 1, "told again to who begins to watch");
}

#[test]
fn one_that_leaves_the_table_at_once_drains_too() {
    let gate = Gate::default();
    let (old, new) = (slow("old", &gate), Instance::named("new"));
    let mut rig = Rig::serving(&[old.address]);
    rig.daemon.watch();
    let mut client = rig.client();
    client.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    rig.change(|route| route.backends = vec![backend(2, new.address)]);
    assert_eq!(rig.backend(1).state, BackendState::Gone);
    gate.open();
    assert_eq!(client.take(6), b"abcdef");
    assert_eq!(drained(&mut rig), Drained { app: "beacon".into(), instance: 1, ..Drained::default() });
}

#[test]
fn what_does_not_end_is_cut_at_the_deadline_and_counted() {
    let gate = Gate::default();
    let (old, new) = (slow("old", &gate), Instance::named("new"));
    let mut rig = Rig::serving(&[old.address]);
    rig.change(|route| route.drain_ms = 500);
    rig.daemon.watch();
    let mut clients: Vec<_> = (0..3).map(|_| rig.client()).collect();
    for client in &mut clients {
        client.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.head().status, 200);
    }
    let begin = Instant::now();
    switch(&mut rig, &new);
    assert_eq!(
        drained(&mut rig),
        Drained { app: "beacon".into(), instance: 1, cut: 3, ..Drained::default() }
    );
    assert!(begin.elapsed().as_millis() >= 500);
    for client in &mut clients {
        assert_eq!(client.rest(), b"abc", "visibly incomplete");
    }
    gate.open();
}

#[test]
fn one_that_is_called_back_goes_on() {
    let gate = Gate::default();
    let (old, new) = (slow("old", &gate), Instance::named("new"));
    let mut rig = Rig::serving(&[old.address]);
    rig.change(|route| route.drain_ms = 500);
    let mut client = rig.client();
    client.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    switch(&mut rig, &new);
    rig.change(|route| {
        route.backends[0].mode = BackendMode::Active;
        route.backends[1].mode = BackendMode::Draining;
    });
    thread::sleep(std::time::Duration::from_millis(800));
    gate.open();
    assert_eq!(client.take(6), b"abcdef", "it was not cut");
    assert_eq!(client.get("/").text(), "old");
}

#[test]
fn idle_connections_to_it_are_closed() {
    let ended = Gate::default();
    let old = Instance::raw({
        let ended = ended.clone();
        move |served, _| {
            served.answer("old");
            assert_eq!(served.client.line(), None);
            ended.open();
            Then::Close
        }
    });
    let new = Instance::named("new");
    let mut rig = Rig::serving(&[old.address]);
    let mut client = rig.client();
    assert_eq!(client.get("/").text(), "old");
    switch(&mut rig, &new);
    ended.pass();
    assert_eq!(client.get("/").text(), "new");
}

/// Clients that ask as fast as they can, each on one connection, until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn new(rig: &Rig, number: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..number).map(|number| {
            let (mut client, stop, answered) = (rig.client(), stop.clone(), answered.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let reply = if number % 2 == 0 { client.get("/") } else { client.post("/", "hello") };
                    assert_eq!(reply.status, 200, "{reply:?}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self { clients: clients.collect(), stop, answered }
    }

    fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("no request failed");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

#[test]
fn a_hundred_switches_under_load_lose_nothing() {
    let mut rig = Rig::serving(&[Instance::named("0").address]);
    rig.daemon.watch();
    let mut serving = Instance::named("x");
    rig.change(|route| route.backends = vec![backend(1000, serving.address)]);
    while !matches!(rig.daemon.news(), Answer::Drained(_)) {}
    let load = Load::new(&rig, 8);
    for number in 1001..1101 {
        let next = Instance::named("x");
        rig.change(|route| {
            route.backends[0].mode = BackendMode::Draining;
            route.backends.push(backend(number, next.address));
        });
        assert_eq!(drained(&mut rig).instance, number - 1);
        // the old one is stopped: it takes no connection, and those to it are at rest
        serving.close();
        serving = next;
        rig.change(|route| drop(route.backends.remove(0)));
        let before = load.answered.load(Ordering::Relaxed);
        eventually("the load goes on", || load.answered.load(Ordering::Relaxed) > before + 8);
    }
    assert!(load.finish() > 800);
    let report = rig.daemon.report();
    assert!(report.backends.iter().all(|backend| backend.counts.failed == 0), "not even behind the proxy");
}

#[test]
fn an_instance_that_restarts_in_its_place_loses_nothing_that_is_held() {
    let first = Instance::named("x");
    let mut rig = Rig::serving(&[first.address]);
    rig.change(|route| route.hold_ms = 60_000);
    let load = Load::new(&rig, 6);
    for run in 2..12 {
        rig.change(|route| route.paused = true);
        eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
        let next = Instance::named("x");
        rig.change(|route| {
            route.paused = false;
            route.backends[0].run = run;
            route.backends[0].address = next.address.to_string();
        });
        let before = load.answered.load(Ordering::Relaxed);
        eventually("the load goes on", || load.answered.load(Ordering::Relaxed) > before + 6);
        std::mem::forget(next);
    }
    assert!(load.finish() > 60);
}
