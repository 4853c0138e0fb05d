//! The distribution header: the atoms of a message, most of them by their place in a cache that both ends keep
//! (OTP, ERTS User's Guide, "External Term Format", "Distribution Header").

use std::sync::Arc;

use beam::etf::Interner;
use beam::term::Atom;
use bytes::{Buf, Bytes};

/// Places in the cache: eight segments of 256.
const PLACES: usize = 2048;

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It ends too early.
    #[error("the header ends too early")]
    Short,
    /// It names a place that was never filled.
    #[error("place {0} of the atom cache is empty")]
    EmptyPlace(usize),
    /// An atom that is not UTF-8 or too long.
    #[error("an atom of the header is not UTF-8, or has more than 255 characters")]
    Atom,
}

/// The atoms that the peer sent on this connection and may name by place.
#[derive(Debug)]
pub(crate) struct AtomCache {
    places: Vec<Option<Atom>>,
}

impl Default for AtomCache {
    fn default() -> Self {
        Self { places: vec![None; PLACES] }
    }
}

impl AtomCache {
    /// Reads a header and advances `input` past it; returns the message's atoms.
    pub(crate) fn read(
        &mut self,
        input: &mut Bytes,
        interner: &mut Interner,
    ) -> Result<Arc<[Atom]>, HeaderError> {
        let count = usize::from(input.try_get_u8().map_err(|_| HeaderError::Short)?);
        if count == 0 {
            return Ok(Arc::default());
        }
        let flags = Flags::read(input, count)?;
        (0..count).map(|index| self.reference(input, interner, flags.of(index), flags.long_atoms())).collect()
    }

    fn reference(
        &mut self,
        input: &mut Bytes,
        interner: &mut Interner,
        flags: u8,
        long_atoms: bool,
    ) -> Result<Atom, HeaderError> {
        let within = input.try_get_u8().map_err(|_| HeaderError::Short)?;
        // three bits and eight: below PLACES
        let place = usize::from(flags & 7) << 8 | usize::from(within);
        let is_new = flags & 8 != 0;
        if !is_new {
            return self.places[place].clone().ok_or(HeaderError::EmptyPlace(place));
        }
        let length = if long_atoms { input.try_get_u16() } else { input.try_get_u8().map(u16::from) };
        let length = usize::from(length.map_err(|_| HeaderError::Short)?);
        if length > input.len() {
            return Err(HeaderError::Short);
        }
        let name = input.split_to(length);
        let name = std::str::from_utf8(&name).map_err(|_| HeaderError::Atom)?;
        if name.chars().count() > 255 {
            return Err(HeaderError::Atom);
        }
        let atom = interner.atom(name);
        self.places[place] = Some(atom.clone());
        Ok(atom)
    }
}

/// Four bits for each atom and four for all.
struct Flags {
    bytes: Bytes,
    count: usize,
}

impl Flags {
    fn read(input: &mut Bytes, count: usize) -> Result<Self, HeaderError> {
        let length = count / 2 + 1;
        if length > input.len() {
            return Err(HeaderError::Short);
        }
        Ok(Self { bytes: input.split_to(length), count })
    }

    fn of(&self, index: usize) -> u8 {
        self.bytes[index / 2] >> (4 * (index % 2)) & 0xf
    }

    fn long_atoms(&self) -> bool {
        self.of(self.count) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cache: &mut AtomCache, bytes: &[u8]) -> Result<Vec<String>, HeaderError> {
        let mut interner = Interner::new(100);
        let atoms = cache.read(&mut Bytes::copy_from_slice(bytes), &mut interner)?;
        Ok(atoms.iter().map(|atom| atom.as_str().to_owned()).collect())
    }

    #[test]
    fn an_atom_is_sent_once_and_named_by_place_then() {
        let mut cache = AtomCache::default();
        // two atoms: new in segment 1 and new in segment 7; short
        let first = [&[2, 0xf9, 0x00, 5, 2][..], b"ok", &[255, 1], b"x"].concat();
        assert_eq!(read(&mut cache, &first).unwrap(), ["ok", "x"]);
        assert_eq!(read(&mut cache, &[2, 0x17, 0x00, 255, 5]).unwrap(), ["x", "ok"]);
        assert_eq!(read(&mut cache, &[0]).unwrap(), [""; 0]);
    }

    #[test]
    fn long_atoms_have_long_lengths() {
        let name = "\u{e5}".repeat(255);
        let bytes = [&[1, 0x18, 0, 1, 0xfe][..], name.as_bytes()].concat();
        assert_eq!(read(&mut AtomCache::default(), &bytes).unwrap(), [name]);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut cache = AtomCache::default();
        let whole = [&[1, 0x08, 0, 2][..], b"ok"].concat();
        for end in 0..whole.len() {
            assert_eq!(read(&mut cache, &whole[..end]), Err(HeaderError::Short), "{end} bytes");
        }
        assert_eq!(read(&mut cache, &[1, 0x03, 9]), Err(HeaderError::EmptyPlace(3 << 8 | 9)));
        assert_eq!(read(&mut cache, &[1, 0x08, 0, 1, 0xff]), Err(HeaderError::Atom));
    }
}
