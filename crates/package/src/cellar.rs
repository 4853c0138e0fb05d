//! Names of files in our keeping: any version or app name made into one safe file name, and back.
//!
//! Percent-encoding of all but `A-Z a-z 0-9 . _ + -` and of a leading dot. `+` stays as it is: versions have it and
//! file systems do not mind (URLs do; there it is escaped again).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'_').remove(b'+').remove(b'-');

/// Longest file name on Linux, less what we add (`.tar.gz`, a temporary name's beginning).
pub const MAX_NAME: usize = 200;

/// A text that cannot be made into a file name, or a file name that [`escape`] did not make.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is no file of this name.
    #[error("an empty text is no file name")]
    Empty,
    /// Too long for a file system.
    #[error("{0:?} is too long for a file name (at most {MAX_NAME} bytes when escaped)")]
    TooLong(String),
    /// Not the way we write it.
    #[error("{0:?} is not an escaped file name")]
    NotEscaped(String),
}

/// The file name for a version or an app.
pub fn escape(text: &str) -> Result<String, NameError> {
    let escaped = match text.strip_prefix('.') {
        Some(rest) => format!("%2E{}", utf8_percent_encode(rest, ESCAPED)),
        None => utf8_percent_encode(text, ESCAPED).to_string(),
    };
    match escaped.len() {
        0 => Err(NameError::Empty),
        1..=MAX_NAME => Ok(escaped),
        _ => Err(NameError::TooLong(text.chars().take(80).collect())),
    }
}

/// The text that a file name was made from. Only what [`escape`] makes is taken, so two names never mean one text.
pub fn unescape(name: &str) -> Result<String, NameError> {
    let refused = || NameError::NotEscaped(name.chars().take(80).collect());
    let text = percent_decode_str(name).decode_utf8().map_err(|_| refused())?.into_owned();
    if escape(&text)? == name { Ok(text) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_readable_and_safe() {
        let cases = [
            ("1.4.2+env3", "1.4.2+env3"),
            ("..", "%2E."),
            (".hidden", "%2Ehidden"),
            ("a/b", "a%2Fb"),
            ("100%", "100%25"),
            ("ä b", "%C3%A4%20b"),
            ("\0\n", "%00%0A"),
        ];
        for (text, name) in cases {
            assert_eq!(escape(text).as_deref(), Ok(name));
            assert_eq!(unescape(name).as_deref(), Ok(text));
        }
        // 64 bytes, the most that a version's label has, always fit.
        assert!(escape(&"ü".repeat(32)).is_ok());
        assert_eq!(escape(""), Err(NameError::Empty));
        assert!(matches!(escape(&"v".repeat(201)), Err(NameError::TooLong(_))));
    }

    #[test]
    fn what_was_not_escaped_is_refused() {
        for name in ["a b", "%2e.", ".x", "%zz", "%41", "%FF", "a/b", ""] {
            assert!(unescape(name).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back_and_is_one_name(text in "\\PC{1,40}|[./+%]{1,40}") {
            if let Ok(name) = escape(&text) {
                prop_assert!(!name.contains('/') && !name.starts_with('.') && name.len() <= MAX_NAME);
                prop_assert_eq!(unescape(&name), Ok(text));
            }
        }
    }
}
