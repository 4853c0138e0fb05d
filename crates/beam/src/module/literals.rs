//! Literals, chunk `LitT`: the size of the table, then the table as a zlib stream; since OTP 28 a size of 0 and the
//! table as it is. The table: a 32-bit count, then each as an external term after its 32-bit size.

use std::borrow::Cow;
use std::io::Read;

use bytes::Bytes;

use super::{ContentError, MAX_BYTES, Module};
use crate::Term;
use crate::etf::{self, Limits};

const DAMAGED: ContentError = ContentError::Damaged("LitT");

/// For one literal, when it is looked at. None is compressed by itself.
const LIMITS: Limits = Limits { depth: etf::MAX_DEPTH, bytes: 0, terms: 1 << 20, atoms: 1 << 12 };

/// A module's literals, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Literals<'a> {
    table: Cow<'a, [u8]>,
    places: Vec<(usize, usize)>,
}

impl Literals<'_> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// A literal as an external term, with its version byte.
    pub fn encoded(&self, number: u32) -> Option<&[u8]> {
        let &(start, end) = self.places.get(usize::try_from(number).ok()?)?;
        self.table.get(start..end)
    }

    /// A literal; `None` as well when it is damaged or larger than what is read.
    pub fn get(&self, number: u32) -> Option<Term> {
        etf::decode(&Bytes::copy_from_slice(self.encoded(number)?), LIMITS).ok()
    }
}

impl Module {
    /// Its literals.
    ///
    /// # Errors
    /// The table is damaged or too large.
    pub fn literals(&self) -> Result<Literals<'_>, ContentError> {
        let Some(chunk) = self.chunk(b"LitT") else {
            return Ok(Literals { table: Cow::Borrowed(&[]), places: Vec::new() });
        };
        let (size, rest) = chunk.split_first_chunk::<4>().ok_or(DAMAGED)?;
        let table = match u32::from_be_bytes(*size) {
            0 => Cow::Borrowed(rest),
            size => Cow::Owned(decompress(rest, usize::try_from(size).map_err(|_| DAMAGED)?)?),
        };
        let places = places(&table).ok_or(DAMAGED)?;
        Ok(Literals { table, places })
    }
}

/// Decompresses to exactly `size` bytes. What is reserved grows with what is there, whatever the size says.
fn decompress(bytes: &[u8], size: usize) -> Result<Vec<u8>, ContentError> {
    if size > MAX_BYTES {
        return Err(ContentError::TooLarge("LitT"));
    }
    let most = u64::try_from(size).map_err(|_| DAMAGED)? + 1;
    let mut plain = Vec::with_capacity(size.min(64 << 10));
    flate2::bufread::ZlibDecoder::new(bytes).take(most).read_to_end(&mut plain).map_err(|_| DAMAGED)?;
    if plain.len() == size { Ok(plain) } else { Err(DAMAGED) }
}

/// Where each literal is in the table.
fn places(table: &[u8]) -> Option<Vec<(usize, usize)>> {
    let count = usize::try_from(number(table, 0)?).ok()?;
    // each has its size at least
    let mut places = Vec::with_capacity(count.min(table.len() / 4));
    let mut at = 4_usize;
    for _ in 0..count {
        let start = at + 4;
        let end = start.checked_add(usize::try_from(number(table, at)?).ok()?)?;
        if end > table.len() {
            return None;
        }
        places.push((start, end));
        at = end;
    }
    Some(places)
}

fn number(table: &[u8], at: usize) -> Option<u32> {
    table.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
