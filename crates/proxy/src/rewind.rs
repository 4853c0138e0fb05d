//! A stream with bytes that were read ahead of it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::Transport;

/// Gives the bytes read ahead first.
#[derive(Debug)]
pub(crate) struct Rewind<S> {
    stream: S,
    ahead: Bytes,
}

impl<S> Rewind<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, ahead: Bytes::new() }
    }

    pub(crate) fn stream(&self) -> &S {
        &self.stream
    }

    /// With bytes that were read ahead; what was put back before must have been read.
    pub(crate) fn put_back(self, ahead: Bytes) -> Self {
        debug_assert!(self.ahead.is_empty() || ahead.is_empty(), "bytes would be lost");
        if ahead.is_empty() { self } else { Self { ahead, ..self } }
    }
}

impl Rewind<Transport> {
    /// Ready when reading would give something, be it the end; no memory is held meanwhile.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ahead.is_empty() { self.stream.poll_readable(cx) } else { Poll::Ready(()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewind<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.ahead.len().min(buffer.remaining());
        buffer.put_slice(&self.ahead[..length]);
        self.ahead.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewind<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
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
