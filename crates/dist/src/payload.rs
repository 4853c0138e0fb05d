//! What comes after a control message, not decoded yet.
//!
//! The reader of a connection does not decode: whom it is for does, when it is wanted, and large ones on a thread for
//! such work. So a payload that is malformed harms only its receiver, and a large one holds up nobody.

use std::sync::Arc;

use beam::Term;
use beam::etf::{self, DecodeError, Decoder, Problem};
use beam::term::Atom;
use bytes::{Bytes, BytesMut};

/// Decoding that takes longer than a wink (some ten milliseconds) has a thread to itself.
const LARGE: usize = 256 << 10;

/// Longest answer and message that is decoded, bytes: some modules' code or a binary, no files.
pub(crate) const MOST_BYTES: usize = 64 << 20;
/// Most terms in so many bytes: one for each eight. A list of numbers has fewer; in memory it becomes three times as
/// long as it came, and what is made to grow ten times at worst.
const BYTES_OF_TERM: usize = 8;
/// Terms that any may have: short ones have more of them for their bytes.
const LEAST_TERMS: usize = 1024;

/// A term as it was sent.
#[derive(Clone, Debug)]
pub struct Payload {
    parts: Vec<Bytes>,
    length: usize,
    /// Bytes that its parts keep in memory: with each part the frame that it came in.
    kept_bytes: usize,
    atoms: Arc<[Atom]>,
    /// Longer than is kept: its parts are gone.
    is_cut: bool,
}

/// Why a payload has no term.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// It cannot be read.
    #[error("what came cannot be read")]
    Decode(#[from] DecodeError),
    /// It was longer than [`Limits::message_bytes`](crate::Limits), or than an answer may be.
    #[error("what came has {0} bytes or more, which is too much, and was thrown away")]
    TooLarge(usize),
    /// The runtime is being shut down.
    #[error("it was not read, as the program ends")]
    Ending,
}

impl Payload {
    /// The first or only part, which is the end of a frame of so many bytes.
    pub(crate) fn new(part: Bytes, frame_bytes: usize, atoms: Arc<[Atom]>) -> Self {
        Self { length: part.len(), kept_bytes: frame_bytes, parts: vec![part], atoms, is_cut: false }
    }

    pub(crate) fn push(&mut self, part: Bytes) {
        self.length += part.len();
        self.kept_bytes += part.len();
        self.parts.push(part);
    }

    /// Gives up what came: there is too much of it.
    pub(crate) fn cut(&mut self) {
        self.parts = Vec::new();
        self.kept_bytes = 0;
        self.atoms = Arc::default();
        self.is_cut = true;
    }

    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// How many bytes it holds in memory, with what comes along.
    pub(crate) fn weight(&self) -> usize {
        let atoms: usize = self.atoms.iter().map(|atom| size_of::<Atom>() + atom.len()).sum();
        self.kept_bytes + self.parts.len() * size_of::<Bytes>() + atoms + size_of::<Self>()
    }

    /// The term.
    ///
    /// # Errors
    /// When there is none, or it is beyond the limits.
    pub async fn decode(self) -> Result<Term, PayloadError> {
        self.decode_within(MOST_BYTES).await
    }

    /// As [`Payload::decode`], when it has no more than so many bytes, also once it is decompressed.
    pub(crate) async fn decode_within(self, most_bytes: usize) -> Result<Term, PayloadError> {
        if self.length < LARGE {
            return self.decode_here_within(most_bytes);
        }
        let decoded = tokio::task::spawn_blocking(move || self.decode_here_within(most_bytes));
        decoded.await.map_err(|_| PayloadError::Ending)?
    }

    /// As [`Payload::decode`], here and now, however long it takes.
    ///
    /// # Errors
    /// As [`Payload::decode`].
    pub fn decode_here(self) -> Result<Term, PayloadError> {
        self.decode_here_within(MOST_BYTES)
    }

    /// As [`Payload::decode_within`], here and now.
    pub(crate) fn decode_here_within(self, most_bytes: usize) -> Result<Term, PayloadError> {
        if self.is_cut || self.length > most_bytes {
            return Err(PayloadError::TooLarge(self.length));
        }
        let mut bytes = self.joined();
        let terms = (most_bytes / BYTES_OF_TERM).max(LEAST_TERMS);
        let mut decoder = Decoder::new(etf::Limits { bytes: most_bytes, terms, ..etf::Limits::default() });
        let term = decoder.term(&mut bytes, &self.atoms)?;
        if bytes.is_empty() {
            return Ok(term);
        }
        Err(DecodeError { at: self.length - bytes.len(), problem: Problem::Trailing }.into())
    }

    fn joined(&self) -> Bytes {
        if let [one] = &self.parts[..] {
            return one.clone();
        }
        let mut joined = BytesMut::with_capacity(self.length);
        self.parts.iter().for_each(|part| joined.extend_from_slice(part));
        joined.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(bytes: Vec<u8>) -> Payload {
        Payload::new(Bytes::from(bytes), 0, Arc::default())
    }

    #[test]
    fn an_answer_has_no_more_bytes_than_are_wanted() {
        let text = || [&[107, 0, 200][..], &[b'x'; 200]].concat();
        assert!(payload(text()).decode_here_within(203).is_ok());
        assert_eq!(payload(text()).decode_here_within(202), Err(PayloadError::TooLarge(203)));
    }

    #[test]
    fn an_answer_has_no_more_terms_than_are_wanted() {
        // a list of empty lists
        let list = |count: usize| {
            let length = (count as u32).to_be_bytes();
            [&[108][..], &length, &vec![106; count + 1]].concat()
        };
        assert!(payload(list(1000)).decode_here_within(4096).is_ok());
        let refused = payload(list(3000)).decode_here_within(4096);
        assert!(
            matches!(&refused, Err(PayloadError::Decode(error)) if error.problem == Problem::TooMany),
            "{refused:?}"
        );
    }
}
