//! What names one thing in a cluster: processes, ports, references.

use super::Atom;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pid {
    /// The node that it runs on.
    pub node: Atom,
    /// The first of the two numbers.
    pub id: u32,
    /// The second.
    pub serial: u32,
    /// Which start of the node it belongs to.
    pub creation: u32,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// The node that has it.
    pub node: Atom,
    /// Its number.
    pub id: u64,
    /// Which start of the node it belongs to.
    pub creation: u32,
}

/// Most words in a reference (OTP 24 and newer: an alias of a process that may be on another node).
pub const MAX_WORDS: usize = 5;

/// A reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The node that made it.
    pub node: Atom,
    /// Which start of the node it belongs to.
    pub creation: u32,
    // Those beyond `length` are 0, so that two of the same words are equal.
    words: [u32; MAX_WORDS],
    length: u8,
}

impl Reference {
    /// A reference of these words; `None` for more than five.
    pub fn new(node: Atom, creation: u32, words: &[u32]) -> Option<Self> {
        let mut kept = [0; MAX_WORDS];
        kept.get_mut(..words.len())?.copy_from_slice(words);
        Some(Self { node, creation, words: kept, length: u8::try_from(words.len()).ok()? })
    }

    /// Its words, the lowest first.
    pub fn words(&self) -> &[u32] {
        &self.words[..usize::from(self.length)]
    }
}
