//! Structs whose fields change, and who may keep one in a running process.

use std::collections::{BTreeMap, BTreeSet};

use super::Planner;
use super::pairs::Held;
use super::runtime::is_core;
use super::state::{fields_change, has_new_conversion};
use crate::finding::{Code, Place, module_name};
use crate::inventory::Module;
use crate::role::{Role, role};

/// Who uses a module, by its name: those that call it, and those that name it, as a struct's literal does.
type Users<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

impl<'a> Planner<'a> {
    /// Finds running states that may hold a struct of the old shape.
    pub(super) fn structs(&mut self) {
        let changed = self.changed_structs();
        if changed.is_empty() {
            return;
        }
        let users = self.users();
        for (structure, change) in changed {
            let is_demanded = self.is_demanded(structure);
            for (keeper, by) in self.keepers(structure, &users) {
                self.keeper(keeper, by, structure, (&change, is_demanded));
            }
        }
    }

    /// Whether changed code demands a field that structs made before do not have. Fields that are gone, and new ones that
    /// nobody insists on, break nothing.
    fn is_demanded(&self, structure: &str) -> bool {
        let Some(pair) = self.pairs.changed(structure) else { return false };
        let fields = |held: Option<Held<'a>>| held.and_then(|held| held.module.structure.as_ref());
        let (Some(old), Some(new)) = (fields(pair.old), fields(pair.new)) else { return true };
        let added: BTreeSet<&String> = new.keys().filter(|field| !old.contains_key(*field)).collect();
        self.pairs.changed.iter().any(|pair| {
            let reads = |held: Option<Held<'a>>, field: &String| {
                held.is_some_and(|held| held.module.maps.read.contains(field))
            };
            added.iter().any(|field| reads(pair.new, field) && !reads(pair.old, field))
        })
    }

    fn changed_structs(&self) -> Vec<(&'a str, String)> {
        let pairs = self.pairs.changed.iter().filter_map(|pair| {
            let (old, new) = (pair.old?.module, pair.new?.module);
            Some((pair.name, fields_change(old, new).filter(|_| !is_exception(old))?))
        });
        pairs.collect()
    }

    fn users(&self) -> Users<'a> {
        let mut users: Users<'a> = BTreeMap::new();
        for (&name, held) in &self.pairs.old {
            for used in held.module.imports.keys().chain(&held.module.mentions) {
                users.entry(used).or_default().insert(name);
            }
        }
        users
    }

    /// Modules with processes that use a struct, themselves or through modules without processes (which one is told).
    fn keepers(&self, structure: &'a str, users: &Users<'a>) -> BTreeMap<&'a str, Option<&'a str>> {
        let mut keepers = BTreeMap::new();
        let mut seen = BTreeSet::from([structure]);
        let mut waiting = vec![(structure, None)];
        while let Some((module, by)) = waiting.pop() {
            for &user in users.get(module).into_iter().flatten() {
                if !seen.insert(user) {
                    continue;
                }
                let Some(held) = self.pairs.old.get(user) else { continue };
                match role(held.module) {
                    Role::Stateful(behaviour) if !behaviour.is_clients => {
                        keepers.insert(user, by);
                    }
                    Role::Actor | Role::Special | Role::Loop => {
                        keepers.insert(user, by);
                    }
                    Role::Plain if !is_core(held.application) => waiting.push((user, by.or(Some(user)))),
                    _ => {}
                }
            }
        }
        keepers
    }

    fn keeper(
        &mut self,
        name: &'a str,
        by: Option<&'a str>,
        structure: &str,
        (change, is_demanded): (&str, bool),
    ) {
        let (Some(&old), Some(&new)) = (self.pairs.old.get(name), self.pairs.new.get(name)) else { return };
        if self.policy.overrides.contains_key(name) || self.appups.names(name) {
            return;
        }
        let structure = format!("%{}{{}}", module_name(structure));
        let by = by.map(|by| format!(" through {}", module_name(by))).unwrap_or_default();
        let values = [("struct", structure.as_str()), ("change", change), ("by", by.as_str())];
        let code = match (converts(old, new), is_demanded) {
            (true, _) => Code::KeptStructConverted,
            (false, true) => Code::KeptStructChanged,
            (false, false) => Code::KeptStructPossible,
        };
        self.found(code, Place::module(new.application, name), &values);
    }
}

/// Whether its processes are converted by what the new version brings.
fn converts(old: Held<'_>, new: Held<'_>) -> bool {
    match role(new.module) {
        Role::Stateful(behaviour) => {
            behaviour.converter.is_some_and(|it| has_new_conversion(old.module, new.module, it))
        }
        _ => false,
    }
}

/// An exception is raised and rescued, not kept.
fn is_exception(module: &Module) -> bool {
    module.structure.as_ref().is_some_and(|fields| fields.contains_key("__exception__"))
}
