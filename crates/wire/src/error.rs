//! Why bytes are not what they should be.

use std::fmt;

/// A decoder's refusal. The connection (or file) it came from cannot be trusted any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// A frame says it is longer than [`crate::frame::MAX_FRAME`].
    TooLong {
        /// Length in bytes that the frame claims.
        length: u64,
    },
    /// A field, or a frame's header, ends beyond the frame.
    Truncated,
    /// The value of a known field is not of its type.
    BadValue {
        /// The field's number in its message.
        tag: u16,
        /// What was expected.
        expected: &'static str,
    },
    /// An enum field holds a number this version does not know.
    UnknownValue {
        /// The enum.
        of: &'static str,
        /// The number.
        value: u64,
    },
    /// Messages are nested deeper than any real one.
    TooDeep,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => write!(f, "a frame of {length} bytes is longer than allowed"),
            Self::Truncated => write!(f, "a field ends beyond its frame"),
            Self::BadValue { tag, expected } => write!(f, "field {tag} is not {expected}"),
            Self::UnknownValue { of, value } => write!(f, "{value} is not a known {of}"),
            Self::TooDeep => write!(f, "messages are nested too deeply"),
        }
    }
}

impl std::error::Error for DecodeError {}
