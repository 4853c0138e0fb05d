//! Functions as values.

use super::{Atom, Items, Pid, Term};

/// A closure: which function of which version of a module, and what it closes over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fun {
    /// Number of arguments.
    pub arity: u8,
    /// MD5 of the module's significant parts.
    pub unique: [u8; 16],
    /// Which of the module's funs.
    pub index: u32,
    /// The module.
    pub module: Atom,
    /// The older way to say [`Self::index`]: the number that is printed.
    pub old_index: i64,
    /// The older way to say [`Self::unique`]: the number that is printed.
    pub old_unique: i64,
    /// The process that made it.
    pub creator: Pid,
    /// What it closes over.
    pub free: Items<Term>,
}

/// `fun Module:Function/Arity`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Export {
    /// The module.
    pub module: Atom,
    /// The function.
    pub function: Atom,
    /// Number of arguments.
    pub arity: u8,
}
