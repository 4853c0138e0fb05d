//! The atom table: chunk `AtU8`, or `Atom` (Latin-1) before OTP 20.
//!
//! A 32-bit count, then each name after its length in one byte. Since OTP 28 the count is negative and a length is a
//! variable-size number of the instruction encoding, as a name may have 255 characters of four bytes each.

use std::borrow::Cow;

use super::{ContentError, Module};

const DAMAGED: ContentError = ContentError::Damaged("AtU8");

/// A module's atoms, numbered from 1. The first is the module's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Atoms<'a>(Vec<Cow<'a, str>>);

impl Atoms<'_> {
    /// The atom with this number, from 1.
    pub fn get(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.0.get(index).map(|name| &**name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none, not even a module's name.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Module {
    /// Its atoms.
    ///
    /// # Errors
    /// There is no table, or it is damaged.
    pub fn atoms(&self) -> Result<Atoms<'_>, ContentError> {
        let (table, encoding) = table(self).ok_or(ContentError::Missing("AtU8"))?;
        let mut names = Names::new(table).ok_or(DAMAGED)?;
        // each has a byte at least
        let mut atoms = Vec::with_capacity(names.left.min(table.len()));
        while names.left > 0 {
            atoms.push(names.next().and_then(|name| encoding.text(name)).ok_or(DAMAGED)?);
        }
        Ok(Atoms(atoms))
    }
}

/// The first atom, whatever the others are.
pub(super) fn first(module: &Module) -> Option<String> {
    let (table, encoding) = table(module)?;
    encoding.text(Names::new(table)?.next()?).map(Cow::into_owned)
}

fn table(module: &Module) -> Option<(&[u8], Encoding)> {
    let utf8 = module.chunk(b"AtU8").map(|table| (table, Encoding::Utf8));
    utf8.or_else(|| module.chunk(b"Atom").map(|table| (table, Encoding::Latin1)))
}

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Latin1,
}

impl Encoding {
    fn text(self, name: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Utf8 => std::str::from_utf8(name).ok().map(Cow::Borrowed),
            Self::Latin1 => Some(name.iter().map(|&byte| char::from(byte)).collect()),
        }
    }
}

struct Names<'a> {
    rest: &'a [u8],
    left: usize,
    has_long_lengths: bool,
}

impl<'a> Names<'a> {
    fn new(table: &'a [u8]) -> Option<Self> {
        let (count, rest) = table.split_first_chunk::<4>()?;
        let count = i32::from_be_bytes(*count);
        Some(Self { rest, left: usize::try_from(count.unsigned_abs()).ok()?, has_long_lengths: count < 0 })
    }

    /// The next name; `None` as well when the table is damaged.
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let length = self.length()?;
        let (name, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(name)
    }

    fn length(&mut self) -> Option<usize> {
        let first = self.byte()?;
        if !self.has_long_lengths {
            return Some(usize::from(first));
        }
        // 4 bits, or 11 of which 8 are in the next byte; no name is longer.
        match first & 0x18 {
            0x08 => Some((usize::from(first >> 5) << 8) | usize::from(self.byte()?)),
            0x18 => None,
            _ => Some(usize::from(first >> 4)),
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }
}
