//! Requests and answers on their way through.

use std::io::Write;

use crate::gate::Gate;
use crate::instance::{Instance, Then};
use crate::rig::{Rig, eventually};

#[test]
fn a_request_and_its_answer() {
    let instance = Instance::named("hello");
    let rig = Rig::serving(&[instance.address]);
    let reply = rig.client().get("/x?y=1");
    assert_eq!((reply.status, reply.text()), (200, "hello"));
    let requests = instance.requests();
    assert_eq!(requests[0].line, "GET /x?y=1 HTTP/1.1");
    assert_eq!(requests[0].header("host"), Some("a.test"));
}

#[test]
fn connections_are_used_again_on_both_sides() {
    let instance = Instance::named("hello");
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for _ in 0..100 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((instance.requests().len(), instance.connections()), (100, 1));
}

#[test]
fn without_a_table_there_is_no_route() {
    let rig = Rig::new();
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (503, "no-route"));
}

/// An instance that answers with what it got.
fn echo() -> Instance {
    Instance::raw(|served, request| {
        let body = served.read_body(&request);
        served.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
        served.client.stream.write_all(&body).unwrap();
        Then::Next
    })
}

#[test]
fn bodies_with_a_length_pass_whole() {
    let instance = echo();
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for length in [0, 1, 1000, 100_000, 3_000_000] {
        let body = "abcdefgh".repeat(length / 8 + 1)[..length].to_owned();
        let reply = client.post("/", &body);
        assert_eq!(reply.status, 200);
        assert!(reply.text() == body, "{length} bytes came back otherwise");
        assert_eq!(instance.requests().last().unwrap().header("transfer-encoding"), None);
    }
    assert_eq!(instance.connections(), 1);
}

#[test]
fn chunks_pass_both_ways_as_they_come() {
    let instance = Instance::raw(|served, _| {
        served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n");
        while let Some(chunk) = served.client.chunk() {
            let text = String::from_utf8(chunk).unwrap();
            served.send(&format!("{:x}\r\n{text}\r\n", text.len()));
        }
        let trailers = served.client.headers();
        let sum = trailers.iter().find(|(name, _)| name == "x-in").map_or("none", |(_, value)| value);
        served.send(&format!("0\r\nx-sum: {sum}\r\n\r\n"));
        Then::Next
    });
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for round in 0..2 {
        client.send(
            "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\nconnection: te\r\ntrailer: x-in\r\n\
             transfer-encoding: chunked\r\n\r\n",
        );
        let head = client.head();
        assert_eq!(head.status, 200, "the head comes before the body has ended");
        for text in ["one", "two", "three"] {
            client.send(&format!("{:x}\r\n{text}\r\n", text.len()));
            assert_eq!(client.chunk().unwrap(), text.as_bytes(), "a chunk comes before the next is sent");
        }
        client.send("0\r\nx-in: 42\r\n\r\n");
        assert_eq!(client.chunk(), None);
        assert_eq!(client.headers(), [("x-sum".to_owned(), "42".to_owned())], "round {round}");
    }
    assert_eq!(instance.connections(), 1);
}

#[test]
fn answers_without_a_body_keep_their_headers_and_the_connection() {
    let instance = Instance::raw(|served, request| {
        served.send(match request.path() {
            "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\netag: \"x\"\r\n\r\n",
            "/204" => "HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
            _ => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n",
        });
        Then::Next
    });
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for _ in 0..2 {
        let reply = client.ask("HEAD", "/head", "");
        assert_eq!((reply.status, reply.header("content-length")), (200, Some("1234")));
        let reply = client.get("/204");
        assert_eq!((reply.status, reply.header("x-a")), (204, Some("1")));
        let reply = client.get("/304");
        assert_eq!((reply.status, reply.header("etag")), (304, Some("\"x\"")));
    }
    assert_eq!(instance.connections(), 1);
}

#[test]
fn a_client_that_waits_for_100_gets_it_when_the_instance_gives_it() {
    let asked = Gate::default();
    let instance = Instance::raw({
        let asked = asked.clone();
        move |served, request| {
            assert_eq!(request.header("expect"), Some("100-continue"));
            if request.path() == "/no" {
                served.send("HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n");
                return Then::Close;
            }
            asked.pass();
            served.send("HTTP/1.1 100 Continue\r\n\r\n");
            let body = served.read_body(&request);
            served.answer(str::from_utf8(&body).unwrap())
        }
    });
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    eventually("the instance is asked", || instance.requests().len() == 1);
    asked.open();
    assert_eq!(client.head().status, 100);
    client.send("hello");
    assert_eq!(client.reply().text(), "hello");

    let mut client = rig.client();
    client.send("POST /no HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.head().status, 417, "the body need not be sent");
}

#[test]
fn a_client_that_waits_for_100_is_not_left_waiting_by_an_instance_that_never_gives_it() {
    let instance = echo();
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("hello");
    assert_eq!(client.reply().text(), "hello");
}

#[test]
fn an_old_client_is_served() {
    let instance = Instance::raw(|served, _| {
        served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        Then::Next
    });
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let head = client.head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None));
    assert_eq!(client.rest(), b"abc", "the end of the stream ends the body");
    assert_eq!(instance.requests()[0].line, "GET / HTTP/1.1");
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    let instance = Instance::raw(|served, request| {
        let path = request.path().to_owned();
        served.answer(&path)
    });
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    let requests = |range: std::ops::Range<u32>| -> String {
        range.map(|number| format!("GET /{number} HTTP/1.1\r\nhost: a\r\n\r\n")).collect()
    };
    client.send(&requests(0..20));
    for number in 0..20 {
        assert_eq!(client.reply().text(), format!("/{number}"));
    }
}

#[test]
fn an_upgrade_passes_through_both_ways() {
    let instance = Instance::raw(|served, request| {
        assert_eq!(request.header("upgrade"), Some("echo/1"));
        assert!(request.header("connection").unwrap().eq_ignore_ascii_case("upgrade"));
        // what is sent at once with the head belongs to the new protocol
        served
            .send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo/1\r\n\r\nhi\r\n");
        while let Some(line) = served.client.line() {
            served.send(&format!("<{line}>\r\n"));
        }
        Then::Close
    });
    let mut rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: echo/1\r\n\r\nahead\r\n");
    let head = client.head();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("echo/1")));
    assert_eq!(client.line().unwrap(), "hi");
    assert_eq!(client.line().unwrap(), "<ahead>");
    client.send("one\r\n");
    assert_eq!(client.line().unwrap(), "<one>");
    let backend = rig.backend(1);
    assert_eq!((backend.in_flight, backend.upgraded), (1, 1));
    client.end();
    assert!(client.rest().is_empty());
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
    assert_eq!(rig.backend(1).upgraded, 0);
}

#[test]
fn an_upgrade_that_is_refused_is_an_answer() {
    let instance = Instance::named("no");
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for _ in 0..2 {
        let reply = client.ask("GET", "/", "connection: upgrade\r\nupgrade: websocket\r\n");
        assert_eq!((reply.status, reply.text()), (200, "no"));
    }
}

#[test]
fn what_the_client_breaks_off_is_broken_off_at_the_instance() {
    let broken = Gate::default();
    let instance = Instance::raw({
        let broken = broken.clone();
        move |served, _| {
            served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            while served.client.stream.write_all(b"1\r\nx\r\n").is_ok() {}
            broken.open();
            Then::Close
        }
    });
    let mut rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(client.head().status, 200);
    drop(client);
    broken.pass();
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
}

#[test]
fn what_the_instance_breaks_off_is_visibly_incomplete() {
    let instance = Instance::raw(|served, request| {
        served.send(match request.path() {
            "/length" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            _ => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        });
        Then::Close
    });
    let mut rig = Rig::serving(&[instance.address]);
    for path in ["/length", "/chunked"] {
        let mut client = rig.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(client.head().status, 200);
        let rest = client.rest();
        assert!(!rest.ends_with(b"0\r\n\r\n") && rest.len() < 10, "{:?}", String::from_utf8_lossy(&rest));
    }
    let counts = rig.backend(1).counts;
    assert_eq!((counts.broken, counts.requests), (2, 2));
}

#[test]
fn what_is_counted() {
    let instance = Instance::raw(|served, request| {
        let body = served.read_body(&request);
        let status = &request.path()[1..];
        served.send(&format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n", body.len() * 2));
        served.client.stream.write_all(&body.repeat(2)).unwrap();
        Then::Next
    });
    let mut rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for status in [200, 201, 301, 404, 500, 503] {
        assert_eq!(client.post(&format!("/{status}"), "12345").status, status);
    }
    let backend = rig.backend(1);
    let counts = backend.counts;
    assert_eq!((counts.requests, counts.failed, counts.retried), (6, 0, 0));
    assert_eq!(counts.statuses, [0, 2, 1, 1, 2]);
    assert_eq!((counts.bytes_in, counts.bytes_out), (30, 60));
    assert_eq!(counts.latency.iter().sum::<u64>(), 6);
    assert_eq!((backend.version.as_str(), backend.place, backend.in_flight), ("v1", 1, 0));
    let connections = rig.daemon.report().connections;
    assert_eq!((connections.open, connections.accepted), (1, 1));
}
