//! A connection to a backend. It has no task of its own: whoever uses it polls it along with what it waits for, so a
//! request is served within one task, and one that rests in the pool costs nothing.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::io::Errno;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::in_flight::InFlight;
use crate::request_body::AttemptBody;
use crate::websocket::Protocol;

/// Backends are near: one that does not take a connection within this has more than it can do.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a request may wait for a descriptor: nothing of it was sent, so it waits as one in the kernel's queue would.
const DESCRIPTOR_WITHIN: Duration = Duration::from_secs(30);
/// Between two attempts to get a descriptor.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// An HTTP/1.1 connection to a backend.
#[derive(Debug)]
pub(crate) struct Upstream {
    sender: SendRequest<AttemptBody>,
    connection: Connection<TokioIo<BackendIo>, AttemptBody>,
    /// `connection` has ended and must not be polled again.
    ended: bool,
    traffic: Rc<Traffic>,
    /// When it was last used; ms of the core's clock.
    pub(crate) idle_since: u64,
}

/// Bytes that went over a connection since its last request began.
#[derive(Debug, Default)]
struct Traffic {
    written: Cell<bool>,
    read: Cell<bool>,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("could not connect to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("{address} did not take a connection within {} s", CONNECT_WITHIN.as_secs())]
    Slow { address: SocketAddr },
}

impl ConnectError {
    /// Nobody listens there.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Connect { source, .. } if source.kind() == io::ErrorKind::ConnectionRefused)
    }
}

impl Upstream {
    /// A new connection.
    pub(crate) async fn connect(address: SocketAddr) -> Result<Box<Self>, ConnectError> {
        let failed = |source| ConnectError::Connect { address, source };
        let stream = connect_stream(address).await?;
        let traffic = Rc::new(Traffic::default());
        let io = TokioIo::new(BackendIo { stream, traffic: traffic.clone() });
        let (sender, connection) =
            Builder::new().handshake(io).await.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Box::new(Self { sender, connection, ended: false, traffic, idle_since: 0 }))
    }

    /// Whether it has not ended, as far as is known without waiting. Whatever waited for it before is forgotten.
    pub(crate) fn is_open(&mut self) -> bool {
        // Nobody is to be woken by a connection at rest, nor by what the next request puts into it.
        let _ = self.poll(&mut Context::from_waker(Waker::noop()));
        !self.ended
    }

    /// Whether it can take a request.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Lets it read and write.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Ready(());
        }
        // its error reaches whoever waits for the response or reads its body
        let _ = ready!(self.connection.poll_without_shutdown(cx));
        self.ended = true;
        Poll::Ready(())
    }

    /// Sends a request; the future is to be polled together with [`Self::poll`].
    pub(crate) fn send(
        &mut self,
        request: Request<AttemptBody>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        self.traffic.written.set(false);
        self.traffic.read.set(false);
        self.sender.send_request(request)
    }

    /// Whether bytes of the request have been written.
    pub(crate) fn has_written(&self) -> bool {
        self.traffic.written.get()
    }

    /// Whether bytes of an answer have come.
    pub(crate) fn has_read(&self) -> bool {
        self.traffic.read.get()
    }

    /// Takes the stream back after a 101, with what was read beyond its head.
    pub(crate) fn into_stream(self) -> (TcpStream, Bytes) {
        let parts = self.connection.into_parts();
        (parts.io.into_inner().stream, parts.read_buf)
    }
}

/// A stream to a backend. Where there is no descriptor for it, waits for one.
pub(crate) async fn connect_stream(address: SocketAddr) -> Result<TcpStream, ConnectError> {
    let failed = |source| ConnectError::Connect { address, source };
    let last = Instant::now() + DESCRIPTOR_WITHIN;
    loop {
        let connecting = timeout(CONNECT_WITHIN, TcpStream::connect(address));
        match connecting.await.map_err(|_| ConnectError::Slow { address })? {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) if has_no_descriptor(&error) && Instant::now() < last => sleep(LOOK_AGAIN).await,
            Err(error) => return Err(failed(error)),
        }
    }
}

fn has_no_descriptor(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// What is left to relay after a 101.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) upstream: Box<Upstream>,
    pub(crate) in_flight: InFlight,
    /// What the instance has switched to.
    pub(crate) protocol: Protocol,
}

/// The stream, watched.
#[derive(Debug)]
struct BackendIo {
    stream: TcpStream,
    traffic: Rc<Traffic>,
}

impl AsyncRead for BackendIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.traffic.read.set(true);
        }
        Poll::Ready(result)
    }
}

impl BackendIo {
    fn written(&self, result: io::Result<usize>) -> Poll<io::Result<usize>> {
        if result.is_ok() {
            self.traffic.written.set(true);
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for BackendIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices));
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
