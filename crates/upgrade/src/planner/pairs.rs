//! The modules of two releases side by side.

use std::collections::BTreeMap;

use super::runtime::is_core;
use crate::inventory::{Module, Release};

/// The modules of both releases by name.
pub(super) struct Pairs<'a> {
    /// Those that differ, are new or are gone.
    pub(super) changed: Vec<Pair<'a>>,
    /// Where each of them is in [`Self::changed`].
    places: BTreeMap<&'a str, usize>,
    /// All that the old release runs.
    pub(super) old: BTreeMap<&'a str, Held<'a>>,
    /// All that the new release would run.
    pub(super) new: BTreeMap<&'a str, Held<'a>>,
}

/// A module in both releases, of which one may be missing.
pub(super) struct Pair<'a> {
    pub(super) name: &'a str,
    pub(super) old: Option<Held<'a>>,
    pub(super) new: Option<Held<'a>>,
}

/// A module as a release runs it.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    /// The application that it is of.
    pub(super) application: &'a str,
    pub(super) module: &'a Module,
    /// Whether it is the consolidated one.
    pub(super) is_protocol: bool,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(old: &'a Release, new: &'a Release) -> Self {
        let (old, new) = (effective(old), effective(new));
        let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
        let gone = gone.map(|(name, held)| Pair { name, old: Some(*held), new: None });
        let kept = new.iter().filter_map(|(name, held)| {
            let before = old.get(name);
            let differs = before.is_none_or(|before| differs(before.module, held.module));
            differs.then(|| Pair { name, old: before.copied(), new: Some(*held) })
        });
        let changed: Vec<Pair<'_>> = gone.chain(kept).collect();
        let places = changed.iter().enumerate().map(|(place, pair)| (pair.name, place)).collect();
        Pairs { changed, places, old, new }
    }

    /// The changed modules of an application, in either release.
    pub(super) fn of_application(&self, name: &str) -> impl Iterator<Item = &Pair<'a>> {
        let is_of = move |held: &Option<Held<'_>>| held.is_some_and(|held| held.application == name);
        self.changed.iter().filter(move |pair| is_of(&pair.old) || is_of(&pair.new))
    }

    pub(super) fn changed(&self, module: &str) -> Option<&Pair<'a>> {
        self.changed.get(*self.places.get(module)?)
    }
}

/// Line numbers, debug information and the like count for nothing; a `vsn` that an author wrote does.
fn differs(old: &Module, new: &Module) -> bool {
    let vsn = |module: &Module| module.vsn.clone().filter(|_| module.has_own_vsn);
    old.digest != new.digest || old.attributes != new.attributes || vsn(old) != vsn(new)
}

/// What a node of the release runs: a consolidated protocol takes the place of the application's own module. One of Elixir
/// itself is the release's: it changes with whoever implements it, and what Elixir is does not.
fn effective(release: &Release) -> BTreeMap<&str, Held<'_>> {
    let plain = release
        .modules()
        .map(|(application, name, module)| (name, Held { application, module, is_protocol: false }));
    let mut held: BTreeMap<&str, Held<'_>> = plain.collect();
    for (name, module) in &release.protocols {
        let application = held.get(name.as_str()).map(|held| held.application);
        let application = application.filter(|application| !is_core(application)).unwrap_or_default();
        held.insert(name, Held { application, module, is_protocol: true });
    }
    held
}
