//! The bytes of a binary.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// Up to so many bytes are in the term itself.
const SHORT: usize = 14;

/// The bytes of a binary. Few of them are in the term itself; more are shared with what they were decoded from, all of
/// which they keep in memory. Slices give access to them.
#[derive(Clone)]
pub struct Binary(Kept);

/// Its tag leaves room for those of `Term`, which therefore is no larger.
#[derive(Clone)]
enum Kept {
    Short { length: u8, bytes: [u8; SHORT] },
    Shared(Box<Bytes>),
}

impl Binary {
    /// A copy of few bytes; `None` for more than the term itself has room for.
    pub(crate) fn short(few: &[u8]) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..few.len())?.copy_from_slice(few);
        Some(Self(Kept::Short { length: u8::try_from(few.len()).ok()?, bytes }))
    }

    /// The bytes, to be kept or sliced without the term.
    pub fn to_bytes(&self) -> Bytes {
        match &self.0 {
            Kept::Short { .. } => Bytes::copy_from_slice(self),
            Kept::Shared(bytes) => Bytes::clone(bytes),
        }
    }
}

impl Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kept::Short { length, bytes } => &bytes[..usize::from(*length)],
            Kept::Shared(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Binary {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Bytes> for Binary {
    fn from(bytes: Bytes) -> Self {
        Self::short(&bytes).unwrap_or_else(|| Self(Kept::Shared(Box::new(bytes))))
    }
}

impl PartialEq for Binary {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Binary {}

impl Hash for Binary {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl fmt::Debug for Binary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_ones_are_the_same_to_those_who_read_them() {
        for length in [0, 1, SHORT, SHORT + 1, 1000] {
            let bytes: Bytes = (0..length).map(|number| number as u8).collect::<Vec<_>>().into();
            let binary = Binary::from(bytes.clone());
            assert_eq!((&binary[..], binary.to_bytes()), (&bytes[..], bytes.clone()));
            let is_shared = binary.as_ptr() == bytes.as_ptr();
            assert_eq!(is_shared, length > SHORT, "{length}");
        }
        assert_eq!(size_of::<Binary>(), 16);
    }
}
