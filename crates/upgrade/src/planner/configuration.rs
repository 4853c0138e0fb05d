//! What configures the release.

use std::collections::{BTreeMap, BTreeSet};

use super::Planner;
use crate::difference::{ApplicationChange, Keys};
use crate::digest::Digest;
use crate::finding::{Code, Place};
use crate::inventory::Configuration;
use crate::survey::UNVERSIONED;

/// Applications that read their environment only when they start.
const READ_AT_START: &[&str] = &["kernel", "stdlib", "sasl"];

/// Files that compute, or include, more of the configuration at a start.
const COMPUTING: &[&str] = &["runtime.exs", "sys.config"];

impl Planner<'_> {
    /// Static values by application and key; files that compute more.
    pub(super) fn configuration(&mut self) {
        self.computed();
        let keys = self.keys();
        for (application, keys) in &keys {
            self.application_keys(application, keys);
        }
        self.steps.environment.keys = keys;
    }

    fn computed(&mut self) {
        let difference = &self.difference.configuration;
        let keys = &difference.files;
        let names = keys.added.iter().chain(&keys.removed).chain(&keys.changed);
        let is_computing = |name: &&String| COMPUTING.contains(&name.strip_suffix(".src").unwrap_or(name));
        let mut files: BTreeSet<String> = names.filter(is_computing).cloned().collect();
        if difference.has_other_includes {
            files.extend(self.new.configuration.included.iter().cloned());
        }
        if providers(&self.old.configuration) != providers(&self.new.configuration) {
            files.insert("config providers".to_owned());
        }
        if !files.is_empty() {
            let what = list(&files);
            self.found(Code::RuntimeConfigChanged, Place::Release, &[("what", &what)]);
        }
        self.steps.environment.computed = files;
    }

    /// Keys that differ: those of `sys.config`, and the defaults of `.app` that it does not set.
    fn keys(&self) -> BTreeMap<String, BTreeSet<String>> {
        let all =
            |keys: &Keys| keys.added.iter().chain(&keys.removed).chain(&keys.changed).cloned().collect();
        let environment = &self.difference.configuration.environment;
        let mut keys: BTreeMap<String, BTreeSet<String>> =
            environment.iter().map(|(name, keys)| (name.clone(), all(keys))).collect();
        let set = self.new.configuration.environment.as_ref();
        for (name, change) in &self.difference.applications {
            let ApplicationChange::Changed(change) = change else { continue };
            let set = set.and_then(|set| set.get(name));
            let is_default = |key: &String| set.is_none_or(|set| !set.contains_key(key));
            let defaults: BTreeSet<String> = all(&change.environment);
            keys.entry(name.clone()).or_default().extend(defaults.into_iter().filter(is_default));
        }
        if let Some(elixir) = keys.get_mut("elixir") {
            // told as what computes it
            elixir.remove(UNVERSIONED.1);
        }
        keys.retain(|_, keys| !keys.is_empty());
        keys
    }

    fn application_keys(&mut self, name: &str, keys: &BTreeSet<String>) {
        let place = Place::application(name);
        let keys = list(keys);
        let values = [("keys", keys.as_str())];
        let Some(application) = self.new.applications.get(name) else { return };
        if !self.old.applications.contains_key(name) {
            return;
        }
        if READ_AT_START.contains(&name) {
            return self.found(Code::LoggerConfigChanged, place, &values);
        }
        let callback = application.callback.as_ref().and_then(|it| self.pairs.new.get(it.module.as_str()));
        let is_untold = callback.is_some_and(|callback| !callback.module.exports("config_change", 3));
        self.found(if is_untold { Code::ConfigNotTold } else { Code::ConfigChanged }, place, &values);
    }
}

/// Elixir's note of which providers run at a start.
fn providers(configuration: &Configuration) -> Option<Digest> {
    let application = configuration.environment.as_ref()?.get(UNVERSIONED.0)?;
    application.get(UNVERSIONED.1).copied()
}

/// The first few of some names.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    let shown = names.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
