//! The texts of the questions.

/// Something to ask a node: an Erlang text with variables.
#[derive(Debug)]
pub struct Question {
    /// What it asks for, in an error's words.
    pub(crate) name: &'static str,
    /// Its parts, one after the other.
    parts: &'static [&'static str],
}

/// Before every text: what the process that evaluates it may take of the node's memory, in words (128 MB). It is killed when
/// it takes more: the question has no answer then, and the node goes on.
const LIMIT: &str =
    "_ = process_flag(max_heap_size, #{size => 16777216, kill => true, error_logger => false}),\n";

/// Functions about one process.
pub(crate) const PROCESS: &str = include_str!("process.txt");
/// Functions that look at all processes.
pub(crate) const BUSIEST: &str = include_str!("busiest.txt");

impl Question {
    /// A question of this name, which is its own, and of these parts.
    pub const fn new(name: &'static str, parts: &'static [&'static str]) -> Self {
        Self { name, parts }
    }

    pub(crate) fn text(&self) -> String {
        [LIMIT].iter().chain(self.parts).copied().collect()
    }
}
