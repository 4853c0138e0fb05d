//! WebSockets and other upgrades through the proxy, while serving and while draining.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use wire::proxy::{Answer, BackendMode, Drained};

use crate::client::Client;
use crate::instance::{Instance, Then};
use crate::rig::{DEADLINE, Rig, backend, eventually};

const ASK: &str = "GET /socket HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xe9];
const MEGABYTE: usize = 1 << 20;

/// An instance that switches to what it is asked for, and hands its end of the stream to the test.
fn switching(answer: &'static str) -> (Instance, Receiver<TcpStream>) {
    let (sender, ends) = channel();
    let sender: Mutex<Sender<TcpStream>> = Mutex::new(sender);
    let instance = Instance::raw(move |served, _| {
        served.send(answer);
        sender.lock().unwrap().send(served.client.stream.try_clone().unwrap()).unwrap();
        Then::Close
    });
    (instance, ends)
}

/// The client's end and the instance's end of an upgraded connection.
fn upgraded(rig: &Rig, ends: &Receiver<TcpStream>) -> (TcpStream, TcpStream) {
    let mut client = rig.client();
    client.send(ASK);
    let head = client.head();
    assert_eq!((head.status, head.header("upgrade")), (101, Some("websocket")));
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    (client.stream, ends.recv_timeout(DEADLINE).unwrap())
}

fn drain(rig: &mut Rig, ms: u64) {
    rig.daemon.watch();
    rig.change(|route| {
        route.drain_ms = ms;
        route.backends[0].mode = BackendMode::Draining;
    });
}

fn drained(rig: &mut Rig) -> Drained {
    match rig.daemon.news() {
        Answer::Drained(drained) => drained,
        other => panic!("{other:?}"),
    }
}

fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// To the end, which must be one: a reset is an error.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// A message in fragments with pings between them.
fn message(length: usize, fragment: usize, masked: bool) -> Vec<u8> {
    let mask: &[u8] = if masked { &[1, 2, 3, 4] } else { &[] };
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = Vec::new();
    for start in (0..length).step_by(fragment) {
        let size = fragment.min(length - start);
        let first = if start == 0 { 2 } else { 0 };
        let last = if start + size == length { 0x80 } else { 0 };
        bytes.extend([first | last, bit | 127]);
        bytes.extend((size as u64).to_be_bytes());
        bytes.extend(mask);
        bytes.extend((start..start + size).map(|at| (at % 251) as u8));
        if last == 0 {
            bytes.extend([0x89, bit | 1]);
            bytes.extend(mask);
            bytes.push(0xaa);
        }
    }
    bytes
}

#[track_caller]
fn assert_masked_going_away(bytes: &[u8]) {
    let [0x88, 0x82, a, b, _, _, high, low] = bytes else { panic!("{bytes:?}") };
    assert_eq!([high ^ a, low ^ b], [0x03, 0xe9]);
}

#[test]
fn what_was_sent_ahead_of_the_switch_arrives_too() {
    const EAGER: &str =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n\u{1}early";
    let (instance, ends) = switching(EAGER);
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send(&format!("{ASK}eager"));
    assert_eq!(client.head().status, 101);
    assert_eq!(client.take(6), b"\x01early");
    let mut end = ends.recv_timeout(DEADLINE).unwrap();
    // the rest of what the instance's reader has not taken for its request
    client.stream.write_all(b"-later").unwrap();
    client.end();
    let rest = read_to_end(&mut end);
    assert!(rest.ends_with(b"-later"), "{rest:?}");
}

#[test]
fn it_is_counted_as_long_as_it_lives() {
    let (instance, ends) = switching(SWITCH);
    let mut rig = Rig::serving(&[instance.address]);
    let (client, end) = upgraded(&rig, &ends);
    eventually("it is in flight", || {
        let report = rig.backend(1);
        (report.in_flight, report.upgraded) == (1, 1)
    });
    drop((client, end));
    eventually("none is in flight", || {
        let report = rig.backend(1);
        (report.in_flight, report.upgraded) == (0, 0)
    });
}

#[test]
fn a_drain_waits_for_messages_and_then_tells_both_sides_to_go() {
    let (instance, ends) = switching(SWITCH);
    let mut rig = Rig::serving(&[instance.address]);
    let (client, end) = upgraded(&rig, &ends);
    let (up, down) = (message(MEGABYTE, 50_000, true), message(MEGABYTE, 70_000, false));
    // both messages have begun
    (&client).write_all(&up[..10]).unwrap();
    (&end).write_all(&down[..10]).unwrap();
    assert_eq!(read(&mut client.try_clone().unwrap(), 10), down[..10]);
    assert_eq!(read(&mut end.try_clone().unwrap(), 10), up[..10]);
    drain(&mut rig, 10_000);

    let client_got = exchange(client, up[10..].to_vec(), vec![0x88, 0x80, 1, 2, 3, 4], |bytes| {
        bytes.ends_with(&GOING_AWAY)
    });
    let end_got = exchange(end, down[10..].to_vec(), vec![0x88, 0x00], {
        let whole = up.len() - 10 + 8;
        move |bytes| bytes.len() >= whole
    });
    let client_got = client_got.join().unwrap();
    assert!(client_got[..down.len() - 10] == down[10..], "the message arrives whole");
    assert_eq!(client_got[down.len() - 10..], GOING_AWAY);
    let end_got = end_got.join().unwrap();
    assert!(end_got[..up.len() - 10] == up[10..], "the message arrives whole");
    assert_masked_going_away(&end_got[up.len() - 10..]);
    assert_eq!(drained(&mut rig).cut, 0);
}

/// Writes and reads at the same time; answers when `is_last` says so, ends, and reads to the end.
fn exchange(
    stream: TcpStream,
    bytes: Vec<u8>,
    answer: Vec<u8>,
    is_last: impl Fn(&[u8]) -> bool + Send + 'static,
) -> thread::JoinHandle<Vec<u8>> {
    let mut writer = stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        for chunk in bytes.chunks(30_011) {
            writer.write_all(chunk).unwrap();
        }
    });
    thread::spawn(move || {
        let (mut stream, mut got) = (stream, Vec::new());
        let mut chunk = [0; 8192];
        while !is_last(&got) {
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "ended after {} bytes", got.len());
            got.extend_from_slice(&chunk[..read]);
        }
        writing.join().unwrap();
        stream.write_all(&answer).unwrap();
        got.extend(read_to_end(&mut stream));
        got
    })
}

#[test]
fn who_comes_back_gets_a_new_instance() {
    let (old, old_ends) = switching(SWITCH);
    let (new, new_ends) = switching(SWITCH);
    let mut rig = Rig::serving(&[old.address]);
    let (mut client, mut end) = upgraded(&rig, &old_ends);
    rig.table.routes[0].backends.push(backend(2, new.address));
    drain(&mut rig, 1_000);
    assert_eq!(read_to_end(&mut client), GOING_AWAY, "it ends without an answer too");
    assert_masked_going_away(&read_to_end(&mut end));
    let (mut client, mut end) = upgraded(&rig, &new_ends);
    client.write_all(b"\x81\x80abcd").unwrap();
    assert_eq!(read(&mut end, 6), b"\x81\x80abcd");
    let told = drained(&mut rig);
    assert_eq!((told.instance, told.websockets_closed, told.cut), (1, 1, 0));
}

#[test]
fn they_go_one_after_another() {
    let (instance, ends) = switching(SWITCH);
    let mut rig = Rig::serving(&[instance.address]);
    let sockets: Vec<_> = (0..40).map(|_| upgraded(&rig, &ends)).collect();
    drain(&mut rig, 6_000);
    let began = Instant::now();
    let gone = Arc::new(Mutex::new(Vec::new()));
    let threads: Vec<_> = sockets
        .into_iter()
        .map(|(mut client, mut end)| {
            let gone = gone.clone();
            thread::spawn(move || {
                assert_eq!(read(&mut client, 4), GOING_AWAY);
                gone.lock().unwrap().push(began.elapsed());
                client.write_all(&[0x88, 0x80, 1, 2, 3, 4]).unwrap();
                read(&mut end, 8);
                end.write_all(&[0x88, 0x00]).unwrap();
                assert!(read_to_end(&mut client).is_empty() && read_to_end(&mut end).is_empty());
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let gone = gone.lock().unwrap();
    let (first, last) = (gone.iter().min().unwrap(), gone.iter().max().unwrap());
    // of 40 moments at random in 3 s
    assert!(*last - *first > Duration::from_secs(1), "{gone:?}");
    let Drained { websockets_closed, streams_ended, cut, took_ms, .. } = drained(&mut rig);
    assert_eq!((websockets_closed, streams_ended, cut), (40, 0, 0));
    assert!(u128::from(took_ms) + 100 >= (*last - *first).as_millis(), "{took_ms} ms");
}

#[test]
fn what_is_no_websocket_is_cut_at_the_deadline() {
    const OTHER: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n";
    let (instance, ends) = switching(OTHER);
    let mut rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n");
    assert_eq!(client.head().header("upgrade"), Some("chat"));
    let mut end = ends.recv_timeout(DEADLINE).unwrap();
    drain(&mut rig, 700);
    client.send("still");
    assert_eq!(read(&mut end, 5), b"still", "it is served to the last moment");
    assert!(client.rest().is_empty());
    let _ = end.read_to_end(&mut Vec::new());
    assert_eq!(drained(&mut rig).cut, 1);
}

#[test]
fn a_message_without_end_is_cut_at_the_deadline() {
    let (instance, ends) = switching(SWITCH);
    let mut rig = Rig::serving(&[instance.address]);
    let (mut client, mut end) = upgraded(&rig, &ends);
    end.write_all(b"\x01\x01a").unwrap();
    assert_eq!(read(&mut client, 3), b"\x01\x01a");
    drain(&mut rig, 700);
    assert_eq!(read_to_end(&mut client), GOING_AWAY, "between two frames it can be told");
    assert_eq!(drained(&mut rig).cut, 1);
}

#[test]
fn an_upgrade_that_is_declined_is_an_ordinary_answer() {
    let instance = Instance::named("no");
    let rig = Rig::serving(&[instance.address]);
    let mut client: Client = rig.client();
    for _ in 0..3 {
        client.send(ASK);
        assert_eq!(client.reply().text(), "no");
    }
    let _ = client.stream.shutdown(Shutdown::Both);
}
