//! Functions that are gone and still called.

use std::collections::{BTreeMap, BTreeSet};

use super::MissingFunction;
use crate::function::FunctionName;
use crate::inventory::{Module, Release};

/// Calls by name of what the old release exports and the new one does not. Calls of what neither has are no difference.
pub(super) fn functions(old: &Release, new: &Release) -> Vec<MissingFunction> {
    let [before, after] = [old, new].map(by_name);
    let gone = gone(&before, &after);
    let mut missing = Vec::new();
    for (application, caller, module) in new.modules() {
        for (name, called) in &module.imports {
            let Some(gone) = gone.get(name.as_str()) else { continue };
            missing.extend(called.intersection(gone).map(|function| MissingFunction {
                caller: caller.to_owned(),
                application: application.to_owned(),
                is_caller_unchanged: before.get(caller).is_some_and(|old| old.digest == module.digest),
                module: name.clone(),
                function: function.clone(),
            }));
        }
    }
    missing.sort();
    missing
}

fn by_name(release: &Release) -> BTreeMap<&str, &Module> {
    release.modules().map(|(_, name, module)| (name, module)).collect()
}

/// What each module does not export any more, but for none.
fn gone<'a>(
    before: &BTreeMap<&'a str, &Module>,
    after: &BTreeMap<&str, &Module>,
) -> BTreeMap<&'a str, BTreeSet<FunctionName>> {
    let nothing = BTreeSet::new();
    let same = |name: &&str, old: &&Module| after.get(name).is_some_and(|new| new.digest == old.digest);
    let gone = before.iter().filter(|(name, old)| !same(name, old)).map(|(name, old)| {
        let exports = after.get(name).map_or(&nothing, |new| &new.exports);
        (*name, &old.exports - exports)
    });
    gone.filter(|(_, functions)| !functions.is_empty()).collect()
}
