//! Versions of an app.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::settings::SettingsJson;

/// Whether a version runs, may run again, or was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// It was committed last.
    Active,
    /// A deployment is bringing it up.
    Deploying,
    /// Kept, not running.
    Archived,
    /// It was rolled back and is not deployed again until someone clears it.
    Ghosted,
}

impl VersionState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            VersionState::Active => "active",
            VersionState::Deploying => "deploying",
            VersionState::Archived => "archived",
            VersionState::Ghosted => "ghosted",
        }
    }
}

/// One package plus what it ran with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Version {
    /// What the package calls itself.
    pub version: String,
    /// Its place in the order of versions, which is the order of registration.
    pub number: u64,
    /// Active, archived, ghosted.
    pub state: VersionState,
    /// Revision of its settings and variables that activation restores; 0 is that of its registration.
    pub revision: u32,
    /// SHA-256 of the package, in hex.
    pub sha256: String,
    /// Size of the package.
    pub size_bytes: u64,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Who or what brought it.
    pub by: By,
    /// What CI or the operator attached.
    pub meta: BTreeMap<String, String>,
    /// Kept whatever its age.
    pub pinned: bool,
    /// Whether `rollback` would go back to it.
    pub rollback_target: bool,
    /// Whether its package is still there; a ghost stays listed without one.
    pub stored: bool,
    /// Why it is ghosted.
    pub ghost: Option<Ghost>,
}

/// A version with the settings it runs with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionDetail {
    /// The version.
    #[serde(flatten)]
    pub version: Version,
    /// The merged settings of its current revision: times in ms, sizes in bytes.
    pub settings: SettingsJson,
    /// Whether a build log was attached.
    pub has_build_log: bool,
}

/// Who or what caused something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum By {
    /// A person or a program at the API.
    Operator {
        /// Numeric user id of the peer.
        uid: u32,
        /// Its name, where the host knows one.
        user: Option<String>,
    },
    /// The store's version file.
    Store,
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::Operator { user: Some(user), .. } => f.pad(user),
            By::Operator { uid, user: None } => f.pad(&format!("uid {uid}")),
            By::Store => f.pad("the store"),
        }
    }
}

/// Why a version is ghosted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ghost {
    /// The version.
    pub version: String,
    /// The deployment that was rolled back.
    pub deployment: u64,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}
