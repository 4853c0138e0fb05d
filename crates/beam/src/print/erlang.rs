//! Erlang text, equal to `io_lib:format("~tp", [Term])`.
//!
//! A term becomes a tree of [`piece`]s, of which each knows how long it is on one line; what does not fit on one is
//! laid out by [`layout`].

mod layout;
mod piece;
mod words;

pub(super) use piece::reference;

use crate::Term;

/// Which characters are shown as such, where a list or a binary could be a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// Latin-1, as a node that was started without `+pc`.
    #[default]
    Latin1,
    /// Unicode, as a node that was started with `+pc unicode`.
    Unicode,
}

/// How Erlang text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erlang {
    /// Columns of a line. Words that are longer are not broken.
    pub width: usize,
    /// What counts as text.
    pub range: Range,
}

impl Default for Erlang {
    /// What `~tp` does.
    fn default() -> Self {
        Self { width: 80, range: Range::Latin1 }
    }
}

impl Erlang {
    /// The term's text, in as many lines as it takes.
    pub fn print(&self, term: &Term) -> String {
        layout::lay_out(&piece::Piece::new(term, self.range), self.width)
    }

    /// The term's text on one line.
    pub fn print_flat(&self, term: &Term) -> String {
        let mut text = String::new();
        piece::Piece::new(term, self.range).write(&mut text);
        text
    }
}
