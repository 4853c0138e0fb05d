//! An atom: a name that is compared and copied often.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// Most characters in an atom's name (OTP, Efficiency Guide, system limits).
pub const MAX_CHARACTERS: usize = 255;

/// An atom. A clone shares the name; those from one [`Decoder`](crate::etf::Decoder) do so from the beginning.
#[derive(Clone, Eq)]
pub struct Atom(Arc<Box<str>>);

impl Atom {
    /// The atom of this name. OTP knows none of more than [`MAX_CHARACTERS`], and such cannot be encoded.
    pub fn new(name: &str) -> Self {
        Self(Arc::new(name.into()))
    }

    /// Its name, without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Atom {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

// Consistent with `Eq` and `Hash`, which are those of the name.
impl Borrow<str> for Atom {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl PartialEq<str> for Atom {
    fn eq(&self, other: &str) -> bool {
        &**self.0 == other
    }
}

impl Hash for Atom {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Atom {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl std::fmt::Debug for Atom {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}
