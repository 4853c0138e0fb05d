//! What a function reaches within its module: itself, what it calls there, the closures that it makes.

use std::collections::{BTreeMap, BTreeSet};

use crate::function::FunctionName;
use crate::inventory::{Function, Module};

/// How the code below a function differs between two versions of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Not at all.
    Same,
    /// In numbers, binaries and strings only.
    Constants,
    /// In more.
    Code,
}

/// A function by name and number of arguments.
pub(crate) type Root = (&'static str, u8);

/// Functions that differ in more than constants, or are new, among those that some functions do not reach.
pub(crate) fn changed_besides<'a>(
    old: &Module,
    new: &'a Module,
    roots: &BTreeSet<FunctionName>,
) -> Vec<&'a FunctionName> {
    let inside = reached_from(new, new.functions.keys().filter(|name| roots.contains(*name)).collect());
    let skeleton = |name: &FunctionName| old.functions.get(name).map(|function| function.skeleton);
    let outside = new.functions.iter().filter(|(name, _)| !inside.contains_key(*name));
    outside.filter(|(name, now)| skeleton(name) != Some(now.skeleton)).map(|(name, _)| name).collect()
}

/// Compares what some functions reach. A function that neither version has does not count.
pub(crate) fn change(old: &Module, new: &Module, roots: &[Root]) -> Change {
    let (old, new) = (reached(old, roots), reached(new, roots));
    if old.len() != new.len() || !old.keys().eq(new.keys()) {
        return Change::Code;
    }
    let pairs = || old.values().zip(new.values());
    if pairs().all(|(old, new)| old.digest == new.digest) {
        return Change::Same;
    }
    if pairs().all(|(old, new)| old.skeleton == new.skeleton) { Change::Constants } else { Change::Code }
}

fn reached<'a>(module: &'a Module, roots: &[Root]) -> BTreeMap<&'a FunctionName, &'a Function> {
    let of_root = |name: &FunctionName| roots.iter().any(|&(root, arity)| name.is(root, arity));
    reached_from(module, module.functions.keys().filter(|name| of_root(name)).collect())
}

fn reached_from<'a>(
    module: &'a Module,
    mut waiting: Vec<&'a FunctionName>,
) -> BTreeMap<&'a FunctionName, &'a Function> {
    let mut seen: BTreeSet<&FunctionName> = waiting.iter().copied().collect();
    let mut found = BTreeMap::new();
    while let Some(name) = waiting.pop() {
        let Some(function) = module.functions.get(name) else { continue };
        found.insert(name, function);
        waiting.extend(function.calls.iter().filter(|called| seen.insert(called)));
    }
    found
}
