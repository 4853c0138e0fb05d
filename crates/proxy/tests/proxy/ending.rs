//! A proxy that ends while another one serves the same sockets: no request is lost with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::gate::Gate;
use crate::instance::{Instance, Then};
use crate::rig::{DEADLINE, Rig, eventually};

const SLOW: &str = "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n";
/// A client gives up a connection that it has not used for so long, as good clients do.
const CLIENT_IDLE: Duration = Duration::from_millis(300);

/// Answers `/slow` with the first half of its body, and the second when the gate is open.
fn slow(gate: &Gate) -> Instance {
    let gate = gate.clone();
    Instance::raw(move |served, request| {
        if request.path() == "/slow" {
            served.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
            gate.pass();
            served.send("def");
            return Then::Next;
        }
        served.answer("whole")
    })
}

#[test]
fn what_is_under_way_ends_and_the_answer_after_it_says_that_it_is_the_last() {
    let gate = Gate::default();
    let instance = slow(&gate);
    let mut rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send(SLOW);
    let head = client.head();
    assert_eq!((head.status, head.header("connection")), (200, None));
    // on the core that is told last
    let mut probe = rig.client();
    assert_eq!(probe.get("/").header("connection"), None);
    let ending = rig.end(DEADLINE);
    eventually("the proxy ends", || probe.get("/").header("connection") == Some("close"));
    // it is there before the first answer has ended
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    gate.open();
    assert_eq!(client.take(6), b"abcdef");
    let last = client.reply();
    assert_eq!((last.text(), last.header("connection")), ("whole", Some("close")));
    assert!(client.is_at_end());
    ending.join().unwrap();
}

#[test]
fn one_at_rest_is_closed_and_keeps_nobody() {
    let instance = Instance::named("a");
    let mut rig = Rig::serving(&[instance.address]);
    let mut resting = rig.client();
    assert_eq!(resting.get("/").text(), "a");
    let mut silent = rig.client();
    eventually("both are accepted", || rig.daemon.report().connections.accepted == 2);
    let begin = Instant::now();
    rig.end(DEADLINE).join().unwrap();
    assert!(begin.elapsed() < DEADLINE);
    assert!(resting.is_at_end() && silent.is_at_end());
}

#[test]
fn what_does_not_end_in_time_is_cut() {
    let gate = Gate::default();
    let instance = slow(&gate);
    let mut rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send(SLOW);
    assert_eq!(client.head().status, 200);
    rig.end(Duration::from_millis(300)).join().unwrap();
    assert_eq!(client.rest(), b"abc", "visibly incomplete");
    gate.open();
}

/// Asks without pause, on kept connections, until told to stop; panics when a request is not answered.
fn ask_until(stop: &AtomicBool, answers: &AtomicU64, address: std::net::SocketAddr) {
    while !stop.load(Ordering::Relaxed) {
        let mut client = Client::connect(address);
        let mut answered = Instant::now();
        while !stop.load(Ordering::Relaxed) && answered.elapsed() < CLIENT_IDLE {
            let reply = client.get("/");
            assert_eq!((reply.status, reply.text()), (200, "a"));
            answers.fetch_add(1, Ordering::Relaxed);
            answered = Instant::now();
            if reply.header("connection") == Some("close") {
                break;
            }
        }
    }
}

#[test]
fn one_after_another_takes_over_and_no_request_is_lost() {
    let instance = Instance::named("a");
    let mut rig = Rig::serving(&[instance.address]);
    let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (stop, answers, address) = (stop.clone(), answers.clone(), rig.address);
            thread::spawn(move || ask_until(&stop, &answers, address))
        })
        .collect();
    for _ in 0..5 {
        let mut successor = rig.successor();
        let ending = rig.end(DEADLINE);
        ending.join().unwrap();
        let before = answers.load(Ordering::Relaxed);
        eventually("the new one serves alone", || answers.load(Ordering::Relaxed) > before + 20);
        assert!(successor.backend(1).counts.requests > 0);
        rig = successor;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("every request was answered");
    }
}
