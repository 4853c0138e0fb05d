//! The order of loading: callees before callers.
//!
//! All modules of a group become current at once, so the order is for people, and for release handlers that load one after
//! the other. Modules that call each other are told by name.

use std::collections::{BTreeMap, BTreeSet};

use super::Planner;
use crate::plan::Load;

impl Planner<'_> {
    pub(super) fn order(&mut self) {
        let loads = std::mem::take(&mut self.steps.load);
        self.steps.load = sorted(loads);
        let rank: BTreeMap<&str, usize> =
            self.steps.load.iter().enumerate().map(|(index, load)| (load.module.as_str(), index)).collect();
        self.steps.conversions.sort_by_key(|conversion| rank.get(conversion.module.as_str()).copied());
        self.steps.delete.sort_by(|a, b| a.module.cmp(&b.module));
        self.steps.supervisors.sort();
    }
}

/// A depth-first walk, by hand: a chain of calls may be longer than a stack is deep.
fn sorted(loads: Vec<Load>) -> Vec<Load> {
    let mut left: BTreeMap<String, Load> =
        loads.into_iter().map(|load| (load.module.clone(), load)).collect();
    let names: Vec<String> = left.keys().cloned().collect();
    let mut begun: BTreeSet<String> = BTreeSet::new();
    let mut sorted = Vec::with_capacity(names.len());
    for first in names {
        let mut path = vec![first];
        while let Some(name) = path.last() {
            let next = left.get(name).and_then(|load| {
                load.calls.iter().find(|called| !begun.contains(*called) && left.contains_key(*called))
            });
            let next = next.cloned();
            begun.insert(name.clone());
            match next {
                Some(next) => path.push(next),
                None => {
                    sorted.extend(path.pop().and_then(|name| left.remove(&name)));
                }
            }
        }
    }
    sorted
}
