//! Applications that are new, gone, or of another shape.

use std::collections::BTreeSet;

use super::Planner;
use super::configuration::list;
use super::runtime::is_core;
use crate::finding::{Code, Place};
use crate::inventory::{Application, Callback};

impl<'a> Planner<'a> {
    /// Applications by name; their files.
    pub(super) fn applications(&mut self) {
        self.added();
        self.removed();
        let mut restarted = BTreeSet::new();
        for (name, old, new) in self.kept_applications() {
            if !is_core(name) {
                self.kept(name, old, new, &mut restarted);
            }
        }
        let order = self.new.in_order().into_iter().filter(|name| restarted.contains(name.as_str()));
        self.steps.applications.restarted = order.cloned().collect();
        self.steps.has_protocols = !self.new.protocols.is_empty();
    }

    fn added(&mut self) {
        let (old, new) = (self.old, self.new);
        for name in new.in_order().into_iter().filter(|name| !old.applications.contains_key(*name)) {
            let Some(application) = new.applications.get(name) else { continue };
            self.steps.applications.added.push(name.clone());
            self.steps.folders.insert(name.clone(), application.folder.clone());
            let values = [("to", application.version.as_str())];
            self.found(Code::ApplicationAdded, Place::application(name), &values);
        }
    }

    fn removed(&mut self) {
        let (old, new) = (self.old, self.new);
        for name in old.in_order().into_iter().rev().filter(|name| !new.applications.contains_key(*name)) {
            let Some(application) = old.applications.get(name) else { continue };
            self.steps.applications.removed.push(name.clone());
            let values = [("from", application.version.as_str())];
            self.found(Code::ApplicationRemoved, Place::application(name), &values);
        }
    }

    fn kept(
        &mut self,
        name: &'a str,
        old: &Application,
        new: &Application,
        restarted: &mut BTreeSet<&'a str>,
    ) {
        let place = Place::application(name);
        let has_other_modules = self.pairs.of_application(name).next().is_some();
        if old.folder != new.folder {
            self.steps.folders.insert(name.to_owned(), new.folder.clone());
        }
        if has_other_modules || says_otherwise(old, new) {
            self.steps.applications.refreshed.push(name.to_owned());
        }
        if has_other_modules && old.version == new.version {
            let values = [("to", new.version.as_str())];
            self.found(Code::SameVersionOtherContent, place.clone(), &values);
        }
        let module = |callback: &Option<Callback>| callback.as_ref().map(|callback| callback.module.clone());
        let (from, to) = (module(&old.callback), module(&new.callback));
        if from != to {
            restarted.insert(name);
            let text = |module: Option<String>| module.unwrap_or_else(|| "none".to_owned());
            let (from, to) = (text(from), text(to));
            self.found(Code::CallbackChanged, place.clone(), &[("from", &from), ("to", &to)]);
        }
        if old.start_phases != new.start_phases {
            // told with what only a start reads; forced, it is a restart
            restarted.insert(name);
        }
        let (before, after) = (&old.included_applications, &new.included_applications);
        if before != after {
            let change = list(before.symmetric_difference(after));
            self.found(Code::IncludedChanged, place.clone(), &[("change", &change)]);
        }
        self.private_files(name, place, old, new);
    }

    fn private_files(&mut self, name: &str, place: Place, old: &Application, new: &Application) {
        let libraries = old.native_libraries.intersection(&new.native_libraries);
        let mut changed = libraries.filter(|file| old.private.get(*file) != new.private.get(*file));
        // a module that loads it and changes says so itself
        let is_told =
            self.pairs.of_application(name).any(|pair| pair.old.is_some_and(|old| old.module.loads_nif));
        if let (false, Some(file)) = (is_told, changed.next()) {
            self.found(Code::NativeLibraryChanged, place.clone(), &[("file", file)]);
        }
        if old.private != new.private {
            // the code path is what leads to it
            self.steps.folders.insert(name.to_owned(), new.folder.clone());
            self.found(Code::PrivateFilesChanged, place, &[]);
        }
    }
}

/// Whether the resource file says something else.
fn says_otherwise(old: &Application, new: &Application) -> bool {
    let said = |application: &Application| {
        let Application { version, environment, applications, included_applications, .. } =
            application.clone();
        let Application { optional_applications, registered, callback, start_phases, .. } =
            application.clone();
        let names = (applications, included_applications, optional_applications, registered);
        (version, environment, names, callback, start_phases)
    };
    said(old) != said(new)
}
