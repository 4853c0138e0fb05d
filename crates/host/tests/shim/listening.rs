//! Sockets that a shim listens on for its child: they outlive every run of it.

use crate::support::{Host, LONG, Shim, until};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};
use wire::shim::{Exited, Happening, How, LISTEN_VARIABLE, Listen, RestartMode, RestartPolicy, Start, State};

/// Connections that wait at a time while nobody accepts.
const QUEUED: usize = 200;
/// What a connection says to end the child.
const CRASH: u8 = b'!';

/// The child of the other tests, which run this one under a shim: serves what it inherits, one connection after
/// another, until one says [`CRASH`]. By itself it inherits nothing.
#[test]
fn child() {
    match std::env::var(LISTEN_VARIABLE) {
        Ok(sockets) => assert_eq!(sockets, "1"),
        Err(_) => return,
    }
    #[allow(unsafe_code)]
    // SAFETY: the shim hands the socket over at this number, and nobody else in this process knows it.
    let listener = TcpListener::from(unsafe { OwnedFd::from_raw_fd(3) });
    loop {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0];
        stream.read_exact(&mut asked).unwrap();
        if asked == [CRASH] {
            std::process::exit(1);
        }
        stream.write_all(&asked).unwrap();
    }
}

/// A start of [`child`] that listens here.
fn server(host: &Host, address: SocketAddr, restart: RestartPolicy) -> Start {
    let program = std::env::current_exe().unwrap();
    let start = host.program("server", [program.to_str().unwrap(), "--exact", "listening::child"]);
    Start { restart, listen: vec![Listen { address: address.to_string(), backlog: 0 }], ..start }
}

/// After the second exit in a row it waits longer than any test.
fn patient() -> RestartPolicy {
    RestartPolicy {
        mode: RestartMode::Always,
        step_ms: 3_600_000,
        cap_ms: 3_600_000,
        reset_after_ms: 3_600_000,
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port that nobody else takes as long as the listener lives.
fn taken() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(local(0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn ask(address: SocketAddr, with: u8) -> TcpStream {
    let mut stream = TcpStream::connect_timeout(&address, LONG).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(&[with]).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> u8 {
    let mut answer = [0];
    stream.read_exact(&mut answer).unwrap();
    answer[0]
}

/// Ends the child twice: after the first exit it is started at once, after the second it is awaited.
async fn crash_until_it_waits(shim: &mut Shim, address: SocketAddr) {
    for _ in 0..2 {
        ask(address, CRASH);
        let exited = shim.exited().await;
        assert_eq!((exited.status, exited.how), (Some(1), How::ByItself));
    }
    assert_eq!(shim.state().await, State::BackingOff);
}

#[tokio::test]
async fn connections_that_come_while_the_child_is_away_are_all_served_after() {
    let host = Host::new();
    let (reserved, address) = taken();
    drop(reserved);
    let mut shim = host.start(server(&host, address, patient())).await;
    assert_eq!(answer(ask(address, b'a')), b'a');
    crash_until_it_waits(&mut shim, address).await;
    let queued: Vec<TcpStream> = (0..QUEUED).map(|number| ask(address, number as u8 | 0x80)).collect();
    assert_eq!(shim.state().await, State::BackingOff, "nobody has accepted them");
    shim.handle.restart(LONG).await.unwrap();
    let answers = queued.into_iter().map(answer);
    assert_eq!(
        answers.zip(0..QUEUED).filter(|(answer, number)| *answer == *number as u8 | 0x80).count(),
        QUEUED
    );
}

#[tokio::test]
async fn an_address_in_use_is_told_and_tried_again() {
    let host = Host::new();
    let (reserved, address) = taken();
    let mut shim = host.start(server(&host, address, patient())).await;
    for _ in 0..2 {
        let Exited { how, reason, .. } = shim.exited().await;
        let expected = format!("could not listen on {address}: Address already in use (os error 98)");
        assert_eq!((how, reason), (How::NotStarted, Some(expected)));
    }
    drop(reserved);
    shim.handle.restart(LONG).await.unwrap();
    shim.started().await;
    assert_eq!(answer(ask(address, b'a')), b'a');
}

#[tokio::test]
async fn the_child_has_its_sockets_in_order_and_nothing_else() {
    let host = Host::new();
    let listen = ["127.0.0.1:0", "[::1]:0"].map(|address| Listen { address: address.into(), backlog: 9 });
    let script = format!("echo ${LISTEN_VARIABLE}; ls /proc/$$/fd; readlink /proc/$$/fd/3 /proc/$$/fd/4");
    let start = Start { listen: listen.to_vec(), ..host.script("a", &script) };
    let mut shim = host.start(start).await;
    let exited = shim.exited().await;
    assert_eq!(exited.status, Some(0), "{exited:?} {}", host.read("a.err"));
    until("all of its output", || host.read("a.out").lines().count() == 8).await;
    let output = host.read("a.out");
    assert!(output.starts_with("2\n0\n1\n2\n3\n4\nsocket:["), "{output}");
    let kept = fs_err::read_dir(format!("/proc/{}/fd", shim.welcome.pid)).unwrap();
    let kept: Vec<_> = kept.filter_map(|link| fs_err::read_link(link.ok()?.path()).ok()).collect();
    for socket in output.lines().skip(6) {
        assert!(kept.iter().any(|it| it.to_str() == Some(socket)), "the shim keeps {socket}: {kept:?}");
    }
}

#[tokio::test]
async fn what_is_no_address_is_refused_before_anything_starts() {
    let host = Host::new();
    for address in ["localhost:80", "127.0.0.1", ""] {
        let listen = vec![Listen { address: address.into(), backlog: 0 }];
        let shim = host.spawn(&format!("bad-{}", address.len())).await;
        let start = Start { listen, ..host.script(&format!("bad-{}", address.len()), "true") };
        let error = shim.handle.start(start).await.unwrap_err().to_string();
        assert!(error.contains("no address to listen on"), "{error}");
        assert_eq!(shim.state().await, State::Waiting);
    }
}

#[tokio::test]
async fn the_end_of_the_shim_closes_its_sockets() {
    let host = Host::new();
    let (reserved, address) = taken();
    drop(reserved);
    let mut shim = host.start(server(&host, address, patient())).await;
    assert_eq!(answer(ask(address, b'a')), b'a');
    shim.handle.stop(LONG).await.unwrap();
    shim.wait_for(|what| matches!(what, Happening::Stopped(_)).then_some(())).await;
    let queued = ask(address, b'a');
    shim.handle.release().await.unwrap();
    assert!(TcpStream::connect_timeout(&address, LONG).is_err(), "nobody listens any more");
    drop(queued);
}

#[tokio::test]
async fn another_shim_borrows_the_sockets_and_no_connection_is_lost() {
    let host = Host::new();
    let (reserved, address) = taken();
    drop(reserved);
    let mut first = host.start(server(&host, address, patient())).await;
    crash_until_it_waits(&mut first, address).await;
    let queued: Vec<TcpStream> = (0..QUEUED).map(|number| ask(address, number as u8 | 0x80)).collect();
    let from = host.shims.run_root.join("server");
    let start = Start { id: "second".into(), listen_from: Some(from), ..server(&host, address, patient()) };
    let second = host.start(start).await;
    let right = |(answer, number): &(u8, usize)| *answer == *number as u8 | 0x80;
    assert_eq!(queued.into_iter().map(answer).zip(0..QUEUED).filter(right).count(), QUEUED);
    first.handle.leave(LONG).await.unwrap();
    assert_eq!(answer(ask(address, b'a')), b'a', "the first one's end closes nothing");
    second.handle.stop(LONG).await.unwrap();
    second.handle.release().await.unwrap();
    assert_eq!(first.state().await, State::Stopped);
    assert!(TcpStream::connect_timeout(&address, LONG).is_err(), "the first one has let go");
}

#[tokio::test]
async fn without_the_other_s_sockets_nothing_is_started() {
    let host = Host::new();
    let (reserved, address) = taken();
    let from = Some(host.shims.run_root.join("nobody"));
    let shim = host.spawn("server").await;
    let start = Start { listen_from: from, ..server(&host, address, patient()) };
    let error = shim.handle.start(start).await.unwrap_err().to_string();
    assert!(error.contains("could not take over the listening sockets of the shim in"), "{error}");
    assert_eq!(shim.state().await, State::Waiting);
    drop(reserved);
    shim.handle.start(server(&host, address, patient())).await.unwrap();
    assert_eq!(answer(ask(address, b'a')), b'a', "told otherwise, it starts");
}
