//! What the settings of an app change from one side of an upgrade to the other.

use std::ffi::OsStr;

use model::app::App;
use model::settings::AppSettings;
use upgrade::finding::{Code, Finding, Place};

use super::UpgradeError;
use super::side::Side;
use crate::environment::Environment;
use crate::site::{Site, SiteError};

/// What a node is not told, and what it can be told.
#[derive(Default)]
pub(super) struct Changes {
    /// What counts only at a start.
    pub(super) of_start: Vec<String>,
    /// Variables of the environment, and what they become.
    pub(super) variables: Vec<(String, Option<String>)>,
    /// Whether the operator gives one of them a `sys.config`.
    pub(super) has_sys_config: bool,
}

impl Changes {
    /// Compares both. It blocks.
    pub(super) fn between(site: &Site, app: &App, old: &Side, new: &Side) -> Result<Self, UpgradeError> {
        let settings = |side: &Side| app.revision(side.instance.target).map(|it| &it.settings);
        let (before, after) = (settings(old), settings(new));
        let (before, after) = (before.ok_or(SiteError::NoVersion)?, after.ok_or(SiteError::NoVersion)?);
        let mut changes = Changes {
            of_start: of_start(before, after),
            has_sys_config: before.sys_config.is_some() || after.sys_config.is_some(),
            variables: Vec::new(),
        };
        // As if both had the same tree: where that is says nothing.
        let environment = |side: &Side| {
            let instance = &side.instance;
            site.environment(app, instance.target, instance.place, instance.slot, &old.root)
        };
        let (was, is) = (environment(old)?, environment(new)?);
        let ports: Vec<&str> = after.ports.keys().chain(before.ports.keys()).map(|it| it.as_str()).collect();
        let is_of_start = |name: &str| {
            name == "PATH"
                || name == "PORT"
                || name.starts_with("ERL_")
                || name.starts_with("RELEASE_")
                || ports.contains(&name)
        };
        for (name, value) in differing(&was, &is) {
            if is_of_start(&name) {
                changes.of_start.push(name);
            } else {
                changes.variables.push((name, value));
            }
        }
        Ok(changes)
    }

    /// What is in the way.
    pub(super) fn finding(&self) -> Option<Finding> {
        let what = self.of_start.join(", ");
        (!what.is_empty()).then(|| Finding::new(Code::SettingsOfStart, Place::Release, &[("what", &what)]))
    }
}

/// Settings that a process has from its start.
fn of_start(before: &AppSettings, after: &AppSettings) -> Vec<String> {
    let differing = [
        ("user", before.user != after.user),
        ("group", before.group != after.group),
        ("umask", before.umask != after.umask),
        ("no_new_privs", before.no_new_privs != after.no_new_privs),
        ("rlimits", before.rlimits != after.rlimits),
        ("resources", before.resources != after.resources),
        ("runtime", before.runtime != after.runtime),
        ("distribution", before.distribution != after.distribution),
        ("mesh", before.mesh != after.mesh),
        ("node_name", before.node_name != after.node_name),
    ];
    differing.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name.to_owned()).collect()
}

/// Variables that differ, as text: one that is none cannot be told to a node.
fn differing(was: &Environment, is: &Environment) -> Vec<(String, Option<String>)> {
    let mut names: Vec<_> = was.keys().chain(is.keys()).collect();
    names.sort();
    names.dedup();
    let text = |value: &OsStr| value.to_string_lossy().into_owned();
    let differ = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    differ.map(|name| (text(name), is.get(name).map(|value| text(value)))).collect()
}
