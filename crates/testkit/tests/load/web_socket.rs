//! WebSockets: only 1001 between messages is an end that loses nothing.

use std::time::Duration;

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocket};
use testkit::load::{Fault, Kind, Plan, Report, Shape};
use tokio::net::TcpStream;

use crate::server::{Peer, Server};
use crate::{assert_lost, plan, run};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The server's side of an open WebSocket.
struct Open {
    socket: WebSocket<TcpStream>,
    /// The connection's, counted from 0.
    number: usize,
    /// What came of a message.
    message: Vec<u8>,
}

impl Open {
    /// Reads a frame, and whether it was a message's last; pings are answered.
    async fn frame(&mut self) -> Option<bool> {
        loop {
            let frame = self.socket.read_frame().await.ok()?;
            match frame.opcode {
                OpCode::Close => return None,
                OpCode::Binary | OpCode::Continuation => {
                    self.message.extend_from_slice(&frame.payload);
                    return Some(frame.fin);
                }
                _ => {}
            }
        }
    }

    /// Reads so many frames of a message. The ping after the first is answered when the second is waited for.
    async fn frames(&mut self, number: usize) {
        for _ in 0..number {
            self.frame().await;
        }
    }

    /// Reads a whole message.
    async fn message(&mut self) -> Option<Vec<u8>> {
        while !self.frame().await? {}
        Some(std::mem::take(&mut self.message))
    }

    async fn send(&mut self, is_last: bool, opcode: OpCode, bytes: &[u8]) {
        let frame = Frame::new(is_last, opcode, None, Payload::Owned(bytes.to_vec()));
        let _ = self.socket.write_frame(frame).await;
    }

    async fn close(&mut self, code: u16) {
        let _ = self.socket.write_frame(Frame::close(code, b"")).await;
        // until the client has closed too
        while self.socket.read_frame().await.is_ok_and(|frame| frame.opcode != OpCode::Close) {}
    }

    async fn echo_for_ever(&mut self) {
        while let Some(message) = self.message().await {
            self.send(true, OpCode::Binary, &message).await;
        }
    }
}

/// Accepts the handshake, then does this.
async fn serving<F, R>(serve: F) -> Server
where
    F: Fn(Open) -> R + Clone + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    Server::start(move |mut peer: Peer| {
        let serve = serve.clone();
        async move {
            if peer.request().await.is_some() {
                peer.send(ACCEPTED).await;
                let number = peer.number;
                let mut socket = WebSocket::after_handshake(peer.stream, Role::Server);
                socket.set_auto_close(false);
                serve(Open { socket, number, message: Vec::new() }).await;
            }
        }
    })
    .await
}

/// Four messages over one socket at a time.
fn messages(server: &Server) -> Plan {
    let shape = Shape {
        message_bytes: 100_000,
        message_frames: 4,
        message_lasts: Duration::from_millis(30),
        ..Shape::default()
    };
    Plan { shape, rate: 20, ..plan(server, Kind::WebSocket) }
}

#[track_caller]
fn assert_closed(report: &Report, lost: u64, code: u16, when: &str) {
    assert_lost(report, lost, "closed");
    for loss in &report.losses {
        let Fault::Closed { code: told, when: place } = &loss.fault else { panic!("{report}") };
        assert!(*told == code && place.contains(when), "{report}");
    }
}

#[tokio::test]
async fn echoes_lose_nothing() {
    let server = serving(|mut open| async move { open.echo_for_ever().await }).await;
    let report = run(messages(&server)).await;
    report.assert_nothing_lost();
    assert_eq!(report.kinds[&Kind::WebSocket].answered, 4, "{report}");
    assert_eq!(report.kinds[&Kind::Socket].sent, 1, "{report}");
}

#[tokio::test]
async fn an_echo_may_come_in_fragments() {
    let server = serving(|mut open| async move {
        while let Some(message) = open.message().await {
            let (head, tail) = message.split_at(10);
            open.send(false, OpCode::Binary, head).await;
            open.send(true, OpCode::Continuation, tail).await;
        }
    })
    .await;
    run(messages(&server)).await.assert_nothing_lost();
}

#[tokio::test]
async fn going_away_between_messages_makes_the_client_come_again() {
    let server = serving(|mut open| async move {
        let message = open.message().await.unwrap_or_default();
        open.send(true, OpCode::Binary, &message).await;
        open.close(1001).await;
    })
    .await;
    let report = run(messages(&server)).await;
    report.assert_nothing_lost();
    assert_eq!(report.kinds[&Kind::WebSocket].answered, 4, "{report}");
    // after the last message either side may be first
    assert!(report.socket_ends >= 3, "{report}");
}

#[tokio::test]
async fn a_message_that_meets_the_close_is_sent_again() {
    let server = serving(|mut open| async move {
        if open.number == 0 {
            // the frame is there, but its ping is not answered: the close was said before
            open.socket.set_auto_pong(false);
            open.frame().await;
            open.close(1001).await;
        }
        open.echo_for_ever().await;
    })
    .await;
    let report = run(messages(&server)).await;
    report.assert_nothing_lost();
    assert_eq!((report.crossed_closes, report.socket_ends), (1, 1), "{report}");
    assert_eq!(report.kinds[&Kind::WebSocket].answered, 4, "{report}");
}

#[tokio::test]
async fn a_server_that_always_goes_away_loses_the_message() {
    let server = serving(|mut open| async move {
        open.message().await;
        open.close(1001).await;
    })
    .await;
    let report = run(messages(&server)).await;
    assert_closed(&report, 4, 1001, "times");
    assert_eq!(report.crossed_closes, 8, "{report}");
}

#[tokio::test]
async fn going_away_inside_a_message_is_a_loss() {
    let server = serving(|mut open| async move {
        open.frames(2).await;
        open.close(1001).await;
    })
    .await;
    // slow enough for the close to come between two frames
    let fast = messages(&server);
    let shape = Shape { message_lasts: Duration::from_secs(2), ..fast.shape.clone() };
    let report = run(Plan { shape, lasts: Duration::from_millis(100), ..fast }).await;
    assert_closed(&report, 2, 1001, "inside a message");
}

#[tokio::test]
async fn going_away_inside_an_echo_is_a_loss() {
    let server = serving(|mut open| async move {
        if let Some(message) = open.message().await {
            open.send(false, OpCode::Binary, &message[..10]).await;
            open.close(1001).await;
        }
    })
    .await;
    assert_closed(&run(messages(&server)).await, 4, 1001, "inside the echo");
}

#[tokio::test]
async fn every_other_close_is_a_loss() {
    for code in [1000, 1011, 1012] {
        let idle = serving(move |mut open| async move { open.close(code).await }).await;
        let report = run(plan(&idle, Kind::Socket)).await;
        assert!(report.lost > 0 && report.faults.get("closed") == Some(&report.lost), "{report}");

        let busy = serving(move |mut open| async move {
            open.message().await;
            open.close(code).await;
        })
        .await;
        assert_closed(&run(messages(&busy)).await, 4, code, "");
    }
}

#[tokio::test]
async fn a_socket_cut_without_a_close_is_a_loss() {
    let idle = serving(|_open| async {}).await;
    let report = run(plan(&idle, Kind::Socket)).await;
    assert!(report.lost > 0 && report.faults.get("cut") == Some(&report.lost), "{report}");

    for frames in [1, 2, 4] {
        let busy = serving(move |mut open| async move { open.frames(frames).await }).await;
        assert_lost(&run(messages(&busy)).await, 4, "cut");
    }
}

#[tokio::test]
async fn a_wrong_echo_is_a_loss() {
    for change in [
        (|message: &mut Vec<u8>| message[50_000] ^= 1) as fn(&mut Vec<u8>),
        |message| message.truncate(99_999),
        |message| message.push(0),
        Vec::clear,
    ] {
        let server = serving(move |mut open| async move {
            while let Some(mut message) = open.message().await {
                change(&mut message);
                open.send(true, OpCode::Binary, &message).await;
            }
        })
        .await;
        assert_lost(&run(messages(&server)).await, 4, "wrong");
    }
}

#[tokio::test]
async fn what_are_no_frames_is_a_loss() {
    let server = Server::start(|mut peer: Peer| async move {
        peer.request().await;
        peer.send(ACCEPTED).await;
        // reserved bits
        peer.send([0xF2, 0x01, 0x00]).await;
        peer.wait_until_gone().await;
    })
    .await;
    let report = run(plan(&server, Kind::Socket)).await;
    assert!(report.lost > 0 && report.faults.get("garbled") == Some(&report.lost), "{report}");
}

#[tokio::test]
async fn a_handshake_without_the_right_key_is_a_loss() {
    let server = Server::start(|mut peer: Peer| async move {
        peer.request().await;
        peer.send(ACCEPTED.replace("s3pPLM", "xxxxxx")).await;
        peer.wait_until_gone().await;
    })
    .await;
    let report = run(plan(&server, Kind::Socket)).await;
    assert!(report.lost > 0 && report.faults.get("wrong") == Some(&report.lost), "{report}");
}
