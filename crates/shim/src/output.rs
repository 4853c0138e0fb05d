//! The child's output on its way from the pipes to the writer.

use crate::log_writer::{self, Shared};
use crate::ring::Ring;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use wire::shim::{LogFile, Stream};

/// Newest output kept in memory for `Tail`.
const TAIL: usize = 16 * 1024;
/// Most that is read from one pipe before the other descriptors get their turn.
const TURN: usize = 256 * 1024;
/// Losses are told at most this often, in ms, for each counts as an event.
const TELL_EVERY_MS: u64 = 30_000;
/// How long after the first loss it is told, in ms: a burst becomes one event.
const TELL_AFTER_MS: u64 = 1_000;

/// What is left in a pipe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drained {
    /// Perhaps more: the turn is over.
    More,
    /// Nothing for now.
    Empty,
    /// Nobody can write to it any more.
    Ended,
}

/// Main thread's side of both logs.
pub(crate) struct Output {
    writer: Arc<Shared>,
    tail: Ring,
    buffer: Box<[u8]>,
    losses: [Losses; 2],
    /// Bytes lost in the shim's life.
    pub(crate) dropped: u64,
}

#[derive(Default)]
struct Losses {
    untold: u64,
    since: u64,
    told: u64,
}

impl Output {
    /// Starts the writer's thread.
    pub(crate) fn new() -> Result<Self, String> {
        let writer =
            log_writer::start().map_err(|error| format!("could not start the log writer: {error}"))?;
        let losses = [Losses::default(), Losses::default()];
        Ok(Self { writer, tail: Ring::new(TAIL), buffer: vec![0; 16 * 1024].into(), losses, dropped: 0 })
    }

    /// Goes on where the program before has stopped.
    pub(crate) fn go_on(&mut self, tail: &[u8], dropped: u64) {
        self.tail.push(tail);
        self.dropped = dropped;
    }

    /// Says where the logs are.
    pub(crate) fn set_files(&self, stdout: LogFile, stderr: LogFile) {
        self.writer.set_files(stdout, stderr);
    }

    /// Begins new files.
    pub(crate) fn rotate(&self) {
        self.writer.rotate();
    }

    /// The newest output.
    pub(crate) fn tail(&self, max_bytes: u32) -> Vec<u8> {
        self.tail.newest(max_bytes as usize)
    }

    /// Reads what the pipe holds, within one turn.
    pub(crate) fn drain(&mut self, stream: Stream, pipe: &OwnedFd, now: u64) -> Drained {
        let mut read = 0;
        while read < TURN {
            match rustix::io::read(pipe, &mut self.buffer[..]) {
                Ok(0) => return Drained::Ended,
                Ok(length) => {
                    self.take(stream, length, now);
                    read += length;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Drained::Empty,
                Err(_) => return Drained::Ended,
            }
        }
        Drained::More
    }

    fn take(&mut self, stream: Stream, length: usize, now: u64) {
        let bytes = &self.buffer[..length];
        self.tail.push(bytes);
        let lost = self.writer.push(stream, bytes) as u64;
        if lost > 0 {
            let losses = &mut self.losses[stream as usize];
            if losses.untold == 0 {
                losses.since = now;
            }
            losses.untold += lost;
            self.dropped += lost;
        }
    }

    /// When the next loss is due to be told.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.losses.iter().filter(|losses| losses.untold > 0).map(Losses::due).min()
    }

    /// Losses to tell now; all of them at the end of a run.
    pub(crate) fn losses(&mut self, now: u64, all: bool) -> Vec<(Stream, u64)> {
        let mut due = Vec::new();
        for stream in [Stream::Stdout, Stream::Stderr] {
            let losses = &mut self.losses[stream as usize];
            if losses.untold > 0 && (all || losses.due() <= now) {
                due.push((stream, std::mem::take(&mut losses.untold)));
                losses.told = now;
            }
        }
        due
    }

    /// Waits until everything is written, or `limit_ms` have passed; whether it is.
    pub(crate) fn flush(&self, limit_ms: u64) -> bool {
        self.writer.flush(limit_ms)
    }
}

impl Losses {
    fn due(&self) -> u64 {
        let earliest = if self.told == 0 { 0 } else { self.told + TELL_EVERY_MS };
        earliest.max(self.since + TELL_AFTER_MS)
    }
}
