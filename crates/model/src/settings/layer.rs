//! What one file says: typed values, each with its place. Nothing is filled in.

use serde_json::Value as Json;

use super::keys::{APP_KEYS, Owner};
use super::problem::{Problem, Problems};
use super::read::{Place, Reading, parse, read_table};
use super::source::{Location, Source};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) value: Json,
    pub(super) at: Location,
}

/// What one file says about an app.
#[derive(Debug, Clone, PartialEq)]
pub struct AppLayer {
    pub(super) reading: Reading,
    /// The table, where problems are shown that no line of it says.
    at: Location,
}

impl AppLayer {
    /// Reads a file whose top level is one app's table: `apps/NAME.toml`, or what `--settings` names.
    pub fn parse(source: &Source) -> Result<AppLayer, Problems> {
        let mut problems = Problems::default();
        let layer = AppLayer::from_file(source, &mut problems);
        problems.or(layer, std::iter::once(source.name.as_str()))
    }

    /// Reads a package's own `bellrock.toml`. What is about the host's safety (`user`, `rlimits` …) is
    /// refused in it: who can store a package must not decide that.
    pub fn parse_package(source: &Source) -> Result<AppLayer, Problems> {
        let mut problems = Problems::default();
        let layer = AppLayer::from_file(source, &mut problems);
        problems.extend(layer.host_only());
        problems.or(layer, std::iter::once(source.name.as_str()))
    }

    pub(super) fn from_file(source: &Source, problems: &mut Problems) -> AppLayer {
        let reading = match parse(source) {
            Ok(document) => {
                let place = Place { source, prefix: "" };
                read_table(&place, APP_KEYS, document.as_table(), problems)
            }
            Err(problem) => {
                problems.push(*problem);
                Reading::unreadable()
            }
        };
        AppLayer::new(reading, source.locate("", None))
    }

    pub(super) fn new(reading: Reading, at: Location) -> AppLayer {
        AppLayer { reading, at }
    }

    pub(super) fn said(&self, key: &str) -> Option<&Said> {
        self.reading.said.get(key)
    }

    /// The key, its section or something in it could not be read.
    pub(super) fn is_faulty(&self, key: &str) -> bool {
        let part_of = |inner: &str, outer: &str| {
            outer.is_empty()
                || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.reading.faults.iter().any(|fault| part_of(key, fault) || part_of(fault, key))
    }

    /// The file that it was read from.
    pub(super) fn source(&self) -> &str {
        &self.at.source
    }

    /// Where the key is said, or else the table that could say it.
    pub(super) fn locate(&self, key: &str) -> Location {
        if let Some(said) = self.said(key) {
            return said.at.clone();
        }
        let prefix = if self.at.key.is_empty() { String::new() } else { format!("{}.", self.at.key) };
        Location { key: format!("{prefix}{key}"), ..self.at.clone() }
    }

    fn host_only(&self) -> impl Iterator<Item = Problem> {
        APP_KEYS.iter().filter(|key| key.owner == Owner::Host).filter_map(|key| {
            let said = self.said(key.path)?;
            let remedy = "remove it here, and say it in the host's apps/NAME.toml";
            Some(said.at.clone().problem("may only be said by the host, not by a package", remedy))
        })
    }
}
