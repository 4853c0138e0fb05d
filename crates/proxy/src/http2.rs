//! HTTP/2 towards a client (RFC 9113), agreed on within TLS or begun with its preface ("prior knowledge").
//!
//! Each request is a stream: a task with a session of its own, so that all limits, drains and orders hold for it as
//! they do for a connection of HTTP/1. The connection's session knows how many there are, and is idle without any.
//!
//! What RFC 9113 10.5 warns of is bounded here: streams at a time, headers, what is buffered, and resets.

mod body;
mod streams;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use self::streams::Streams;
use crate::client_io::ClientIo;
use crate::core::Core;
use crate::session::{Order, Phase, Session};

/// What a client's connection begins with (RFC 9113 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Requests of a connection at a time; RFC 9113 5.1.2 recommends at least 100.
const MAX_STREAMS: u32 = 128;
/// Bytes of a request's body that a client may send before they are taken,
const STREAM_WINDOW: u32 = 128 * 1024;
/// and of all requests of a connection together: what a connection can make us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The least that RFC 9113 4.2 allows: longer frames would only be copied in larger pieces.
const FRAME_BYTES: u32 = 16 * 1024;
/// Bytes of an answer that wait for the client, per stream.
const SEND_BYTES: usize = 64 * 1024;
/// Streams that the client has reset before we had even looked at them; more end the connection (CVE-2023-44487).
const MAX_UNSEEN_RESETS: usize = 20;
/// Streams that we have reset because of what the client did there; more end the connection.
const MAX_OWN_RESETS: usize = 100;
/// A client that says nothing is asked whether it is there this often,
const PING_EVERY: Duration = Duration::from_secs(30);
/// and must answer within this.
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// Serves until either side closes.
pub(crate) async fn serve(core: &Rc<Core>, session: &Rc<Session>, io: ClientIo) {
    session.enter(Phase::Multiplexed, core.now());
    let streams = Streams::new(core.clone(), session.clone());
    let service = service_fn({
        let streams = streams.clone();
        move |request| streams.serve(request)
    });
    let mut http = Box::pin(builder(core, streams).serve_connection(TokioIo::new(io), service));
    let mut told_to_close = false;
    poll_fn(|cx| {
        session.register(cx.waker());
        if session.ordered() == Order::Cut {
            return Poll::Ready(());
        }
        if session.ordered() == Order::Close && !told_to_close {
            told_to_close = true;
            // GOAWAY, which takes what is on its way already (RFC 9113 6.8); then streams finish
            http.as_mut().graceful_shutdown();
        }
        // its errors are the client's: there is nobody to tell
        http.as_mut().poll(cx).map(drop)
    })
    .await;
}

fn builder(core: &Core, streams: Streams) -> Builder<Streams> {
    let front = &core.table().serving.front;
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(front.max_header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES)
        .max_send_buf_size(SEND_BYTES)
        .max_pending_accept_reset_streams(MAX_UNSEEN_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PONG_WITHIN);
    builder
}
