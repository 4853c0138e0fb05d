//! Equality as by `=:=`, and the hash that goes with it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Term;

impl PartialEq for Term {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(one), Self::Integer(two)) => one == two,
            (Self::BigInteger(one), Self::BigInteger(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one.to_bits() == two.to_bits(),
            (Self::Atom(one), Self::Atom(two)) => one == two,
            (Self::Charlist(one), Self::Charlist(two)) => one == two,
            (Self::Binary(one), Self::Binary(two)) => one == two,
            (Self::Bitstring(one), Self::Bitstring(two)) => one == two,
            (Self::List(one), Self::List(two)) | (Self::Tuple(one), Self::Tuple(two)) => one == two,
            (Self::Charlist(bytes), Self::List(items)) | (Self::List(items), Self::Charlist(bytes)) => {
                let numbers = bytes.iter().map(|&byte| Some(i64::from(byte)));
                numbers.eq(items.iter().map(Self::as_integer))
            }
            (Self::ImproperList(one), Self::ImproperList(two)) => one == two,
            (Self::Map(one), Self::Map(two)) => one.len() == two.len() && same_pairs(one, two),
            (Self::Pid(one), Self::Pid(two)) => one == two,
            (Self::Port(one), Self::Port(two)) => one == two,
            (Self::Reference(one), Self::Reference(two)) => one == two,
            (Self::Fun(one), Self::Fun(two)) => one == two,
            (Self::Export(one), Self::Export(two)) => one == two,
            (Self::Record(one), Self::Record(two)) => one == two,
            _ => false,
        }
    }
}

impl Eq for Term {}

/// Looks at each value once: what looks twice looks twice at what is in it, and so on. Of pairs with the same key, which
/// no node sends, the last counts.
fn same_pairs(one: &[(Term, Term)], two: &[(Term, Term)]) -> bool {
    by_key(one) == by_key(two)
}

fn by_key(pairs: &[(Term, Term)]) -> HashMap<&Term, &Term> {
    pairs.iter().map(|(key, value)| (key, value)).collect()
}

impl Hash for Term {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Integer(value) => value.hash(state),
            Self::BigInteger(value) => value.hash(state),
            Self::Float(value) => value.to_bits().hash(state),
            Self::Atom(name) => name.hash(state),
            Self::Charlist(bytes) => bytes.iter().for_each(|&byte| i64::from(byte).hash(state)),
            Self::Binary(bytes) => bytes.hash(state),
            Self::Bitstring(bits) => bits.hash(state),
            // Item by item, as the list of bytes that it may equal.
            Self::List(items) => items.iter().for_each(|item| item.hash(state)),
            Self::ImproperList(list) => list.hash(state),
            Self::Tuple(elements) => elements.hash(state),
            Self::Map(pairs) => {
                // A sum, because the order of the pairs does not matter.
                let hashes = pairs.iter().map(|pair| {
                    let mut own = DefaultHasher::new();
                    pair.hash(&mut own);
                    own.finish()
                });
                hashes.fold(0, u64::wrapping_add).hash(state);
            }
            Self::Pid(pid) => pid.hash(state),
            Self::Port(port) => port.hash(state),
            Self::Reference(reference) => reference.hash(state),
            Self::Fun(fun) => fun.hash(state),
            Self::Export(export) => export.hash(state),
            Self::Record(record) => record.hash(state),
        }
    }
}
