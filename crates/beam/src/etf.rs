//! The external term format: `term_to_binary/1`, chunks of `.beam` files, and what nodes send each other.
//!
//! Every tag that OTP 24 to 29 sends is read (OTP: ERTS User's Guide, External Term Format), as are the older forms
//! of what they send. What is written is what OTP 26 and newer write: UTF-8 atoms, 32-bit creations; ports have numbers
//! of 64 bits only where they need them, as in OTP 25. Reading is
//! total and bounded: see [`Limits`].
//!
//! ```
//! use beam::{Term, etf};
//!
//! let term = Term::tuple([Term::atom("ok"), Term::string("text"), Term::binary("bytes")]);
//! let bytes = etf::encode(&term)?;
//! assert_eq!(etf::decode(&bytes.into(), etf::Limits::default()), Ok(term));
//! # Ok::<(), etf::EncodeError>(())
//! ```

mod compressed;
mod encode;
mod interner;
mod keys;
mod list;
mod reader;
mod tag;

use bytes::{Buf, Bytes};

pub(crate) use compressed::head;
pub use encode::{EncodeError, encode, encode_into};
pub use interner::Interner;
pub(crate) use reader::Reader;

use crate::Term;
use crate::term::Atom;

/// Deepest nesting that is ever read or written, whatever [`Limits::depth`] says: it bounds the stack of everything
/// that walks a term. Lists nest in their elements only, not in their tails.
pub const MAX_DEPTH: usize = 512;

/// Most keys within keys that are ever read: of a map in a key of a map, and so on. It bounds how often what is in a key
/// is looked at to see whether the map has that key already. Keys that are maps are rare.
pub const MAX_KEY_DEPTH: usize = 8;

/// What bounds the reading of a term.
///
/// Besides them, every element that a list, tuple or map announces must have at least one byte left, so that what is
/// reserved follows from what is there: one byte is at most one term of 16 bytes, and a container of one element in
/// three bytes the worst case, some 50 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting; above [`MAX_DEPTH`] it is that.
    pub depth: usize,
    /// Largest compressed term once it is decompressed.
    pub bytes: usize,
    /// Most terms (each list, element, key and value) in one.
    pub terms: usize,
    /// How many atoms a decoder remembers, so that the same name is in memory once. When there are more, it begins
    /// anew: no atom is refused.
    pub atoms: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: MAX_DEPTH, bytes: 64 << 20, terms: 32 << 20, atoms: 1 << 16 }
    }
}

/// Bytes are not a term that is read, and where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of an external term: {problem}")]
pub struct DecodeError {
    /// Offset, from 0. In a compressed term: of what it decompresses to.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with an external term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The first byte is not 131.
    #[error("the version is {0}, not 131")]
    Version(u8),
    /// The bytes end inside a term, or cannot hold as many terms as they announce.
    #[error("it ends inside a term")]
    Truncated,
    /// More than the one term.
    #[error("there is more than the one term")]
    Trailing,
    /// A tag that is unknown, or not one that may be here.
    #[error("the tag {0} is unknown or out of place")]
    Tag(u8),
    /// Nested deeper than [`Limits::depth`], or [`MAX_KEY_DEPTH`] of keys.
    #[error("terms are nested too deep")]
    TooDeep,
    /// More terms than [`Limits::terms`].
    #[error("there are too many terms")]
    TooMany,
    /// Larger than [`Limits::bytes`] once decompressed.
    #[error("it decompresses to {0} bytes, which is too much")]
    TooLarge(u32),
    /// The compressed stream is damaged, or has another size than it announces.
    #[error("it cannot be decompressed to the size that it announces")]
    Compression,
    /// A name that is not UTF-8 or has more than 255 characters.
    #[error("the name of an atom is not UTF-8 or has more than 255 characters")]
    AtomName,
    /// A reference to an atom that was not sent.
    #[error("atom {0} of the message was not sent")]
    AtomReference(u8),
    /// A float that is not a finite number.
    #[error("a floating point number is not finite")]
    Float,
    /// The same key twice in a map, which `binary_to_term/1` refuses too.
    #[error("a map has the same key twice")]
    Keys,
    /// A bitstring, reference or fun whose parts do not fit together.
    #[error("a {0} whose parts do not fit together")]
    Parts(&'static str),
}

/// Reads terms, and remembers their atoms: one per connection.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    atoms: Interner,
}

impl Decoder {
    /// A decoder with these limits for each term.
    pub fn new(limits: Limits) -> Self {
        Self { limits, atoms: Interner::new(limits.atoms) }
    }

    /// Reads a term that begins with its version byte (and may be compressed), and advances `input` past it. After
    /// an error `input` is as it was.
    ///
    /// # Errors
    /// The bytes do not begin with a term, or with one that is beyond the limits.
    pub fn versioned(&mut self, input: &mut Bytes) -> Result<Term, DecodeError> {
        let mut reader = Reader::new(input, &self.limits, &[], &mut self.atoms);
        let term = reader.versioned()?;
        let length = reader.at();
        input.advance(length);
        Ok(term)
    }

    /// Reads a term of a message with a distribution header, which has no version byte and names atoms by their
    /// place among those of the header, and advances `input` past it. After an error `input` is as it was.
    ///
    /// # Errors
    /// The bytes do not begin with a term, or with one that is beyond the limits.
    pub fn term(&mut self, input: &mut Bytes, header_atoms: &[Atom]) -> Result<Term, DecodeError> {
        let mut reader = Reader::new(input, &self.limits, header_atoms, &mut self.atoms);
        let term = reader.term()?;
        let length = reader.at();
        input.advance(length);
        Ok(term)
    }

    /// The atoms that it remembers, for a reader of distribution headers to put its own to.
    pub fn atoms(&mut self) -> &mut Interner {
        &mut self.atoms
    }
}

/// Reads the one term that these bytes are, with its version byte.
///
/// # Errors
/// The bytes are not one term, or one that is beyond the limits.
pub fn decode(bytes: &Bytes, limits: Limits) -> Result<Term, DecodeError> {
    let mut rest = bytes.clone();
    let term = Decoder::new(limits).versioned(&mut rest)?;
    if rest.is_empty() {
        return Ok(term);
    }
    Err(DecodeError { at: bytes.len() - rest.len(), problem: Problem::Trailing })
}
