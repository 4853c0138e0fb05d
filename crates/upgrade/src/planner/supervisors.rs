//! Supervisors: whose children are to be compared with what the new version says.

use std::collections::BTreeSet;

use super::Planner;
use super::configuration::list;
use super::effects::effects;
use super::modules::differs;
use super::pairs::Pair;
use crate::finding::{Code, Place};
use crate::inventory::Module;
use crate::plan::{Children, Reconcile};
use crate::reach::{self, Change};
use crate::role::{Role, role, starts_children};

impl<'a> Planner<'a> {
    /// Supervisors that change, or whose children's specifications change; then processes of modules that are gone.
    pub(super) fn supervisors(&mut self) {
        let specified = self.changed_specifications();
        for (&name, held) in &self.pairs.new {
            let Some(old) = self.pairs.old.get(name) else { continue };
            if !matches!(role(held.module), Role::Supervisor | Role::DynamicSupervisor) {
                continue;
            }
            let says_otherwise = differs(old.module, held.module, ("init", 1));
            if says_otherwise || names_any(held.module, &specified) {
                let place = Place::module(held.application, name);
                self.reconcile(held.application, name, Children::OfInit);
                let effects = effects(held.module, self.pairs);
                if !effects.is_empty() {
                    let effects = list(&effects);
                    self.found(Code::InitHasEffects, place.clone(), &[("effects", &effects)]);
                }
                self.found(Code::ChildrenReconciled, place, &[]);
            }
        }
        for (name, old, new) in self.kept_applications() {
            if let (Some(before), Some(after)) = (&old.callback, &new.callback)
                && before.module == after.module
            {
                self.start(name, &after.module, before.argument != after.argument, &specified);
            }
        }
        self.stateful_removed();
    }

    /// Modules whose `child_spec/1` differs: the same list of children means something else.
    fn changed_specifications(&self) -> BTreeSet<&'a str> {
        let has_other = |pair: &&Pair<'_>| match (pair.old, pair.new) {
            (Some(old), Some(new)) => differs(old.module, new.module, ("child_spec", 1)),
            _ => false,
        };
        self.pairs.changed.iter().filter(has_other).map(|pair| pair.name).collect()
    }

    fn reconcile(&mut self, application: &str, module: &str, children: Children) {
        let (application, module) = (application.to_owned(), module.to_owned());
        self.steps.supervisors.push(Reconcile { application, module, children });
    }

    /// What an application does when it starts.
    fn start(&mut self, application: &str, callback: &str, argument: bool, specified: &BTreeSet<&str>) {
        let (Some(old), Some(new)) = (self.pairs.old.get(callback), self.pairs.new.get(callback)) else {
            return;
        };
        if self.restarts(application) {
            return;
        }
        let does_otherwise = argument || differs(old.module, new.module, ("start", 2));
        let is_quiet =
            !does_otherwise || self.starts_without_effects(application, callback, old.module, new.module);
        let has_list = starts_children(old.module) || starts_children(new.module);
        let place = Place::module(application, callback);
        if has_list && (does_otherwise || names_any(new.module, specified)) {
            self.reconcile(application, callback, Children::OfStart);
            if is_quiet {
                self.found(Code::RootChildren, place, &[]);
            }
        } else if does_otherwise && is_quiet {
            let values = [("application", application)];
            self.found(Code::StartNotRepeated, place, &values);
        }
    }

    /// Whether all that a changed start may do is to start children. In Elixir's usual root, calls that were there before
    /// count for nothing: it is the list of children that changes from version to version.
    fn starts_without_effects(
        &mut self,
        application: &str,
        callback: &str,
        old: &Module,
        new: &Module,
    ) -> bool {
        if reach::change(old, new, &[("start", 2)]) == Change::Constants {
            return true;
        }
        let mut effects = effects(new, self.pairs);
        if starts_children(old) && starts_children(new) {
            let before = super::effects::effects(old, self.pairs);
            effects.retain(|effect| !before.contains(effect));
        }
        if effects.is_empty() {
            return true;
        }
        let effects = list(&effects);
        self.found(Code::StartHasEffects, Place::module(application, callback), &[("effects", &effects)]);
        false
    }

    fn restarts(&self, application: &str) -> bool {
        self.steps.applications.restarted.iter().any(|name| name == application)
    }

    /// A process of a module that is gone ends with its next message, unless its supervisor stops it before.
    fn stateful_removed(&mut self) {
        let is_supervised = |planner: &Self, application: &str| {
            let of_it = |name: &String| name == application;
            let applications = &planner.steps.applications;
            applications.removed.iter().chain(&applications.restarted).any(of_it)
                || planner.steps.supervisors.iter().any(|supervisor| supervisor.application == application)
        };
        for pair in &self.pairs.changed {
            let (Some(old), None) = (pair.old, pair.new) else { continue };
            let ignored = self.policy.overrides.contains_key(pair.name) || self.appups.names(pair.name);
            let has_processes = matches!(
                role(old.module),
                Role::Stateful(_) | Role::Special | Role::Actor | Role::Supervisor | Role::DynamicSupervisor
            );
            if has_processes && !ignored && !is_supervised(self, old.application) {
                self.found(Code::StatefulRemoved, Place::module(old.application, pair.name), &[]);
            }
        }
    }
}

fn names_any(module: &Module, names: &BTreeSet<&str>) -> bool {
    module.mentions.iter().any(|name| names.contains(name.as_str()))
}
