//! What one file says: typed values, each with its place. Nothing is filled in.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::keys::{APP_KEYS, Owner};
use super::problem::{Problem, Problems};
use super::read::{Place, parse, read_table};
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
    /// By key path; entries of `ports` and `variables` as `ports.NAME`.
    pub(super) said: BTreeMap<String, Said>,
    /// The table, where problems are shown that no line of it says.
    at: Location,
}

impl AppLayer {
    /// Reads a file whose top level is one app's table: `apps/NAME.toml`, or what `--settings` names.
    pub fn parse(source: &Source) -> Result<AppLayer, Problems> {
        let mut problems = Problems::default();
        let layer = AppLayer::from_file(source, &mut problems);
        problems.or(layer)
    }

    /// Reads a package's own `bellrock.toml`. What is about the host's safety (`user`, `rlimits` …) is
    /// refused in it: who can store a package must not decide that.
    pub fn parse_package(source: &Source) -> Result<AppLayer, Problems> {
        let mut problems = Problems::default();
        let layer = AppLayer::from_file(source, &mut problems);
        problems.extend(layer.host_only());
        problems.or(layer)
    }

    pub(super) fn from_file(source: &Source, problems: &mut Problems) -> AppLayer {
        let said = match parse(source) {
            Ok(document) => {
                let place = Place { source, prefix: "" };
                read_table(&place, APP_KEYS, document.as_table(), problems)
            }
            Err(problem) => {
                problems.push(*problem);
                BTreeMap::new()
            }
        };
        AppLayer::new(said, source.locate("", None))
    }

    pub(super) fn new(said: BTreeMap<String, Said>, at: Location) -> AppLayer {
        AppLayer { said, at }
    }

    /// Where the key is said, or else the table that could say it.
    pub(super) fn locate(&self, key: &str) -> Location {
        if let Some(said) = self.said.get(key) {
            return said.at.clone();
        }
        let prefix = if self.at.key.is_empty() { String::new() } else { format!("{}.", self.at.key) };
        Location { key: format!("{prefix}{key}"), ..self.at.clone() }
    }

    fn host_only(&self) -> impl Iterator<Item = Problem> {
        APP_KEYS.iter().filter(|key| key.owner == Owner::Host).filter_map(|key| {
            let said = self.said.get(key.path)?;
            let remedy = "remove it here, and say it in the host's apps/NAME.toml";
            Some(said.at.clone().problem("may only be said by the host, not by a package", remedy))
        })
    }
}
