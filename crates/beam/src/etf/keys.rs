//! Whether the keys of a map differ.

use std::collections::HashSet;

use crate::Term;

/// Up to so many keys are compared with each other, which for those of most maps, atoms, is cheaper than hashing them.
const FEW: usize = 16;

/// Whether two of the pairs have the same key.
pub(super) fn repeat(pairs: &[(Term, Term)]) -> bool {
    if pairs.len() > FEW {
        let mut seen = HashSet::with_capacity(pairs.len());
        return pairs.iter().any(|(key, _)| !seen.insert(key));
    }
    pairs.iter().enumerate().any(|(at, (key, _))| pairs[..at].iter().any(|(other, _)| other == key))
}
