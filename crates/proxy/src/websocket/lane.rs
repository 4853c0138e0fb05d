//! One direction of an upgraded connection.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frame::{Frames, Opcode};

/// Bytes read at a time. One buffer per core serves all of its connections: an idle one holds none.
const READ_BYTES: usize = 64 * 1024;
/// Reads in a row, before others get their turn.
const READS_PER_TURN: usize = 8;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// What is done with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Passed on.
    Relay,
    /// Passed on up to the beginning of a new message; that one is held back.
    Finish,
    /// Read, followed and thrown away: the peer has been told that we close.
    Discard,
}

/// One direction: what was read and waits to be written, and where in a message it is.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// `None`: the bytes are of no protocol that we know.
    frames: Option<Frames>,
    /// Read, not yet written.
    pending: Vec<u8>,
    /// How much of `pending` has been written.
    written: usize,
    /// The beginning of a new message, held back.
    held: Vec<u8>,
    unflushed: bool,
    /// The source has ended.
    ended: bool,
    /// The destination knows that.
    shut: bool,
    bytes: u64,
}

impl Lane {
    pub(super) fn new(frames: Option<Frames>) -> Self {
        Self { frames, ..Self::default() }
    }

    /// Moves what can be moved. Ready when the source has ended and the destination knows it; pending otherwise.
    pub(super) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        mode: Mode,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        self.release(mode);
        for _ in 0..READS_PER_TURN {
            ready!(self.poll_write_pending(cx, to))?;
            if self.ended {
                return self.poll_shut(cx, to, mode);
            }
            if !self.held.is_empty() {
                ready!(self.poll_flush(cx, to))?;
                return Poll::Pending;
            }
            ready!(self.poll_read_once(cx, from, to, mode))?;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Puts bytes of our own behind what waits to be written.
    pub(super) fn inject(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Whether everything that was passed on is written.
    pub(super) fn is_written(&self) -> bool {
        self.pending.is_empty() && !self.unflushed
    }

    /// Whether all is written, and it ends with the end of a message.
    pub(super) fn at_rest(&self) -> bool {
        self.is_written() && self.frames.as_ref().is_some_and(|frames| frames.at_message_end())
    }

    /// Whether all is written, and a control frame may follow.
    pub(super) fn may_inject(&self) -> bool {
        self.is_written()
            && !self.ended
            && self.frames.as_ref().is_some_and(|frames| frames.at_frame_end() && !frames.closing())
    }

    /// Whether the source has sent a Close frame, or is gone.
    pub(super) fn is_closing(&self) -> bool {
        self.ended || self.frames.as_ref().is_some_and(Frames::closing)
    }

    /// Whether nothing more is to come from the source that matters: its Close frame has come, or it is gone, or
    /// it does not speak the protocol.
    pub(super) fn has_answered(&self) -> bool {
        self.ended || self.frames.as_ref().is_none_or(Frames::closed)
    }

    /// Bytes passed on so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was held back goes on when the mode allows it.
    fn release(&mut self, mode: Mode) {
        if mode != Mode::Finish && !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            let passed = self.follow(&held, mode);
            self.bytes += passed as u64;
            self.pending.extend_from_slice(&held[..passed]);
        }
    }

    /// Follows the bytes; how many of them are to be passed on.
    fn follow(&mut self, bytes: &[u8], mode: Mode) -> usize {
        let Some(frames) = &mut self.frames else {
            return if mode == Mode::Discard { 0 } else { bytes.len() };
        };
        let stop = |opcode: Opcode| mode == Mode::Finish && opcode.begins_message();
        let followed = frames.follow(bytes, stop).unwrap_or_else(|_violation| {
            // the endpoints judge it; we only know no longer where we are
            self.frames = None;
            bytes.len()
        });
        if mode == Mode::Discard { 0 } else { followed }
    }

    fn poll_read_once<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        mode: Mode,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(from).poll_read(cx, &mut buffer)? {
                Poll::Pending => {
                    ready!(self.poll_flush(cx, to))?;
                    return Poll::Pending;
                }
                Poll::Ready(()) => {}
            }
            let read = buffer.filled();
            self.ended = read.is_empty();
            let passed = self.follow(read, mode);
            if mode == Mode::Finish {
                self.held.extend_from_slice(&read[passed..]);
            }
            self.bytes += passed as u64;
            self.poll_write_fresh(cx, to, &read[..passed])
        })
    }

    /// Writes straight from the read buffer; only what the destination does not take is kept.
    fn poll_write_fresh<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        bytes: &[u8],
    ) -> Poll<io::Result<()>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.unflushed = true;
        let written = match Pin::new(to).poll_write(cx, bytes)? {
            Poll::Ready(written) => written,
            Poll::Pending => 0,
        };
        self.pending.extend_from_slice(&bytes[written..]);
        Poll::Ready(Ok(()))
    }

    fn poll_write_pending<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        while self.written < self.pending.len() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.unflushed = true;
        }
        // gives the memory back: most connections are idle most of the time
        self.pending = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(to).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shut<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        mode: Mode,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx, to))?;
        if !self.shut && mode != Mode::Discard {
            ready!(Pin::new(to).poll_shutdown(cx))?;
            self.shut = true;
        }
        Poll::Ready(Ok(()))
    }
}
