//! An HTTP/2 connection to a backend, which speaks it without TLS by prior knowledge (RFC 9113 3.3): the requests of a
//! core share it. It has a task of its own, which ends with its last user.

use std::cell::Cell;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use crate::request_body::{AttemptBody, Wanted};
use crate::upstream::{ConnectError, connect_stream};

/// Requests on a connection at a time: what RFC 9113 5.1.2 asks of any server. More get another connection.
const MAX_STREAMS: u32 = 100;
/// Bytes of an answer that an instance may send before they are taken,
const STREAM_WINDOW: u32 = 256 * 1024;
/// and of all answers of a connection together.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// A connection.
#[derive(Debug)]
pub(crate) struct SharedUpstream {
    sender: SendRequest<AttemptBody>,
    streams: Cell<u32>,
    /// When it last had a request; ms of the core's clock.
    used: Cell<u64>,
}

/// A request's use of a connection, which lives as long as anybody uses it.
#[derive(Debug)]
pub(crate) struct SharedUse {
    upstream: Rc<SharedUpstream>,
    /// HTTP sends the request's body in a task of its own.
    wanted: Rc<Wanted>,
}

impl SharedUpstream {
    /// A new connection.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Rc<Self>, ConnectError> {
        let stream = connect_stream(address).await?;
        let mut builder = Builder::new(OnThisThread);
        builder
            .initial_max_send_streams(MAX_STREAMS as usize)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ConnectError::Connect { address, source: io::Error::other(error) })?;
        // its error reaches whoever waits for a response or reads a body
        tokio::task::spawn_local(async move { drop(connection.await) });
        Ok(Rc::new(Self { sender, streams: Cell::new(0), used: Cell::new(0) }))
    }

    /// Whether it can take a request.
    pub(crate) fn has_room(&self) -> bool {
        !self.sender.is_closed() && self.streams.get() < MAX_STREAMS
    }

    /// Whether it is of use to somebody, or was within `ms`.
    pub(crate) fn is_of_use(&self, now: u64, ms: u64) -> bool {
        !self.sender.is_closed() && (self.streams.get() > 0 || now.saturating_sub(self.used.get()) < ms)
    }

    /// Counts a request there.
    pub(crate) fn begin(self: &Rc<Self>, now: u64) -> SharedUse {
        self.streams.set(self.streams.get() + 1);
        self.used.set(now);
        SharedUse { upstream: self.clone(), wanted: Rc::default() }
    }
}

impl SharedUse {
    /// Sends a request.
    pub(crate) fn send(
        &self,
        request: Request<AttemptBody>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let request = request.map(|body| body.while_wanted(&self.wanted));
        self.upstream.sender.clone().send_request(request)
    }
}

impl Drop for SharedUse {
    fn drop(&mut self) {
        self.upstream.streams.set(self.upstream.streams.get() - 1);
        self.wanted.no_longer();
    }
}

/// What became of a request that got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The instance has not looked at it.
    Unseen,
    /// Nobody knows.
    Unknown,
    /// What came was no HTTP/2.
    Invalid,
}

/// What an error says of the request.
pub(crate) fn fate(error: &hyper::Error) -> Fate {
    if error.is_canceled() {
        return Fate::Unseen;
    }
    let mut cause = error.source();
    while let Some(source) = cause {
        if let Some(error) = source.downcast_ref::<h2::Error>() {
            return fate_by(error);
        }
        cause = source.source();
    }
    Fate::Unknown
}

fn fate_by(error: &h2::Error) -> Fate {
    // RFC 9113 8.7: REFUSED_STREAM, and streams beyond the last one that GOAWAY names
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    if error.is_remote() && (refused || (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)))
    {
        Fate::Unseen
    } else if error.is_library() {
        Fate::Invalid
    } else {
        Fate::Unknown
    }
}

/// Runs what HTTP needs beside on the core's own thread.
#[derive(Clone, Copy, Debug)]
struct OnThisThread;

impl<F: Future + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move { drop(future.await) });
    }
}
