//! The client's stream as HTTP reads and writes it, watched: it notes when a request begins and when the client takes
//! no bytes, and ends a head that takes too long.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
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
}

impl ClientIo {
    pub(crate) fn new(transport: Transport, core: Rc<Core>, session: Rc<Session>) -> Self {
        Self { transport: Rewind::new(transport), core, session }
    }

    /// With bytes that were read but belong to what comes next.
    pub(crate) fn put_back(mut self, bytes: Bytes) -> Self {
        self.transport = self.transport.put_back(bytes);
        self
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
        let written = Pin::new(&mut self.transport).poll_write(cx, bytes);
        self.watch(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        self.watch(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.watch(&flushed);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
