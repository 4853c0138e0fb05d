//! Environment variables that an app gets.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; a secret is shown as its reference `secret:PATH#KEY`.
    pub value: String,
    /// Where it was said.
    pub from: VariableSource,
}

/// Where a variable was said; later ones win.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VariableSource {
    /// `[variables]` in the settings.
    Settings,
    /// `bellrock env set`.
    Set,
}

impl VariableSource {
    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            VariableSource::Settings => "settings",
            VariableSource::Set => "env set",
        }
    }
}

/// Variables of the active version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Variables {
    /// The version with its revision; absent before the first deployment.
    pub version: Option<String>,
    /// By name.
    pub variables: Vec<Variable>,
}

/// Changes to variables; a new revision of the active version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangeVariables {
    /// New values by name.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// Names to unset.
    #[serde(default)]
    pub unset: BTreeSet<String>,
    /// Leave the running instances alone until something else replaces them.
    #[serde(default)]
    pub later: bool,
}
