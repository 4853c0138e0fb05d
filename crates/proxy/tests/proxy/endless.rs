//! Long answers while their instance drains: those that never end are ended in order, all others may end by themselves
//! until the deadline, and are then visibly cut.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use wire::proxy::{Answer, BackendMode};

use crate::client::Client;
use crate::instance::{Instance, Then};
use crate::rig::{DEADLINE, Rig, backend};

/// An instance that sends a head, and lets the test feed the body.
fn feeding(head: &'static str) -> (Instance, Receiver<TcpStream>) {
    let (sender, ends) = channel();
    let sender = Mutex::new(sender);
    let instance = Instance::raw(move |served, _| {
        served.send(head);
        sender.lock().unwrap().send(served.client.stream.try_clone().unwrap()).unwrap();
        // its next request comes when the test has ended the answer
        Then::Next
    });
    (instance, ends)
}

const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

struct Stage {
    rig: Rig,
    client: Client,
    feed: TcpStream,
    _old: Instance,
    _new: Instance,
}

/// A client that gets an answer with this head; and a second instance, to which the drain leads.
fn stage(head: &'static str) -> Stage {
    let (old, feeds) = feeding(head);
    let new = Instance::named("new");
    let mut rig = Rig::serving(&[old.address]);
    rig.change(|route| {
        route.endless_types = vec!["text/event-stream".into(), "application/x-ndjson".into()];
    });
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n");
    assert_eq!(client.head().status, 200);
    let feed = feeds.recv_timeout(DEADLINE).unwrap();
    rig.table.routes[0].backends.push(backend(2, new.address));
    Stage { rig, client, feed, _old: old, _new: new }
}

impl Stage {
    fn drain(&mut self, ms: u64) {
        self.rig.daemon.watch();
        self.rig.change(|route| {
            route.drain_ms = ms;
            route.backends[0].mode = BackendMode::Draining;
        });
    }

    fn send_chunk(&mut self, text: &str) {
        // the proxy may have ended it by now: the client says so
        let _ = write!(self.feed, "{:x}\r\n{text}\r\n", text.len());
    }

    fn cut(&mut self) -> u64 {
        self.ended_and_cut().1
    }

    /// Streams ended in order, and whatever was cut.
    fn ended_and_cut(&mut self) -> (u64, u64) {
        match self.rig.daemon.news() {
            Answer::Drained(drained) => (drained.streams_ended, drained.cut),
            other => panic!("{other:?}"),
        }
    }

    /// The answer ends in order, and the connection serves on.
    #[track_caller]
    fn ends_well(&mut self) {
        assert_eq!(self.client.chunk(), None, "its proper end");
        assert!(self.client.headers().is_empty());
        assert_eq!(self.client.get("/").text(), "new");
    }
}

#[test]
fn an_idle_event_stream_ends_and_the_connection_moves_on() {
    let mut stage = stage(EVENTS);
    stage.send_chunk("data: 1\n\n");
    assert_eq!(stage.client.chunk().unwrap(), b"data: 1\n\n");
    let began = Instant::now();
    stage.drain(4_000);
    stage.ends_well();
    assert!(began.elapsed() < Duration::from_secs(3), "in the first half");
    assert_eq!(stage.ended_and_cut(), (1, 0));
}

#[test]
fn the_event_under_way_arrives_whole_and_is_the_last() {
    let mut stage = stage(EVENTS);
    stage.send_chunk("data: 1\nda");
    assert_eq!(stage.client.chunk().unwrap(), b"data: 1\nda");
    let began = Instant::now();
    stage.drain(8_000);
    // past its moment
    while began.elapsed() < Duration::from_millis(4_200) {
        std::thread::sleep(Duration::from_millis(50));
    }
    stage.send_chunk("ta: 2\n\ndata: 3\n\n");
    assert_eq!(stage.client.chunk().unwrap(), b"ta: 2\n\n");
    stage.ends_well();
    assert_eq!(stage.cut(), 0);
}

#[test]
fn lines_end_at_lines() {
    let mut stage =
        stage("HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n");
    stage.send_chunk("{\"a\":1}\n");
    assert_eq!(stage.client.chunk().unwrap(), b"{\"a\":1}\n");
    stage.drain(1_000);
    stage.ends_well();
    assert_eq!(stage.cut(), 0);
}

#[test]
fn an_event_without_end_is_ended_at_the_deadline_and_counted() {
    let mut stage = stage(EVENTS);
    stage.send_chunk("data: 1\n");
    assert_eq!(stage.client.chunk().unwrap(), b"data: 1\n");
    stage.drain(700);
    stage.ends_well();
    assert_eq!(stage.cut(), 1);
}

#[test]
fn what_ends_by_itself_is_not_touched() {
    let mut stage = stage("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 20\r\n\r\n");
    stage.feed.write_all(b"data: 1\n\n").unwrap();
    assert_eq!(stage.client.take(9), b"data: 1\n\n");
    let began = Instant::now();
    stage.drain(6_000);
    while began.elapsed() < Duration::from_millis(3_200) {
        std::thread::sleep(Duration::from_millis(50));
    }
    stage.feed.write_all(b"data: two\n\n").unwrap();
    assert_eq!(stage.client.take(11), b"data: two\n\n");
    assert_eq!(stage.client.get("/").text(), "new");
    assert_eq!(stage.cut(), 0);
}

#[test]
fn what_does_not_end_is_visibly_cut_at_the_deadline() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let mut stage = stage(head);
        stage.send_chunk("one\n\n");
        assert_eq!(stage.client.chunk().unwrap(), b"one\n\n");
        stage.drain(700);
        assert!(stage.client.rest().is_empty(), "no end that looks like one");
        assert_eq!(stage.cut(), 1);
    }
}
