//! What is tried again, and what must not be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::gate::Gate;
use crate::instance::{Instance, Then};
use crate::rig::{Rig, eventually, nobody};

/// An instance that closes without an answer.
fn mute() -> Instance {
    Instance::raw(|served, request| {
        let _ = served.read_body(&request);
        Then::Close
    })
}

#[test]
fn a_refused_connection_is_nobodys_failure() {
    let instance = Instance::named("b");
    let mut rig = Rig::serving(&[nobody(), instance.address]);
    for number in 0..20 {
        let reply = if number % 2 == 0 { rig.client().get("/") } else { rig.client().post("/", "body") };
        assert_eq!((reply.status, reply.text()), (200, "b"));
    }
    assert_eq!(instance.requests().len(), 20);
    assert!(rig.backend(1).counts.failed <= 2, "it is not asked again and again");
}

#[test]
fn what_may_be_sent_twice_is_tried_elsewhere() {
    let (bad, good) = (mute(), Instance::named("b"));
    let mut rig = Rig::serving(&[bad.address, good.address]);
    let mut client = rig.client();
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE"] {
        for _ in 0..2 {
            assert_eq!(client.ask(method, "/", "").status, 200, "{method}");
        }
    }
    assert!(!bad.requests().is_empty());
    let counts = rig.backend(1).counts;
    assert_eq!((counts.failed, counts.retried), (bad.requests().len() as u64, bad.requests().len() as u64));
}

#[test]
fn a_small_body_is_sent_again() {
    let bad = mute();
    let good = Instance::raw(|served, request| {
        let body = served.read_body(&request);
        served.answer(str::from_utf8(&body).unwrap())
    });
    let rig = Rig::serving(&[bad.address, good.address]);
    let mut client = rig.client();
    let body = "x".repeat(60_000);
    for _ in 0..4 {
        let reply = client.ask("PUT", "/", &format!("content-length: {}\r\n\r\n{body}", body.len() - 2));
        // ask() ends the head with an empty line, which here ends the body
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body.len(), body.len() - 2);
        client = rig.client();
    }
    assert!(!bad.requests().is_empty());
}

#[test]
fn a_large_body_is_not() {
    let bad = mute();
    let rig = Rig::serving(&[bad.address]);
    let body = "x".repeat(500_000);
    let mut client = rig.client();
    client.send(&format!("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    let reply = client.reply();
    assert_eq!((reply.status, reply.error()), (502, "upstream-reset"));
    assert_eq!(bad.requests().len(), 1);
}

#[test]
fn a_post_that_was_written_is_not_sent_twice() {
    let (bad, good) = (mute(), Instance::named("b"));
    let rig = Rig::serving(&[bad.address, good.address]);
    let replies: Vec<_> = (0..4).map(|_| rig.client().post("/", "once")).collect();
    let failed =
        replies.iter().filter(|reply| (reply.status, reply.error()) == (502, "upstream-reset")).count();
    assert!(failed > 0);
    assert_eq!(bad.requests().len(), failed);
    assert_eq!(bad.requests().len() + good.requests().len(), 4, "each was sent once");
}

#[test]
fn nothing_is_tried_again_after_a_byte_of_the_answer() {
    let bad = Instance::raw(|served, _| {
        served.send("HTTP/1.1 200 O");
        Then::Close
    });
    let good = Instance::named("b");
    let rig = Rig::serving(&[bad.address, good.address]);
    let replies: Vec<_> = (0..4).map(|_| rig.client().get("/")).collect();
    assert!(replies.iter().any(|reply| reply.status == 502));
    assert_eq!(bad.requests().len() + good.requests().len(), 4);
}

#[test]
fn what_is_no_http_is_told() {
    let bad = Instance::raw(|served, _| {
        served.send("SSH-2.0-x\r\n\r\n");
        Then::Close
    });
    let rig = Rig::serving(&[bad.address]);
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (502, "upstream-invalid"));
}

#[test]
fn three_attempts_at_most() {
    let bad = mute();
    let rig = Rig::serving(&[bad.address]);
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (502, "upstream-reset"));
    assert_eq!(bad.requests().len(), 3);
}

#[test]
fn retries_have_a_budget() {
    let bad = mute();
    let mut rig = Rig::serving(&[bad.address]);
    let clients = 60;
    for _ in 0..clients {
        assert_eq!(rig.client().get("/").status, 502);
    }
    let counts = rig.backend(1).counts;
    // a fifth of the requests and ten, for each of the two cores
    assert!(counts.retried <= clients / 5 + 20, "{counts:?}");
    assert!(counts.retried >= 10, "{counts:?}");
    assert_eq!(counts.requests, clients + counts.retried);
}

/// An instance that ends each connection after its answer, without having said so.
fn forgetful() -> (Instance, Arc<AtomicUsize>) {
    let answered = Arc::new(AtomicUsize::new(0));
    let instance = Instance::raw({
        let answered = answered.clone();
        move |served, request| {
            let _ = served.read_body(&request);
            served.answer("x");
            answered.fetch_add(1, Ordering::SeqCst);
            Then::Close
        }
    });
    (instance, answered)
}

#[test]
fn a_connection_closed_at_idle_is_not_the_instances_failure() {
    let (instance, answered) = forgetful();
    let mut rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for number in 1..=200 {
        // at once: the close races with the next request
        assert_eq!(client.get("/").status, 200);
        assert_eq!(answered.load(Ordering::SeqCst).max(number), number);
    }
    assert_eq!(rig.backend(1).counts.retried, 0, "no budget is spent on it");
}

#[test]
fn a_request_that_cannot_be_sent_twice_does_not_go_on_an_old_connection() {
    let close = Gate::default();
    let instance = Instance::raw({
        let close = close.clone();
        move |served, request| {
            let _ = served.read_body(&request);
            served.answer("x");
            close.pass();
            Then::Close
        }
    });
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    assert_eq!(client.get("/").status, 200);
    close.open();
    eventually("the request gets through", || client.post("/", "x").status == 200);
    assert_eq!(instance.requests().len(), 2);
}

#[test]
fn nobody_answers_for_a_dead_app() {
    let rig = Rig::serving(&[nobody(), nobody()]);
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (503, "no-instance"));
}
