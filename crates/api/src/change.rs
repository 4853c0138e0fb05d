//! Wishes and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use upgrade::finding::Code;

use crate::way::Way;

/// A wish that was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Granted {
    /// The app.
    pub app: String,
    /// The deployment that carries it out, or waits in the queue; absent where nothing had to be replaced.
    pub deployment: Option<u64>,
    /// The version that a package turned out to be.
    pub version: Option<String>,
    /// What else it changed, in sentences: a switch to manual mode, a running deployment that turned round.
    pub remarks: Vec<String>,
}

/// What comes with a package, all optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct PackageOptions {
    /// Settings in TOML, laid over those of package and host.
    pub settings: Option<String>,
    /// What CI knows, shown with the version.
    pub meta: BTreeMap<String, String>,
    /// By which way, where the settings shall not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Findings that speak against a hot upgrade and shall not, by code.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub force: BTreeSet<Code>,
}

/// The parts of an uploaded package; `options` and `build_log` may be left out but come before `package`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PackageUpload {
    /// Settings and meta data.
    pub options: Option<PackageOptions>,
    /// Output of the build, kept with the version.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = Binary))]
    pub build_log: Option<Vec<u8>>,
    /// The release, packed as `.tar.gz`.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Binary))]
    pub package: Vec<u8>,
}

/// Deploy a version that is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeployVersion {
    /// Which.
    pub version: String,
    /// Settings in TOML, instead of what it last ran with.
    #[serde(default)]
    pub settings: Option<String>,
    /// By which way, where the settings shall not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// Findings that speak against a hot upgrade and shall not, by code.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub force: BTreeSet<Code>,
}

/// Replace instances by fresh ones of the same version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Restart {
    /// Only in this place.
    pub place: Option<u16>,
}

/// Another number of places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// How many there shall be.
    pub replicas: u16,
}

/// Let an app's requests wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// For how long; at most 10 minutes.
    pub for_ms: u64,
}

/// Answer an app's requests with 503 and a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BeginMaintenance {
    /// The page in HTML, at most 64 KiB; absent: the proxy's own.
    pub page: Option<String>,
}

/// Follow the store, or stay on a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum SetMode {
    /// Follow the store.
    Automatic,
    /// Stay on a version; it is deployed unless it runs.
    Manual {
        /// The version.
        version: String,
    },
}

/// Refuse deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Freeze {
    /// Why, for whoever is refused.
    pub reason: String,
    /// When it ends by itself.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// Keep a version whatever its age, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Whether it is kept.
    pub pinned: bool,
}
