//! The name of a shim: of its folders, its cgroup, and its instance.

use super::ShimError;
use std::fmt;

/// Used once and never again, e.g. `beacon-1-i42`. A file name of at most 100 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShimId(String);

/// Longest id in bytes: with prefixes and suffixes it stays a valid file name.
const LONGEST: usize = 100;

impl ShimId {
    /// Checks the name: letters, digits, `-`, `_`, `.`, `+`, `@`; not beginning with a dot.
    ///
    /// # Errors
    /// [`ShimError::BadId`] if it is anything else.
    pub fn new(text: impl Into<String>) -> Result<Self, ShimError> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+@".contains(&byte);
        let good = (1..=LONGEST).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.');
        if good { Ok(Self(text)) } else { Err(ShimError::BadId { id: text }) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ShimId;

    #[test]
    fn only_plain_file_names() {
        for good in ["beacon-1-i42", "epmd", "pre.1+2@x_y"] {
            assert!(ShimId::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "ä", "a\0", &"x".repeat(101)] {
            assert!(ShimId::new(bad).is_err(), "{bad:?}");
        }
    }
}
