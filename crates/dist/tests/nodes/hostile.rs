//! Peers that are no nodes, or mean harm.

use std::time::Duration;

use beam::Term;
use dist::{Address, Call, CallError, Down, Flags, Node, OwnName, Status, Target};
use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{COOKIE, SOON, World, local, unique_name};

const CREATION: u32 = 77;

/// Opens `hostile@localhost`, which a test plays.
async fn hostile(world: &World, connect: Duration) -> (TcpListener, Node) {
    let (listener, address) = listener().await;
    let mut target = Target { own_name: OwnName::Fixed(unique_name()), ..world.target("hostile") };
    target.address = address;
    target.timing.connect = connect;
    (listener, world.open(target))
}

async fn listener() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::Port(local(listener.local_addr().unwrap().port()));
    (listener, address)
}

async fn why_not(node: &Node) -> String {
    let mut status = node.status();
    let down = status.wait_for(|status| matches!(status, Status::Down(_)));
    let down = tokio::time::timeout(SOON, down).await.expect("it is given up").unwrap().clone();
    let Status::Down(down) = down else { panic!("{down:?}") };
    let error: &dyn std::error::Error = match &*down {
        Down::Connect(why) => why,
        other => other,
    };
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn read_message(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u16().await.unwrap();
    let mut message = vec![0; length.into()];
    stream.read_exact(&mut message).await.unwrap();
    message
}

async fn write_message(stream: &mut TcpStream, message: &[u8]) {
    let length = u16::try_from(message.len()).unwrap().to_be_bytes();
    stream.write_all(&[&length, message].concat()).await.unwrap();
}

/// Shakes hands as a node does.
async fn shake_hands(stream: &mut TcpStream) {
    read_message(stream).await;
    write_message(stream, b"sok").await;
    challenge(stream).await;
}

/// Shakes hands after the status.
async fn challenge(stream: &mut TcpStream) {
    let name = b"hostile@localhost";
    let mut challenge = vec![b'N'];
    challenge.extend((Flags::REQUIRED | Flags::OFFERED).0.to_be_bytes());
    challenge.extend([0, 0, 0, 9]);
    challenge.extend(CREATION.to_be_bytes());
    challenge.extend((name.len() as u16).to_be_bytes());
    challenge.extend(name);
    write_message(stream, &challenge).await;
    let reply = read_message(stream).await;
    let theirs = u32::from_be_bytes(reply[1..5].try_into().unwrap());
    let digest = Md5::digest(format!("{COOKIE}{theirs}"));
    write_message(stream, &[&b"a"[..], &digest].concat()).await;
}

#[tokio::test]
async fn half_a_handshake_has_a_deadline() {
    let world = World::new().await;
    let (listener, node) = hostile(&world, Duration::from_millis(500)).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.write_all(&[0, 9, b's', b'o']).await.unwrap();
    let why = why_not(&node).await;
    assert!(why.contains("not connected within"), "{why}");
}

#[tokio::test]
async fn what_is_no_handshake_is_refused() {
    let world = World::new().await;
    for (sent, expected) in [
        (&b"\xff\xffxx"[..], "a message of 65535 bytes"),
        (b"\0\x04HTTP", "begins with byte 72"),
        (b"\0\x05swhat", "the status \"what\" is unknown"),
        (b"\0\x03sok\0\x03n\0\x05", "begins with byte 110"),
        (b"\0\x03sok", "the connection broke while waiting for its challenge"),
    ] {
        let (listener, node) = hostile(&world, SOON).await;
        let (mut stream, _) = listener.accept().await.unwrap();
        read_message(&mut stream).await;
        stream.write_all(sent).await.unwrap();
        drop(stream);
        let why = why_not(&node).await;
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn a_node_that_does_not_know_the_cookie_is_refused() {
    let world = World::new().await;
    let (listener, node) = hostile(&world, SOON).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    read_message(&mut stream).await;
    write_message(&mut stream, b"sok").await;
    let mut challenge = vec![b'N'];
    challenge.extend(Flags::REQUIRED.0.to_be_bytes());
    challenge.extend([0, 0, 0, 9, 0, 0, 0, 9, 0, 17]);
    challenge.extend(b"hostile@localhost");
    write_message(&mut stream, &challenge).await;
    read_message(&mut stream).await;
    write_message(&mut stream, &[b'a'; 17]).await;
    let why = why_not(&node).await;
    assert!(why.contains("the node does not know the cookie"), "{why}");
}

#[tokio::test]
async fn a_given_name_that_is_taken_is_exchanged_for_another() {
    let world = World::new().await;
    let (listener, address) = listener().await;
    let mut target = world.target("hostile");
    target.own_name = OwnName::Dynamic { host: "localhost".to_owned() };
    target.address = address;
    // no second attempt of the actor's own within the test
    (target.timing.shortest_wait, target.timing.longest_wait) = (SOON * 10, SOON * 10);
    let _node = world.open(target);
    for refusal in [&b"salive"[..], b"snok"] {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_message(&mut stream).await;
        write_message(&mut stream, refusal).await;
    }
    let (mut stream, _) = listener.accept().await.unwrap();
    read_message(&mut stream).await;
    write_message(&mut stream, b"snamed:\0\x0eNONE@localhost\0\0\0\x07").await;
    challenge(&mut stream).await;
    assert!(stream.read_u32().await.is_ok(), "it asks who the node is");
}

#[tokio::test]
async fn frames_that_are_none_end_the_connection() {
    let world = World::new().await;
    for (sent, expected) in [
        (&b"\xff\xff\xff\xff"[..], "a frame of 4294967295 bytes"),
        (b"\0\0\0\x03\x70\x83\x68", "which was not agreed on"),
        (b"\0\0\0\x05\x83\x44\x01\x00\x07", "place 7 of the atom cache is empty"),
    ] {
        let (listener, node) = hostile(&world, SOON).await;
        let (mut stream, _) = listener.accept().await.unwrap();
        shake_hands(&mut stream).await;
        stream.write_all(sent).await.unwrap();
        let why = why_not(&node).await;
        assert!(why.contains(expected), "{why}");
    }
}

#[tokio::test]
async fn who_asks_and_does_not_read_the_answers_is_left() {
    let world = World::new().await;
    let (listener, node) = hostile(&world, SOON).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    shake_hands(&mut stream).await;
    let asks = tokio::spawn(async move {
        // {19, Pid, other_name, Reference}: to be told at once that there is none
        let mut ask = vec![0, 0, 0, 0, 131, 68, 0, 104, 4, 97, 19, 88, 119, 1, b'h'];
        ask.extend([0; 11]);
        ask.extend([9, 119, 10]);
        ask.extend(b"other_name");
        ask.extend([90, 0, 1, 119, 1, b'h', 0, 0, 0, 9, 0, 0, 0, 1]);
        let length = (ask.len() as u32 - 4).to_be_bytes();
        ask[..4].copy_from_slice(&length);
        let many = ask.repeat(1000);
        while stream.write_all(&many).await.is_ok() {}
        // it is closed only now, having read nothing
        drop(stream);
    });
    let why = why_not(&node).await;
    assert!(why.contains("does not read what it asks for"), "{why}");
    asks.await.unwrap();
}

#[tokio::test]
async fn a_node_that_does_not_read_holds_bounded_memory() {
    let world = World::new().await;
    let (running, node) = world.connected("stuck", &[]).await;
    running.signal(rustix::process::Signal::STOP);
    let eight_mib = Call::new("erlang", "byte_size", [Term::binary(vec![0; 8 << 20])]);
    let mut sent = 0;
    let refused = loop {
        match node.cast(&eight_mib, Duration::from_secs(2)).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 20, "{sent} messages of 8 MiB wait");
    };
    assert!(matches!(refused, CallError::Timeout { .. }), "{refused:?}");
    assert!(sent >= 3, "{sent}");
}
