//! From frames to messages: headers, control messages, and long messages that come in fragments.
//!
//! Pure: bytes in, messages out, and what is held is bounded. A message that is too long is thrown away while it
//! comes, and its receiver is told as soon as that is known; the connection lives on.

use std::collections::HashMap;

use beam::etf::{self, DecodeError, Decoder};
use bytes::{Buf, Bytes};

use crate::control::Signal;
use crate::header::{AtomCache, HeaderError};
use crate::payload::{MOST_BYTES, Payload};

/// Version byte of every distribution header.
const VERSION: u8 = 131;
const DIST_HEADER: u8 = 68;
const FIRST_FRAGMENT: u8 = 69;
const FRAGMENT: u8 = 70;

/// Most messages that come in fragments at once: each sending process of the node may have one.
const MOST_SEQUENCES: usize = 4096;
/// Most atoms that are remembered on one connection.
const MOST_ATOMS: usize = 1 << 14;
/// Longest control message: reasons of exits are payloads, so that none has more than some pids and references, and a
/// `SPAWN_REQUEST` its options.
const MOST_CONTROL_BYTES: usize = 16 << 10;

/// How much of what a peer sends is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest frame. Nodes send fragments of some 64 KiB.
    pub frame_bytes: usize,
    /// Longest message; a longer one is thrown away. Above 64 MiB, which is the most that is decoded, it is that.
    pub message_bytes: usize,
    /// How much of messages that are still coming is held on one connection; beyond it they are thrown away.
    pub unfinished_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame_bytes: 16 << 20, message_bytes: MOST_BYTES, unfinished_bytes: 256 << 20 }
    }
}

/// A frame that breaks the protocol: there is no use in reading on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Neither a header nor a fragment.
    #[error("a frame begins with bytes {0} and {1}, which was not agreed on")]
    Kind(u8, u8),
    /// It ends too early.
    #[error("a frame ends too early")]
    Short,
    /// Its atoms.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Its control message.
    #[error("a control message cannot be read: {0}")]
    Control(DecodeError),
    /// A fragment that does not follow the one before it.
    #[error("fragment {found} of sequence {sequence} came where {expected} was due")]
    Order {
        /// Which message.
        sequence: u64,
        /// Which fragment was due; 0 when none was.
        expected: u64,
        /// Which came.
        found: u64,
    },
    /// Too many messages at once.
    #[error("more than {MOST_SEQUENCES} messages come in fragments at once")]
    Sequences,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is.
    pub(crate) signal: Signal,
    /// What comes with it.
    pub payload: Option<Payload>,
}

/// Makes messages from the frames of one connection.
#[derive(Debug)]
pub struct Assembly {
    limits: Limits,
    decoder: Decoder,
    cache: AtomCache,
    unfinished: HashMap<u64, Unfinished>,
    unfinished_bytes: usize,
}

#[derive(Debug)]
struct Unfinished {
    /// What came of it; nothing when it was too long, which its receiver knows by now.
    begun: Option<(Signal, Payload)>,
    /// The next fragment's number; they count down to 1.
    due: u64,
}

impl Assembly {
    /// With nothing come yet.
    pub fn new(mut limits: Limits) -> Self {
        limits.message_bytes = limits.message_bytes.min(MOST_BYTES);
        let control = etf::Limits { atoms: MOST_ATOMS, ..etf::Limits::default() };
        Self {
            limits,
            decoder: Decoder::new(control),
            cache: AtomCache::default(),
            unfinished: HashMap::new(),
            unfinished_bytes: 0,
        }
    }

    /// Takes a frame without its length; returns the message that it completes, or of which it is known by now that it
    /// is too long. Ticks, which are empty, complete none.
    ///
    /// # Errors
    /// When the frame breaks the protocol.
    pub fn take(&mut self, mut frame: Bytes) -> Result<Option<Message>, FrameError> {
        if frame.is_empty() {
            return Ok(None);
        }
        let mut byte = || frame.try_get_u8().map_err(|_| FrameError::Short);
        match (byte()?, byte()?) {
            (VERSION, DIST_HEADER) => self.begin(frame).map(|(signal, payload)| {
                let payload = (payload.length() > 0).then_some(payload);
                Some(Message { signal, payload })
            }),
            (VERSION, FIRST_FRAGMENT) => {
                let (sequence, number) = fragment_ids(&mut frame)?;
                self.first(sequence, number, frame)
            }
            (VERSION, FRAGMENT) => {
                let (sequence, number) = fragment_ids(&mut frame)?;
                self.next(sequence, number, frame)
            }
            (first, second) => Err(FrameError::Kind(first, second)),
        }
    }

    /// How many bytes of unfinished messages are held.
    pub fn held_bytes(&self) -> usize {
        self.unfinished_bytes
    }

    /// What the control message says, and what follows them.
    fn begin(&mut self, mut frame: Bytes) -> Result<(Signal, Payload), FrameError> {
        let frame_bytes = frame.len();
        let atoms = self.cache.read(&mut frame, self.decoder.atoms())?;
        let head = frame.slice(..frame.len().min(MOST_CONTROL_BYTES));
        let mut rest = head.clone();
        let control = self.decoder.term(&mut rest, &atoms).map_err(FrameError::Control)?;
        frame.advance(head.len() - rest.len());
        Ok((Signal::read(&control), Payload::new(frame, frame_bytes, atoms)))
    }

    fn first(&mut self, sequence: u64, number: u64, frame: Bytes) -> Result<Option<Message>, FrameError> {
        if self.unfinished.contains_key(&sequence) || number == 0 {
            return Err(FrameError::Order { sequence, expected: 0, found: number });
        }
        if self.unfinished.len() >= MOST_SEQUENCES {
            return Err(FrameError::Sequences);
        }
        let (signal, payload) = self.begin(frame)?;
        self.unfinished_bytes += payload.weight();
        Ok(self.hold_or_hand_over(sequence, number - 1, signal, payload))
    }

    fn next(&mut self, sequence: u64, number: u64, frame: Bytes) -> Result<Option<Message>, FrameError> {
        let Some(unfinished) = self.unfinished.remove(&sequence) else {
            return Err(FrameError::Order { sequence, expected: 0, found: number });
        };
        if unfinished.due != number {
            return Err(FrameError::Order { sequence, expected: unfinished.due, found: number });
        }
        let due = number - 1;
        let Some((signal, mut payload)) = unfinished.begun else {
            self.hold(sequence, Unfinished { begun: None, due });
            return Ok(None);
        };
        let before = payload.weight();
        payload.push(frame);
        self.unfinished_bytes += payload.weight() - before;
        Ok(self.hold_or_hand_over(sequence, due, signal, payload))
    }

    /// Keeps a message whose weight is counted until the rest of it is here, unless there is too much of it.
    fn hold_or_hand_over(
        &mut self,
        sequence: u64,
        due: u64,
        signal: Signal,
        mut payload: Payload,
    ) -> Option<Message> {
        let is_too_much = payload.length() > self.limits.message_bytes
            || self.unfinished_bytes > self.limits.unfinished_bytes;
        if due > 0 && !is_too_much {
            self.hold(sequence, Unfinished { begun: Some((signal, payload)), due });
            return None;
        }
        self.unfinished_bytes -= payload.weight();
        if is_too_much {
            payload.cut();
            self.hold(sequence, Unfinished { begun: None, due });
        }
        Some(Message { signal, payload: Some(payload) })
    }

    /// Keeps what has fragments to come.
    fn hold(&mut self, sequence: u64, unfinished: Unfinished) {
        if unfinished.due > 0 {
            self.unfinished.insert(sequence, unfinished);
        }
    }
}

fn fragment_ids(frame: &mut Bytes) -> Result<(u64, u64), FrameError> {
    let mut word = || frame.try_get_u64().map_err(|_| FrameError::Short);
    Ok((word()?, word()?))
}

#[cfg(test)]
mod tests;
