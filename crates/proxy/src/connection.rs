//! A client's connection from its first byte to its end: the task that runs it.
//!
//! ```text
//! parked (a stream and a session, nothing more) ⇄ HTTP/1 ─▶ closed
//!                         │                          ├─101─▶ relayed ─▶ closed
//!                         └─ALPN─▶ HTTP/2 ◀──preface─┘
//! ```

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1::{Builder, Connection};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client_io::ClientIo;
use crate::core::{Accepted, Core};
use crate::exchange;
use crate::http2;
use crate::proxy_protocol::{self, Origin};
use crate::rewind::Rewind;
use crate::session::{Order, Phase, Session};
use crate::stream_end::Draining;
use crate::transport::Transport;
use crate::upstream::Upgraded;
use crate::websocket::{self, End};

/// Serves a client until either side closes.
pub(crate) async fn run(core: Rc<Core>, accepted: Accepted) {
    let _open = accepted.open;
    let Ok(mut stream) = TcpStream::from_std(accepted.stream) else { return };
    let mut client = accepted.peer;
    if core.table().serving.front.begins_with_header(accepted.peer) {
        match Box::pin(origin(&core, &mut stream, accepted.peer)).await {
            Some(Origin::Client(address)) => client = address,
            Some(Origin::Sender) => {}
            None => return,
        }
    }
    let session = Rc::new(Session::new(client, accepted.tls, core.now()));
    let number = core.add(&session);
    if let Some(transport) = transport(&core, &session, stream).await {
        let mut io = ClientIo::new(transport, core.clone(), session.clone());
        if io.is_http2() {
            if poll_fn(|cx| poll_parked(&session, &io, cx)).await {
                Box::pin(http2::serve(&core, &session, io)).await;
            }
            return core.remove(number);
        }
        while let Some(parked) = serve_once(&core, &session, io).await {
            io = parked;
        }
    }
    core.remove(number);
}

/// The stream below HTTP; `None`: the client or an order ended it before.
async fn transport(core: &Core, session: &Session, stream: TcpStream) -> Option<Transport> {
    stream.set_nodelay(true).ok()?;
    if !session.tls {
        return Some(Transport::Plain(stream));
    }
    let (within, http2) = {
        let front = &core.table().serving.front;
        (Duration::from_millis(front.header_timeout_ms), front.http2)
    };
    let accepted = unless_ordered(session, core.shared.tls.accept(stream, within, http2)).await;
    accepted?.ok().map(|stream| Transport::Tls(Box::new(stream)))
}

/// Whose connection it is, by its PROXY header; `None`: it cannot be served.
async fn origin(core: &Core, stream: &mut TcpStream, sender: IpAddr) -> Option<Origin> {
    let within = Duration::from_millis(core.table().serving.front.header_timeout_ms);
    let session = Rc::new(Session::new(sender, false, core.now()));
    let number = core.add(&session);
    let read = unless_ordered(&session, timeout(within, proxy_protocol::read(stream))).await;
    core.remove(number);
    match read {
        Some(Ok(Ok(origin))) => Some(origin),
        Some(Ok(Err(error))) => {
            core.shared.tell_bad_header(sender, &error);
            None
        }
        None | Some(Err(_)) => None,
    }
}

/// What comes before HTTP; `None`: an order ended it.
async fn unless_ordered<F: Future>(session: &Session, future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| {
        session.register(cx.waker());
        if session.ordered() != Order::None {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Waits for a request, then serves until the connection rests again; `None`: it has ended.
async fn serve_once(core: &Rc<Core>, session: &Rc<Session>, mut io: ClientIo) -> Option<ClientIo> {
    session.parked.set(true);
    if !poll_fn(|cx| poll_parked(session, &io, cx)).await {
        let _ = io.transport.shutdown().await;
        return None;
    }
    session.parked.set(false);
    let service = service_fn(|request| exchange::serve(core.clone(), session.clone(), request));
    let mut http = Box::new(builder(core).serve_connection(TokioIo::new(io), service));
    let mut told_to_close = false;
    let end = poll_fn(|cx| {
        session.register(cx.waker());
        if session.ordered() == Order::Cut {
            return Poll::Ready(HttpEnd::Cut);
        }
        if let Poll::Ready(result) = Pin::new(&mut *http).poll(cx) {
            return Poll::Ready(HttpEnd::Done(result));
        }
        // only now: a request that has come already is answered
        if session.ordered() == Order::Close && !told_to_close {
            told_to_close = true;
            Pin::new(&mut *http).graceful_shutdown();
            if let Poll::Ready(result) = Pin::new(&mut *http).poll(cx) {
                return Poll::Ready(HttpEnd::Done(result));
            }
        }
        if session.may_park(core.now()) && !told_to_close {
            return Poll::Ready(HttpEnd::Parked);
        }
        Poll::Pending
    })
    .await;
    finish(core, session, end, *http).await
}

enum HttpEnd {
    Done(hyper::Result<()>),
    Parked,
    Cut,
}

async fn finish<S>(
    core: &Rc<Core>,
    session: &Rc<Session>,
    end: HttpEnd,
    http: Connection<TokioIo<ClientIo>, S>,
) -> Option<ClientIo>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = crate::response_body::ResponseBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let result = match end {
        HttpEnd::Cut => return None,
        HttpEnd::Parked => {
            let parts = http.into_parts();
            let io = parts.io.into_inner();
            return Some(io.put_back(parts.read_buf));
        }
        HttpEnd::Done(result) => result,
    };
    let parts = http.into_parts();
    let mut io = parts.io.into_inner();
    if let Err(error) = result {
        if parts.read_buf.starts_with(http2::PREFACE) && core.table().serving.front.http2 {
            Box::pin(http2::serve(core, session, io.put_back(parts.read_buf))).await;
            return None;
        }
        if error.is_parse() {
            core.shared.unrouted.fetch_add(1, Ordering::Relaxed);
            linger(&mut io).await;
        }
        return None;
    }
    let upgraded = session.upgraded.borrow_mut().take();
    match upgraded {
        Some(upgraded) => relay(core, session, io.transport, parts.read_buf, upgraded).await,
        None if session.linger.get() => linger(&mut io).await,
        None => {}
    }
    None
}

/// Ready when there is something to read (true), or the connection is to be closed.
fn poll_parked(session: &Session, io: &ClientIo, cx: &mut Context<'_>) -> Poll<bool> {
    session.register(cx.waker());
    match session.ordered() {
        Order::Cut => Poll::Ready(false),
        // a request that has come already is answered
        Order::Close => Poll::Ready(io.transport.poll_readable(cx).is_ready()),
        Order::None => io.transport.poll_readable(cx).map(|()| true),
    }
}

fn builder(core: &Core) -> Builder {
    let front = &core.table().serving.front;
    let mut builder = Builder::new();
    builder
        // the session's marks do this, without a timer for each connection
        .header_read_timeout(None)
        .max_header_size(front.max_header_bytes)
        .max_buf_size(front.max_header_bytes.max(BUFFER_BYTES));
    builder
}

/// Bytes that are read ahead or not yet written, per connection and direction.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long and how much is read and thrown away, so that the client gets our last answer before a reset
/// (RFC 9112 9.6).
const LINGER_WITHIN: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

async fn linger(io: &mut ClientIo) {
    let discard = async {
        let _ = io.transport.shutdown().await;
        let mut buffer = vec![0; 16 * 1024];
        let mut rest = LINGER_BYTES;
        while let Ok(read @ 1..) = io.transport.read(&mut buffer).await {
            rest = rest.saturating_sub(read);
            if rest == 0 {
                return;
            }
        }
    };
    let _ = timeout(LINGER_WITHIN, discard).await;
}

/// What follows a 101.
async fn relay(
    core: &Rc<Core>,
    session: &Rc<Session>,
    client: Rewind<Transport>,
    read_ahead: Bytes,
    upgraded: Upgraded,
) {
    session.enter(Phase::Upgraded, core.now());
    let Upgraded { mut upstream, in_flight, protocol } = upgraded;
    // it has ended with the 101; this lets it notice
    poll_fn(|cx| upstream.poll(cx)).await;
    let (instance, instance_read_ahead) = upstream.into_stream();
    let backend = in_flight.backend();
    backend.backend.instance.begin_upgraded();
    let mut relaying = std::pin::pin!(websocket::relay(
        client.put_back(read_ahead),
        Rewind::new(instance).put_back(instance_read_ahead),
        protocol,
        session.clone().draining(),
        Draining::share(),
    ));
    let relayed = poll_fn(|cx| {
        session.register(cx.waker());
        // it goes first, so that even one that was kept waiting can say goodbye
        match relaying.as_mut().poll(cx) {
            Poll::Ready(relayed) => Poll::Ready(Some(relayed)),
            Poll::Pending if session.ordered() == Order::Cut => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    if let Some(relayed) = relayed {
        let counts = backend.counts();
        counts.bytes_in.add(relayed.bytes_in);
        counts.bytes_out.add(relayed.bytes_out);
        match relayed.end {
            End::Cut => counts.cut.add(1),
            End::GoneAway => counts.websockets_closed.add(1),
            End::Peers | End::Failed(_) => {}
        }
    }
    backend.backend.instance.end_upgraded();
}
