//! The atoms that were seen, each name once.

use std::collections::HashSet;

use crate::term::Atom;

/// Remembers atoms, so that one that is sent again takes no memory again.
#[derive(Debug)]
pub struct Interner {
    known: HashSet<Atom>,
    limit: usize,
}

impl Interner {
    /// One that remembers so many.
    pub fn new(limit: usize) -> Self {
        Self { known: HashSet::new(), limit }
    }

    /// The atom of this name.
    pub fn atom(&mut self, name: &str) -> Atom {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        if self.known.len() >= self.limit {
            // Those in use stay where they are used. A peer that invents names pays with its own speed.
            self.known.clear();
        }
        let atom = Atom::new(name);
        self.known.insert(atom.clone());
        atom
    }
}
