//! The texts that settings come from, and where in them something stands.

use std::ops::Range;

use super::problem::Problem;

/// A file of settings; reading it is the caller's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// How problems name it, such as `config.toml`.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl Source {
    /// A file of settings.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Where a byte range of the text starts.
    pub(super) fn locate(&self, key: &str, span: Option<Range<usize>>) -> Location {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() + 1);
        let column = before.map(|before| before.rsplit('\n').next().unwrap_or("").chars().count() + 1);
        Location { source: self.name.clone(), line, column, key: key.to_owned() }
    }
}

/// Where a key is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) source: String,
    pub(super) line: Option<usize>,
    pub(super) column: Option<usize>,
    /// Path of the key as the file has it.
    pub(super) key: String,
}

impl Location {
    pub(super) fn problem(self, message: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let Location { source, line, column, key } = self;
        Problem { source, line, column, key, message: message.into(), remedy: remedy.into() }
    }
}
