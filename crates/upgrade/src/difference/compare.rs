//! Compares releases, applications and modules.

use std::collections::{BTreeMap, BTreeSet};

use super::sets::split;
use super::{
    ApplicationChange, ApplicationDifference, Change, ConfigurationDifference, Difference, Functions, Keys,
    ModuleDifference, Modules, Move, Names, RuntimeDifference, missing,
};
use crate::function::FunctionName;
use crate::inventory::{Application, Closure, Configuration, Module, Release, Runtime};

pub(super) fn releases(old: &Release, new: &Release) -> Difference {
    let applications = applications(&old.applications, &new.applications);
    Difference {
        name: Change::of(&old.name, &new.name),
        version: Change::of(&old.version, &new.version),
        kind: Change::of(&old.kind, &new.kind),
        runtime: runtimes(&old.runtime, &new.runtime),
        has_other_start_order: has_other_order(old, new),
        moved: moved(old, new),
        protocols: modules(&old.protocols, &new.protocols),
        configuration: configurations(&old.configuration, &new.configuration),
        missing: missing::functions(old, new),
        applications,
    }
}

fn runtimes(old: &Runtime, new: &Runtime) -> RuntimeDifference {
    RuntimeDifference {
        erts: Change::of(&old.erts, &new.erts),
        has_other_erts_content: old.erts_content != new.erts_content,
        otp: Change::of(&old.otp, &new.otp),
    }
}

fn has_other_order(old: &Release, new: &Release) -> bool {
    let common = |all: &Release, other: &Release| -> Vec<String> {
        all.start_order.iter().filter(|name| other.applications.contains_key(*name)).cloned().collect()
    };
    common(old, new) != common(new, old)
}

fn applications(
    old: &BTreeMap<String, Application>,
    new: &BTreeMap<String, Application>,
) -> BTreeMap<String, ApplicationChange> {
    let mut changes = BTreeMap::new();
    for (name, after) in new {
        let change = match old.get(name) {
            None => Some(ApplicationChange::Added),
            Some(before) => application(before, after).map(|it| ApplicationChange::Changed(Box::new(it))),
        };
        changes.extend(change.map(|change| (name.clone(), change)));
    }
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    changes.extend(removed.map(|name| (name.clone(), ApplicationChange::Removed)));
    changes
}

fn application(old: &Application, new: &Application) -> Option<ApplicationDifference> {
    let needed =
        |it: &Application| &(&it.applications | &it.included_applications) | &it.optional_applications;
    let (old_native, old_private) = private(old);
    let (new_native, new_private) = private(new);
    let difference = ApplicationDifference {
        version: Change::of(&old.version, &new.version),
        start_type: Change::of(&old.start_type, &new.start_type),
        has_other_callback: old.callback != new.callback,
        has_other_start_phases: old.start_phases != new.start_phases,
        environment: Keys::between(&old.environment, &new.environment),
        applications: Names::between(&needed(old), &needed(new)),
        registered: Names::between(&old.registered, &new.registered),
        modules: modules(&old.modules, &new.modules),
        private: Keys::between(&old_private, &new_private),
        native_libraries: Keys::between(&old_native, &new_native),
    };
    (difference != ApplicationDifference::default()).then_some(difference)
}

type Files = BTreeMap<String, crate::Digest>;

/// Native libraries, and other files.
fn private(application: &Application) -> (Files, Files) {
    let is_native = |path: &str| application.native_libraries.contains(path);
    application.private.clone().into_iter().partition(|(path, _)| is_native(path))
}

fn modules(old: &BTreeMap<String, Module>, new: &BTreeMap<String, Module>) -> Modules {
    let mut modules = Modules::default();
    for (name, after) in new {
        let Some(before) = old.get(name) else {
            modules.added.insert(name.clone());
            continue;
        };
        match module(before, after) {
            Some(difference) => drop(modules.changed.insert(name.clone(), difference)),
            None if before.lines != after.lines => drop(modules.only_lines.insert(name.clone())),
            None => {}
        }
    }
    modules.removed = old.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
    modules
}

fn module(old: &Module, new: &Module) -> Option<ModuleDifference> {
    let vsn = |module: &Module| module.vsn.clone().filter(|_| module.has_own_vsn);
    let vsn = Change::of(&vsn(old), &vsn(new));
    if old.digest == new.digest && old.attributes == new.attributes && vsn.is_none() {
        return None;
    }
    let (added, removed, changed) = split(&old.functions, &new.functions);
    let skeleton = |module: &Module, name: &FunctionName| module.functions.get(name).map(|it| it.skeleton);
    let only_values = changed.iter().filter(|name| skeleton(old, name) == skeleton(new, name)).cloned();
    let only_values = only_values.collect();
    let functions = Functions { added, removed, changed };
    let none = BTreeMap::new();
    let [before, after] = [old, new].map(|module| module.structure.as_ref());
    Some(ModuleDifference {
        has_other_code: old.digest != new.digest,
        has_other_attributes: old.attributes != new.attributes,
        vsn,
        behaviours: Names::between(&old.behaviours, &new.behaviours),
        exports: Functions {
            added: &new.exports - &old.exports,
            removed: &old.exports - &new.exports,
            changed: BTreeSet::new(),
        },
        structure: Keys::between(before.unwrap_or(&none), after.unwrap_or(&none)),
        has_other_structure: has_other_structure(old, new),
        closures: closures(old, new, &functions),
        functions,
        only_values,
    })
}

fn has_other_structure(old: &Module, new: &Module) -> bool {
    let digest = |module: &Module| module.function("__struct__", 0).map(|function| function.digest);
    match (&old.structure, &new.structure) {
        (Some(_), Some(_)) => false,
        (None, None) => digest(old) != digest(new),
        _ => true,
    }
}

/// Which closures of the old version have no equal in the new one.
fn closures(old: &Module, new: &Module, functions: &Functions) -> BTreeSet<FunctionName> {
    let kept: BTreeSet<&Closure> = new.closures.iter().collect();
    let is_same =
        |closure: &&Closure| kept.contains(closure) && !functions.changed.contains(&closure.function);
    let gone = old.closures.iter().filter(|closure| !is_same(closure));
    gone.map(|closure| closure.function.clone()).collect()
}

fn moved(old: &Release, new: &Release) -> BTreeMap<String, Move> {
    let before: BTreeMap<&str, (&str, &Module)> =
        old.modules().map(|(application, name, module)| (name, (application, module))).collect();
    let stays = |application: &str, name: &str| {
        old.applications.get(application).is_some_and(|it| it.modules.contains_key(name))
    };
    let mut moved = BTreeMap::new();
    for (to, name, after) in new.modules().filter(|(application, name, _)| !stays(application, name)) {
        if let Some((from, it)) = before.get(name) {
            let difference = module(it, after);
            moved.insert(name.to_owned(), Move { from: (*from).to_owned(), to: to.to_owned(), difference });
        }
    }
    moved
}

fn configurations(old: &Configuration, new: &Configuration) -> ConfigurationDifference {
    const STATIC: &str = "sys.config";
    let mut difference = ConfigurationDifference {
        has_other_includes: old.included != new.included,
        files: Keys::between(&old.files, &new.files),
        ..ConfigurationDifference::default()
    };
    if let (Some(before), Some(after)) = (&old.environment, &new.environment) {
        difference.files.changed.remove(STATIC);
        let none = BTreeMap::new();
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changes = names.into_iter().map(|name| {
            let [old, new] = [before, after].map(|all| all.get(name).unwrap_or(&none));
            (name.clone(), Keys::between(old, new))
        });
        difference.environment = changes.filter(|(_, keys)| !keys.is_empty()).collect();
    }
    difference
}
