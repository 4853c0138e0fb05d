//! In what sets of names and maps by name differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// In what two sets of names differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Only there afterwards.
    pub added: BTreeSet<String>,
    /// Only there before.
    pub removed: BTreeSet<String>,
}

/// In what two maps by name differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Only there afterwards.
    pub added: BTreeSet<String>,
    /// Only there before.
    pub removed: BTreeSet<String>,
    /// There with another value.
    pub changed: BTreeSet<String>,
}

impl Names {
    /// What differs.
    pub fn between(old: &BTreeSet<String>, new: &BTreeSet<String>) -> Self {
        Self { added: new - old, removed: old - new }
    }

    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

impl Keys {
    /// What differs.
    pub fn between<V: PartialEq>(old: &BTreeMap<String, V>, new: &BTreeMap<String, V>) -> Self {
        let (added, removed, changed) = split(old, new);
        Self { added, removed, changed }
    }

    /// Whether nothing does.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Keys that are only in `new`, only in `old`, and in both with different values.
pub(super) fn split<K: Ord + Clone, V: PartialEq>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> (BTreeSet<K>, BTreeSet<K>, BTreeSet<K>) {
    let added = new.keys().filter(|key| !old.contains_key(key)).cloned().collect();
    let (mut removed, mut changed) = (BTreeSet::new(), BTreeSet::new());
    for (key, value) in old {
        match new.get(key) {
            None => drop(removed.insert(key.clone())),
            Some(other) if other != value => drop(changed.insert(key.clone())),
            Some(_) => {}
        }
    }
    (added, removed, changed)
}
