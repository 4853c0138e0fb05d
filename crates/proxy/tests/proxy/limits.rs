//! Slow and greedy clients hurt only themselves.

use std::io::Write;
use std::time::Duration;

use wire::proxy::Limits;

use crate::gate::Gate;
use crate::instance::{Instance, Then};
use crate::rig::{Rig, eventually, front};

fn limited(instance: &Instance, limits: Limits) -> Rig {
    let mut rig = Rig::serving(&[instance.address]);
    rig.change(|route| route.limits = limits);
    rig
}

#[test]
fn headers_that_take_too_long() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.header_timeout_ms = 300);
    rig.apply();
    let mut slow = rig.client();
    slow.send("GET / HTTP/1.1\r\nho");
    let reply = slow.reply();
    assert_eq!((reply.status, reply.error()), (408, "slow-header"));
    assert!(slow.is_at_end());
    let mut second = rig.client();
    assert_eq!(second.get("/").status, 200);
    second.send("GET / HT");
    assert_eq!(second.reply().status, 408, "also on a connection that was used before");
    assert!(rig.client().is_at_end(), "who says nothing is not answered");
    assert_eq!(instance.requests().len(), 1);
}

#[test]
fn a_connection_that_is_idle_for_too_long() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.idle_timeout_ms = 300);
    rig.apply();
    let mut client = rig.client();
    assert_eq!(client.get("/").status, 200);
    assert!(client.is_at_end());
}

#[test]
fn a_connection_that_rested_is_served_as_before() {
    let instance = Instance::named("x");
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    assert_eq!(client.get("/").status, 200);
    // it gives its buffers back after two seconds, which nobody sees but the memory
    std::thread::sleep(Duration::from_millis(2_500));
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn headers_without_end() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.max_header_bytes = 10_000);
    rig.apply();
    let fits = format!("x-long: {}\r\n", "y".repeat(9_000));
    assert_eq!(rig.client().ask("GET", "/", &fits).status, 200);
    let mut client = rig.client();
    client.send(&format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}", "y".repeat(20_000)));
    assert_eq!(client.head().status, 431);
    let mut client = rig.client();
    client.send(&format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(1_000)));
    assert_eq!(client.head().status, 431);
    assert_eq!(instance.requests().len(), 1);
}

#[test]
fn a_body_that_takes_too_long() {
    let instance = Instance::raw(|served, request| {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| served.read_body(&request)));
        Then::Close
    });
    let mut rig = limited(&instance, Limits { body_timeout_ms: 300, ..Limits::default() });
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc");
    let reply = client.reply();
    assert_eq!((reply.status, reply.error()), (408, "slow-body"));
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
    assert_eq!(rig.backend(1).counts.failed, 0, "that is not the instance's failure");
}

#[test]
fn a_body_that_comes_slowly_but_comes() {
    let instance = Instance::raw(|served, request| {
        let body = served.read_body(&request);
        served.answer(str::from_utf8(&body).unwrap())
    });
    let rig = limited(
        &instance,
        Limits { body_timeout_ms: 1_000, response_timeout_ms: 1_000, ..Limits::default() },
    );
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(Duration::from_millis(250));
        client.send("x");
    }
    assert_eq!(client.reply().text(), "xxxxxxxx");
}

#[test]
fn a_body_that_is_too_large() {
    let instance = Instance::raw(|served, request| {
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| served.read_body(&request)));
        served.answer("x")
    });
    let rig = limited(&instance, Limits { max_body_bytes: 100, ..Limits::default() });
    assert_eq!(rig.client().post("/", &"x".repeat(100)).status, 200);
    let reply = rig.client().post("/", &"x".repeat(101));
    assert_eq!((reply.status, reply.error()), (413, "too-large"));
    assert_eq!(instance.requests().len(), 1, "what is announced is not even begun");
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send(&format!("c8\r\n{}\r\n0\r\n\r\n", "x".repeat(200)));
    assert_eq!(client.reply().status, 413);
    let mut greedy = rig.client();
    let body = "x".repeat(8_000_000);
    greedy.send(&format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(greedy.reply().status, 413, "a client that sends all the same gets its answer");
}

#[test]
fn an_answer_that_takes_too_long() {
    let gate = Gate::default();
    let instance = Instance::behind(&gate, "x");
    let mut rig = limited(&instance, Limits { response_timeout_ms: 300, ..Limits::default() });
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (504, "upstream-timeout"));
    assert_eq!(instance.requests().len(), 1, "it is not tried again");
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
    gate.open();
    assert_eq!(rig.client().get("/").status, 200);
}

#[test]
fn a_client_that_never_reads() {
    let instance = Instance::raw(|served, request| {
        if request.path() == "/large" {
            served.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
            while served.client.stream.write_all(&[b'x'; 65536]).is_ok() {}
            return Then::Close;
        }
        served.answer("x")
    });
    let mut rig = limited(&instance, Limits { write_timeout_ms: 400, ..Limits::default() });
    let mut lazy: Vec<_> = (0..8).map(|_| rig.client()).collect();
    for client in &mut lazy {
        client.send("GET /large HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    eventually("all are in flight", || rig.backend(1).in_flight == 8);
    let mut other = rig.client();
    (0..50).for_each(|_| assert_eq!(other.get("/").status, 200));
    eventually("they are cut", || rig.backend(1).in_flight == 0);
    for client in &mut lazy {
        assert!(client.rest().len() < 1_000_000_000);
    }
}

#[test]
fn a_client_that_reads_slowly_but_reads() {
    const LENGTH: usize = 20_000_000;
    let instance = Instance::raw(|served, _| {
        served.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n"));
        served.client.stream.write_all(&vec![b'x'; LENGTH]).unwrap();
        Then::Next
    });
    let rig = limited(&instance, Limits { write_timeout_ms: 1_500, ..Limits::default() });
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(300));
        client.take(LENGTH / 10);
    }
}

#[test]
fn beyond_the_most_connections_idle_ones_make_room() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.max_connections = 10);
    rig.apply();
    let mut clients: Vec<_> = (0..10).map(|_| rig.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    for _ in 0..30 {
        let mut client = rig.client();
        assert_eq!(client.get("/").status, 200, "a new one gets through");
        clients.push(client);
    }
    assert!(rig.daemon.report().connections.open <= 10);
}

#[test]
fn busy_connections_are_not_closed_for_new_ones() {
    let gate = Gate::default();
    let instance = Instance::behind(&gate, "x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.max_connections = 4);
    rig.apply();
    let mut clients: Vec<_> = (0..8).map(|_| rig.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    eventually("four are in flight", || rig.backend(1).in_flight == 4);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.reply().status, 200, "those in the queue come later");
    }
}
