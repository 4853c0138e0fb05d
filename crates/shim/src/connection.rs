//! One connection of a daemon: bytes in and out, never waiting.

use rustix::io::Errno;
use std::os::fd::OwnedFd;
use wire::DecodeError;
use wire::frame::{self, MAX_FRAME};
use wire::shim::{Answer, Command, Refusal, Refused};

/// Answers that a daemon may leave unread before its connection is closed: more than the largest, twice.
const MOST_UNREAD: usize = 2 * MAX_FRAME;
/// Events are added only while less than this is unread.
const EVENTS_BELOW: usize = 16 * 1024;
/// Buffers larger than this are given back once empty: the environment came through here.
const KEEP: usize = 4 * 1024;

/// A connection.
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    /// A Hello was accepted.
    pub(crate) welcomed: bool,
    /// Close as soon as everything is written.
    pub(crate) closing: bool,
    /// Where the next event to send lies in the log.
    pub(crate) cursor: Cursor,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// A place in the event log.
#[derive(Default)]
pub(crate) struct Cursor {
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    /// Events above this are to be sent.
    pub(crate) after: u64,
}

/// A whole frame that came.
pub(crate) struct Request {
    pub(crate) number: u64,
    /// `None`: a type this version does not know.
    pub(crate) command: Option<Command>,
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        let (input, output) = (Vec::new(), Vec::new());
        Self { socket, welcomed: false, closing: false, cursor: Cursor::default(), input, output }
    }

    /// Reads what has come; `false`: the other end is gone.
    pub(crate) fn receive(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            if self.input.len() > MAX_FRAME + buffer.len() {
                return true; // a whole frame is there: it is taken first
            }
            match rustix::io::read(&self.socket, &mut buffer) {
                Ok(0) => return false,
                Ok(length) => self.input.extend_from_slice(&buffer[..length]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
    }

    /// The next whole request.
    pub(crate) fn next_request(&mut self) -> Result<Option<Request>, DecodeError> {
        if self.closing {
            return Ok(None);
        }
        let Some((frame, used)) = frame::split(&self.input)? else { return Ok(None) };
        let request = Request { number: frame.request, command: Command::from_frame(&frame)? };
        self.input.drain(..used);
        if self.input.is_empty() && self.input.capacity() > KEEP {
            self.input = Vec::new();
        }
        Ok(Some(request))
    }

    /// Puts an answer into the way out.
    pub(crate) fn answer(&mut self, request: u64, answer: &Answer) {
        if answer.put_frame(request, &mut self.output).is_err() || self.output.len() > MOST_UNREAD {
            self.output.clear();
            self.closing = true;
        }
    }

    pub(crate) fn refuse(&mut self, request: u64, refusal: Refusal, text: impl Into<String>) {
        self.answer(request, &Answer::Refused(Refused { refusal, text: text.into() }));
    }

    /// Whether there is room for another event.
    pub(crate) fn takes_events(&self) -> bool {
        self.welcomed && !self.closing && self.output.len() < EVENTS_BELOW
    }

    pub(crate) fn wants_to_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Writes what the socket takes; `false`: the connection is over.
    pub(crate) fn send(&mut self) -> bool {
        let mut written = 0;
        let alive = loop {
            if written == self.output.len() {
                break !self.closing;
            }
            match rustix::net::send(&self.socket, &self.output[written..], rustix::net::SendFlags::NOSIGNAL) {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break true,
                Err(_) => break false,
            }
        };
        self.output.drain(..written);
        if self.output.is_empty() && self.output.capacity() > KEEP {
            self.output = Vec::new();
        }
        alive
    }
}
