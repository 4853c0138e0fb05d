//! The atoms that were seen, each name once.

use std::collections::HashSet;

use crate::term::Atom;

/// How many atoms are found without hashing their whole names; a power of two.
const RECENT: usize = 256;

/// Remembers atoms, so that one that is sent again takes no memory again.
#[derive(Debug)]
pub struct Interner {
    known: HashSet<Atom>,
    limit: usize,
    /// The atom that was asked for last at each [`place`]; empty until one is. A few names are most of all atoms.
    recent: Vec<Option<Atom>>,
}

impl Interner {
    /// One that remembers so many.
    pub fn new(limit: usize) -> Self {
        Self { known: HashSet::new(), limit, recent: Vec::new() }
    }

    /// The atom of this name.
    pub fn atom(&mut self, name: &str) -> Atom {
        if self.recent.is_empty() {
            self.recent.resize(RECENT, None);
        }
        let place = place(name.as_bytes());
        if let Some(Some(recent)) = self.recent.get(place)
            && recent.as_str() == name
        {
            return recent.clone();
        }
        let atom = self.known_or_new(name);
        self.recent[place] = Some(atom.clone());
        atom
    }

    fn known_or_new(&mut self, name: &str) -> Atom {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        if self.known.len() >= self.limit {
            // Those in use stay where they are used. A peer that invents names pays with its own speed.
            self.known.clear();
            self.recent.fill(None);
        }
        let atom = Atom::new(name);
        self.known.insert(atom.clone());
        atom
    }
}

/// Where a name is among the recent ones: by its length and three of its bytes.
fn place(name: &[u8]) -> usize {
    let byte = |at: usize| name.get(at).copied().unwrap_or_default();
    let length = name.len();
    // The lowest eight bits of a length tell most names apart; the product's upper bits depend on all of them.
    let sample = [length as u8, byte(0), byte(length / 2), byte(length.saturating_sub(1))];
    (u32::from_ne_bytes(sample).wrapping_mul(0x9e37_79b1) >> (32 - RECENT.ilog2())) as usize
}
