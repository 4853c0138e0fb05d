//! What the operator allows of hot upgrades.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::finding::Code;
use crate::plan::Direction;

/// The settings of an app, and what was said on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `upgrade` of the settings.
    pub mode: Mode,
    /// Which way it goes, for who knows that: [`Direction::Down`] back to a version from which the running one was upgraded
    /// to. Then states go back by the conversions of the version that runs.
    pub way: Direction,
    /// Which care is accepted.
    pub accepted: Accepted,
    /// Codes that `--force` names.
    pub forced: BTreeSet<Code>,
    /// What is to be done about a module, whatever its content says.
    pub overrides: BTreeMap<String, Override>,
    /// Applications that may be stopped and started within the VM: their processes and connections end, and what speaks
    /// against going on with these counts for nothing.
    pub restarted: BTreeSet<String>,
    /// Applications whose appups are ignored.
    pub ignored_appups: BTreeSet<String>,
}

/// When an upgrade may be hot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Never.
    Never,
    /// When the package brings appups for what changes.
    Package,
    /// When the plan says so.
    #[default]
    Auto,
}

/// Findings of care that do not prevent a hot upgrade.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Accepted {
    /// All.
    #[default]
    All,
    /// These.
    Only(BTreeSet<Code>),
}

impl Accepted {
    pub(crate) fn has(&self, code: Code) -> bool {
        match self {
            Accepted::All => true,
            Accepted::Only(codes) => codes.contains(&code),
        }
    }
}

/// What an operator says about a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Override {
    /// It is loaded, and its processes go on with the state that they have.
    Load,
    /// Its processes are suspended and their states converted by its `code_change`.
    Convert,
    /// Its supervised processes are restarted; their states are lost.
    Restart,
}

/// A text that does not say what is done about a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not MODULE=WHAT, with load, convert or restart, such as Shop.Cart=restart")]
pub struct BadOverride {
    text: String,
}

impl Override {
    /// Reads `Shop.Cart=restart`; the module comes as the node names it. One of Elixir is written without its prefix, one of
    /// Erlang in small letters.
    pub fn of_module(text: &str) -> Result<(String, Override), BadOverride> {
        let bad = || BadOverride { text: text.chars().take(80).collect() };
        let (module, what) =
            text.rsplit_once('=').filter(|(module, _)| !module.is_empty()).ok_or_else(bad)?;
        let what = match what {
            "load" => Override::Load,
            "convert" => Override::Convert,
            "restart" => Override::Restart,
            _ => return Err(bad()),
        };
        let is_elixirs =
            module.starts_with(|first: char| first.is_ascii_uppercase()) && !module.starts_with("Elixir.");
        let module = if is_elixirs { format!("Elixir.{module}") } else { module.to_owned() };
        Ok((module, what))
    }
}
