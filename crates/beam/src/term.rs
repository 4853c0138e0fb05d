//! An Erlang term: what a node sends, what a chunk of a `.beam` file holds, what a text of terms says.
//!
//! A [`Term`] takes 16 bytes; what does not fit is behind one pointer, in one allocation where that is possible. A term that was decoded nests at most
//! [`etf::MAX_DEPTH`](crate::etf::MAX_DEPTH) deep, so that reading, comparing, printing and dropping it by recursion
//! needs a bounded stack. Who builds deeper ones by hand answers for them.

mod atom;
mod big_integer;
mod binary;
mod equality;
mod fun;
mod identity;
mod items;
mod record;

use std::borrow::Cow;

use bytes::Bytes;
use num_bigint::{BigInt, Sign};

pub use atom::{Atom, MAX_CHARACTERS};
pub use big_integer::BigInteger;
pub use binary::Binary;
pub use fun::{Export, Fun};
pub use identity::{MAX_WORDS, Pid, Port, Reference};
pub use items::Items;
pub use record::Record;

/// A term. Terms are equal as by `=:=`: `1` and `1.0` are two, and so are `0.0` and `-0.0` (as since OTP 27).
#[derive(Clone, Debug)]
pub enum Term {
    /// An integer that fits.
    Integer(i64),
    /// An integer that does not fit in an `i64`.
    BigInteger(BigInteger),
    /// A finite floating point number.
    Float(f64),
    /// An atom.
    Atom(Atom),
    /// A list of integers from 0 to 255, at least one: most Erlang strings. Equal to the [`Term::List`] of them.
    Charlist(Items<u8>),
    /// A binary.
    Binary(Binary),
    /// A bitstring that is not a whole number of bytes.
    Bitstring(Box<Bitstring>),
    /// A proper list; the empty one takes no memory.
    List(Items<Term>),
    /// An improper list: its elements (at least one) and its tail, which is no list.
    ImproperList(Box<(Items<Term>, Term)>),
    /// A tuple.
    Tuple(Items<Term>),
    /// A map, in the order in which it was sent or written. Equal to any with the same pairs.
    Map(Items<(Term, Term)>),
    /// A process.
    Pid(Box<Pid>),
    /// A port.
    Port(Box<Port>),
    /// A reference.
    Reference(Box<Reference>),
    /// A closure.
    Fun(Box<Fun>),
    /// `fun Module:Function/Arity`.
    Export(Box<Export>),
    /// A native record (OTP 29).
    Record(Box<Record>),
}

const _: () = assert!(size_of::<Term>() == 16, "what decoded terms take follows from it");

/// Bits that are not a whole number of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bitstring {
    bytes: Bytes,
    last_bits: u8,
}

impl Bitstring {
    /// Bits of which the last byte's upper `last_bits` count (1 to 7); `None` for another number and for no bytes.
    pub fn new(bytes: Bytes, last_bits: u8) -> Option<Self> {
        let last = *bytes.last().filter(|_| (1..8).contains(&last_bits))?;
        let unused = 0xff_u8 >> last_bits;
        if last & unused == 0 {
            return Some(Self { bytes, last_bits });
        }
        // Two with the same bits are to be equal.
        let mut clean = bytes.to_vec();
        *clean.last_mut()? &= !unused;
        Some(Self { bytes: clean.into(), last_bits })
    }

    /// The bytes; the unused lower bits of the last are 0.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many of the last byte's bits count, from the highest: 1 to 7.
    pub fn last_bits(&self) -> u8 {
        self.last_bits
    }
}

impl Term {
    /// An atom.
    pub fn atom(name: &str) -> Self {
        Self::Atom(Atom::new(name))
    }

    /// A binary.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(Binary::from(bytes.into()))
    }

    /// A tuple.
    pub fn tuple(elements: impl IntoIterator<Item = Term>) -> Self {
        Self::Tuple(elements.into_iter().collect())
    }

    /// A proper list.
    pub fn list(items: impl IntoIterator<Item = Term>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// A map with these pairs; the keys must differ.
    pub fn map(pairs: impl IntoIterator<Item = (Term, Term)>) -> Self {
        Self::Map(pairs.into_iter().collect())
    }

    /// An Erlang string: the list of a text's characters.
    pub fn string(text: &str) -> Self {
        let latin1: Option<Vec<u8>> = text.chars().map(|it| u8::try_from(u32::from(it)).ok()).collect();
        match latin1 {
            Some(bytes) => Self::charlist(bytes),
            None => Self::list(text.chars().map(|it| Self::Integer(i64::from(u32::from(it))))),
        }
    }

    /// A list of bytes.
    pub fn charlist(bytes: impl Into<Items<u8>>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::List(Items::new()) } else { Self::Charlist(bytes) }
    }

    /// An integer of any size.
    pub fn integer(value: impl Into<BigInt>) -> Self {
        let (sign, digits) = value.into().to_bytes_le();
        Self::integer_of_digits(sign == Sign::Minus, &digits)
    }

    /// The atom's name.
    pub fn as_atom(&self) -> Option<&str> {
        match self {
            Self::Atom(name) => Some(name),
            _ => None,
        }
    }

    /// The integer, if it fits.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The binary's bytes.
    pub fn as_binary(&self) -> Option<&Binary> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The text of a string (a proper list of characters); the empty list is the empty string, as in Erlang.
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Charlist(bytes) => Some(bytes.iter().map(|&byte| char::from(byte)).collect()),
            Self::List(items) => items.iter().map(Self::as_character).collect(),
            _ => None,
        }
    }

    pub(crate) fn as_character(&self) -> Option<char> {
        char::from_u32(u32::try_from(self.as_integer()?).ok()?)
    }

    /// A proper list's items; made when they are kept as bytes.
    pub fn as_list(&self) -> Option<Cow<'_, [Term]>> {
        match self {
            Self::List(items) => Some(Cow::Borrowed(items)),
            Self::Charlist(bytes) => {
                Some(bytes.iter().map(|&byte| Self::Integer(i64::from(byte))).collect::<Vec<_>>().into())
            }
            _ => None,
        }
    }

    /// The tuple's elements.
    pub fn as_tuple(&self) -> Option<&[Term]> {
        match self {
            Self::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The map's pairs.
    pub fn as_map(&self) -> Option<&[(Term, Term)]> {
        match self {
            Self::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The process.
    pub fn as_pid(&self) -> Option<&Pid> {
        match self {
            Self::Pid(pid) => Some(pid),
            _ => None,
        }
    }

    /// The reference.
    pub fn as_reference(&self) -> Option<&Reference> {
        match self {
            Self::Reference(reference) => Some(reference),
            _ => None,
        }
    }

    /// The value of an atom key in a map.
    pub fn get(&self, key: &str) -> Option<&Term> {
        let pairs = self.as_map()?.iter();
        pairs.clone().find_map(|(name, value)| (name.as_atom() == Some(key)).then_some(value))
    }

    /// The value of the first `{key, Value}` in a property list.
    pub fn property(&self, key: &str) -> Option<&Term> {
        let Self::List(items) = self else { return None };
        items.iter().find_map(|item| match item.as_tuple() {
            Some([name, value]) if name.as_atom() == Some(key) => Some(value),
            _ => None,
        })
    }
}

impl From<Atom> for Term {
    fn from(atom: Atom) -> Self {
        Self::Atom(atom)
    }
}

impl From<i64> for Term {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<Pid> for Term {
    fn from(pid: Pid) -> Self {
        Self::Pid(Box::new(pid))
    }
}

impl From<Reference> for Term {
    fn from(reference: Reference) -> Self {
        Self::Reference(Box::new(reference))
    }
}

impl From<Bytes> for Term {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes.into())
    }
}
