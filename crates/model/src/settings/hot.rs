//! When a new version is taken in by running instances, and what may be done for that.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::value::{Fault, quote};
use crate::names::{ApplicationName, FindingCode, ModuleOverride};
use crate::units::millis;

/// When a deployment of another version upgrades running instances hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeMode {
    /// Never: every version is started anew.
    #[default]
    Never,
    /// When the package brings appups for all that changes.
    Package,
    /// When the plan of the upgrade says that it is safe.
    Auto,
}

/// How instances are upgraded hot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HotSettings {
    /// Findings of care with which an upgrade is still done; `None` = all.
    pub accept: Option<BTreeSet<FindingCode>>,
    /// How long the first instance that was upgraded is watched before the others follow.
    #[serde(with = "millis")]
    pub gate: Duration,
    /// Time limit of the upgrade of one instance.
    #[serde(with = "millis")]
    pub deadline: Duration,
    /// Applications that may be stopped and started within a running instance.
    pub restart: BTreeSet<ApplicationName>,
    /// Applications whose appups are ignored.
    pub ignore_appups: BTreeSet<ApplicationName>,
    /// What is done about single modules, whatever their content and appups say.
    pub modules: BTreeSet<ModuleOverride>,
}

impl Default for HotSettings {
    fn default() -> Self {
        HotSettings {
            accept: None,
            gate: Duration::from_secs(5),
            deadline: Duration::from_secs(60),
            restart: BTreeSet::new(),
            ignore_appups: BTreeSet::new(),
            modules: BTreeSet::new(),
        }
    }
}

pub(super) fn finding_code(text: &str) -> Result<Json, Fault> {
    let remedy = "write codes as bellrock upgrade check prints them, such as \"BR-H012\"";
    let code: FindingCode =
        text.parse().map_err(|_| Fault::new(format!("{} is no code of a finding", quote(text)), remedy))?;
    Ok(json!(code))
}

pub(super) fn application_name(text: &str) -> Result<Json, Fault> {
    let remedy = "write it as the package's lib folder does, without the version, such as \"my_app\"";
    let name: ApplicationName = text
        .parse()
        .map_err(|_| Fault::new(format!("{} is no name of an application", quote(text)), remedy))?;
    Ok(json!(name))
}

pub(super) fn module_override(text: &str) -> Result<Json, Fault> {
    let remedy =
        "write \"MODULE=restart\", \"MODULE=convert\" or \"MODULE=load\", such as \"Shop.Cart=restart\"";
    let one: ModuleOverride = text.parse().map_err(|error| Fault::new(format!("{error}"), remedy))?;
    Ok(json!(one))
}

/// Two of one module would contradict each other.
pub(super) fn each_module_once(overrides: Json) -> Result<Json, Vec<Fault>> {
    let all = overrides.as_array().map(Vec::as_slice).unwrap_or_default();
    let module =
        |one: &Json| one.as_str().and_then(|text| text.rsplit_once('=')).map(|(module, _)| module.to_owned());
    let mut modules = BTreeSet::new();
    match all.iter().filter_map(module).find(|module| !modules.insert(module.clone())) {
        None => Ok(overrides),
        Some(twice) => {
            let message = format!("says twice what is done about {}", quote(&twice));
            Err(vec![Fault::new(message, "leave one of them")])
        }
    }
}
