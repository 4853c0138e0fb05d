//! One WebSocket, from its handshake to its end.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Method, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::client::Client;
use super::fault::{Fault, GOING_AWAY};
use super::frames::{self, Incoming, Outgoing};
use super::link::{Link, proxy_error};
use super::loss::Connection;
use super::page::wrong;
use super::tally::millis;

/// The example of RFC 6455, 1.3. A key need not be secret: it guards browsers against caches.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// We are done (RFC 6455, 7.4.1).
const DONE: u16 = 1000;

/// How long the server may take to end the connection after close frames went both ways.
const CLOSING: Duration = Duration::from_secs(5);

/// An open WebSocket.
pub(super) struct Socket {
    outgoing: Outgoing,
    incoming: mpsc::Receiver<Incoming>,
    link: Link,
    messages: u64,
}

/// What became of a socket or a message, other than a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    GoesOn,
    /// The server said 1001 where it may: between messages.
    GoneAway,
}

impl Socket {
    pub(super) async fn open(client: &Client) -> Result<Socket, (Option<Connection>, Fault)> {
        let mut link = Link::open(client).await.map_err(|fault| (None, fault))?;
        match timeout(client.plan.answer_within, handshake(&mut link)).await {
            Ok(Ok(stream)) => {
                let (outgoing, incoming) = frames::split(stream);
                Ok(Socket { outgoing, incoming, link, messages: 0 })
            }
            Ok(Err(fault)) => Err((Some(link.connection()), fault)),
            Err(_) => Err((Some(link.connection()), stalled(client, 0))),
        }
    }

    /// The connection, with the number of the message instead of that of the request.
    pub(super) fn connection(&self) -> Connection {
        Connection { request: self.messages, ..self.link.connection() }
    }

    /// What comes while no message is under way.
    pub(super) async fn next_idle(&mut self) -> Result<Course, Fault> {
        let incoming = self.next().await;
        self.take_idle(incoming).await
    }

    /// One message in frames, and its echo.
    ///
    /// The pong to a ping after the first frame proves that the server side has read that frame: a close that comes
    /// before it has met the message on the way, a close that comes after it and before the last frame is sent was
    /// said inside a message.
    pub(super) async fn echo(&mut self, client: &Client, message: &Bytes) -> Result<Course, Fault> {
        self.messages += 1;
        let mut came = 0;
        let within = client.plan.answer_within;
        match timeout(within, self.exchange(client, message, &mut came)).await {
            Ok(result) => result,
            Err(_) => Err(stalled(client, came)),
        }
    }

    /// Ends it from our side.
    pub(super) async fn close(mut self) {
        if self.outgoing.close(DONE).await.is_ok() {
            self.wait_for_end().await;
        }
    }

    /// Waits for the server to end the connection, for a short time.
    pub(super) async fn wait_for_end(mut self) {
        let end = async {
            while let Some(incoming) = self.incoming.recv().await {
                if matches!(incoming, Incoming::End { .. }) {
                    return;
                }
            }
        };
        // one that takes longer is ended by dropping it
        let _ = timeout(CLOSING, end).await;
    }

    async fn exchange(&mut self, client: &Client, message: &Bytes, came: &mut u64) -> Result<Course, Fault> {
        let frames = usize::from(client.plan.shape.message_frames);
        let mut pieces = message.chunks(message.len().div_ceil(frames)).map(|piece| message.slice_ref(piece));
        let first = pieces.next().unwrap_or_default();
        let mark = self.messages.to_be_bytes();
        let begun = match self.outgoing.data(true, false, &first).await {
            Ok(()) => self.outgoing.ping(&mark).await,
            broken => broken,
        };
        match begun {
            Ok(()) => {}
            Err(broken) => return self.why_broken(broken, "before the message was read").await,
        }
        if self.wait_for_pong(&mark).await? == Course::GoneAway {
            return Ok(Course::GoneAway);
        }
        self.send_rest(pieces.collect(), client.plan.shape.message_lasts).await?;
        self.receive_echo(message, came).await
    }

    async fn wait_for_pong(&mut self, mark: &[u8]) -> Result<Course, Fault> {
        loop {
            match self.next().await {
                Incoming::Pong(bytes) if bytes == mark => return Ok(Course::GoesOn),
                other => {
                    if self.take_idle(other).await? == Course::GoneAway {
                        return Ok(Course::GoneAway);
                    }
                }
            }
        }
    }

    async fn send_rest(&mut self, pieces: Vec<Bytes>, lasts: Duration) -> Result<(), Fault> {
        let count = pieces.len();
        let pause = lasts / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        for (number, piece) in pieces.iter().enumerate() {
            sleep(pause).await;
            while let Ok(incoming) = self.incoming.try_recv() {
                if self.take_idle(incoming).await? == Course::GoneAway {
                    return Err(Fault::Closed { code: GOING_AWAY, when: inside(number + 1, count + 1) });
                }
            }
            if let Err(broken) = self.outgoing.data(false, number + 1 == count, piece).await {
                let when = inside(number + 1, count + 1);
                return match self.why_broken(broken, &when).await? {
                    Course::GoneAway => Err(Fault::Closed { code: GOING_AWAY, when }),
                    Course::GoesOn => Err(wrong("a broken socket went on".to_owned())),
                };
            }
        }
        Ok(())
    }

    async fn receive_echo(&mut self, message: &Bytes, came: &mut u64) -> Result<Course, Fault> {
        let mut echo = Vec::with_capacity(message.len());
        loop {
            match self.next().await {
                Incoming::Data { is_last, bytes } => {
                    echo.extend_from_slice(&bytes);
                    *came = echo.len() as u64;
                    if is_last {
                        return compare(message, &echo);
                    }
                    if echo.len() > message.len() {
                        return Err(wrong(format!("an echo longer than {} bytes", message.len())));
                    }
                }
                Incoming::Close(GOING_AWAY) if !echo.is_empty() => {
                    return Err(Fault::Closed { code: GOING_AWAY, when: "inside the echo".to_owned() });
                }
                Incoming::End { cause, is_garbled: false } => {
                    return Err(self.cut(echo.len() as u64, cause));
                }
                other => {
                    if self.take_idle(other).await? == Course::GoneAway {
                        return Ok(Course::GoneAway);
                    }
                }
            }
        }
    }

    /// A frame could not be sent: what the server had said before tells why.
    async fn why_broken(&mut self, broken: Fault, when: &str) -> Result<Course, Fault> {
        loop {
            match self.next().await {
                Incoming::Close(GOING_AWAY) => return Ok(Course::GoneAway),
                Incoming::Close(code) => return Err(Fault::Closed { code, when: when.to_owned() }),
                Incoming::End { .. } => {
                    let Fault::Cut { received_bytes, cause, .. } = broken else { return Err(broken) };
                    return Err(self.cut(received_bytes, cause));
                }
                _ => {}
            }
        }
    }

    /// What may come at any time outside of an echo.
    async fn take_idle(&mut self, incoming: Incoming) -> Result<Course, Fault> {
        match incoming {
            Incoming::Ping(bytes) => self.outgoing.pong(bytes).await.map(|()| Course::GoesOn),
            Incoming::Pong(_) => Ok(Course::GoesOn),
            Incoming::Close(GOING_AWAY) => {
                // where our answer does not arrive any more, the connection ends all the same
                let _ = self.outgoing.close(GOING_AWAY).await;
                Ok(Course::GoneAway)
            }
            Incoming::Close(code) => Err(Fault::Closed { code, when: "outside of an echo".to_owned() }),
            Incoming::Data { bytes, .. } => Err(wrong(format!("{} bytes that are no echo", bytes.len()))),
            Incoming::End { cause, is_garbled: true } => Err(Fault::Garbled { cause }),
            Incoming::End { cause, is_garbled: false } => Err(self.cut(0, cause)),
        }
    }

    async fn next(&mut self) -> Incoming {
        let gone = || Incoming::End { cause: "it was over before".to_owned(), is_garbled: false };
        self.incoming.recv().await.unwrap_or_else(gone)
    }

    fn cut(&self, received_bytes: u64, cause: String) -> Fault {
        Fault::Cut { received_bytes, reset: self.link.was_reset(), cause: format!("no close frame: {cause}") }
    }
}

async fn handshake(link: &mut Link) -> Result<frames::Stream, Fault> {
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ];
    let response = link.begin(Method::GET, "/ws", &headers, Empty::new().boxed_unsync()).await?;
    if let Some(fault) = proxy_error(&response) {
        return Err(fault);
    }
    if response.status() != 101 {
        return Err(Fault::Status { status: response.status().as_u16() });
    }
    check_accept(&response)?;
    let upgraded = hyper::upgrade::on(response).await;
    let upgraded = upgraded.map_err(|error| Fault::Garbled { cause: error.to_string() })?;
    Ok(TokioIo::new(upgraded))
}

fn check_accept<T>(response: &Response<T>) -> Result<(), Fault> {
    let accept = response.headers().get("sec-websocket-accept");
    if accept.is_some_and(|value| value == ACCEPT) {
        return Ok(());
    }
    Err(wrong(format!("the handshake was answered with the key {accept:?}")))
}

fn compare(message: &[u8], echo: &[u8]) -> Result<Course, Fault> {
    if message == echo {
        return Ok(Course::GoesOn);
    }
    let first = message.iter().zip(echo).position(|(sent, came)| sent != came);
    let same = first.unwrap_or(message.len().min(echo.len()));
    Err(wrong(format!(
        "an echo of {} bytes to a message of {}, different from byte {same} on",
        echo.len(),
        message.len()
    )))
}

fn inside(sent: usize, of: usize) -> String {
    format!("inside a message, after frame {sent} of {of}")
}

fn stalled(client: &Client, received_bytes: u64) -> Fault {
    Fault::Stalled { received_bytes, within_ms: millis(client.plan.answer_within) }
}
