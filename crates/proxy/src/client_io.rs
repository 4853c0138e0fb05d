//! The client's stream as HTTP reads and writes it, watched: it notes when a request begins and when the client takes
//! no bytes, and ends a head that takes too long. HTTP's bare answers to what it cannot parse become ours here.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::core::Core;
use crate::own_answer::{Problem, raw_answer};
use crate::rewind::Rewind;
use crate::session::{Expired, Phase, Session};
use crate::transport::Transport;

/// The client's stream.
#[derive(Debug)]
pub(crate) struct ClientIo {
    pub(crate) transport: Rewind<Transport>,
    core: Rc<Core>,
    session: Rc<Session>,
    /// HTTP has no bytes left to write.
    flushed: bool,
    /// Our own answer, not yet written.
    own: Bytes,
}

impl ClientIo {
    pub(crate) fn new(transport: Transport, core: Rc<Core>, session: Rc<Session>) -> Self {
        Self { transport: Rewind::new(transport), core, session, flushed: true, own: Bytes::new() }
    }

    /// With bytes that were read but belong to what comes next.
    pub(crate) fn put_back(mut self, bytes: Bytes) -> Self {
        self.transport = self.transport.put_back(bytes);
        self
    }

    /// Whether the client and we have agreed on HTTP/2 (RFC 9113 3.2).
    pub(crate) fn is_http2(&self) -> bool {
        self.transport.stream().is_http2()
    }

    fn begin_head(&self) {
        if matches!(self.session.phase(), Phase::New | Phase::Idle) {
            self.session.enter(Phase::Head, self.core.now());
        }
    }

    /// Says why before it ends; HTTP below has written nothing since the last answer.
    fn end_slow_head(&mut self, cx: &mut Context<'_>) -> io::Error {
        let _ = Pin::new(&mut self.transport).poll_write(cx, &raw_answer(Problem::SlowHeader));
        let _ = Pin::new(&mut self.transport).poll_flush(cx);
        io::ErrorKind::TimedOut.into()
    }

    /// What HTTP writes while a head comes, with everything before it flushed, is its own answer to a head that it
    /// cannot parse: empty, with a status only. The client gets ours in its place. True: it is put in.
    fn replace(&mut self, bytes: &[u8]) -> bool {
        let own = match own_error(bytes) {
            Some(problem) if self.flushed && self.session.phase() == Phase::Head => problem,
            _ => return false,
        };
        self.own = raw_answer(own).into();
        true
    }

    fn poll_write_own(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.own.is_empty() {
            let written = ready!(Pin::new(&mut self.transport).poll_write(cx, &self.own))?;
            self.own.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn watch<T>(&self, written: &Poll<io::Result<T>>) {
        match written {
            Poll::Pending => self.session.write_blocked.begin(self.core.now()),
            Poll::Ready(_) => self.session.write_blocked.clear(),
        }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.session.phase() == Phase::Head && self.session.expired() == Some(Expired::Head) {
            return Poll::Ready(Err(self.end_slow_head(cx)));
        }
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.transport).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            self.begin_head();
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replace(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.flushed = false;
        let written = Pin::new(&mut self.transport).poll_write(cx, bytes);
        self.watch(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [bytes] = slices
            && self.replace(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.flushed = false;
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        self.watch(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match self.poll_write_own(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.transport).poll_flush(cx),
            other => other,
        };
        self.watch(&flushed);
        self.flushed = flushed.is_ready();
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

/// What the answer to an unreadable head says.
fn own_error(bytes: &[u8]) -> Option<Problem> {
    match bytes.strip_prefix(b"HTTP/1.1 ")?.first_chunk()? {
        b"400" => Some(Problem::BadRequest),
        b"414" | b"431" => Some(Problem::HeaderTooLarge),
        _ => None,
    }
}
