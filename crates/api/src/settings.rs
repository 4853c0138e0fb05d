//! Settings as text to be checked, and as the JSON that a version keeps.

use serde::{Deserialize, Serialize};

/// Merged settings: every key with its value, times in ms and sizes in bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = Object))]
#[serde(transparent)]
pub struct SettingsJson(pub model::settings::AppSettings);

/// Settings to be checked as they would be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingsText {
    /// The app whose settings they would be.
    pub app: String,
    /// TOML.
    pub toml: String,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SettingsVerdict {
    /// Whether they would be taken.
    pub ok: bool,
    /// What is wrong, one text for each problem, with file, line, key and remedy.
    pub problems: Vec<String>,
}

/// Reading settings without a daemon: the same pure code that the daemon uses.
pub use model::settings::{Source, example, load_host, reference};

/// Merged settings as TOML.
pub use model::settings::to_toml;
