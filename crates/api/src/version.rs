//! Versions of an app.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::settings::SettingsJson;
use crate::variable::Variable;

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

/// A version with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VersionDetail {
    /// The version.
    #[serde(flatten)]
    pub version: Version,
    /// The merged settings of its current revision: times in ms, sizes in bytes.
    pub settings: SettingsJson,
    /// Commands that its version file (`current.json`) brought, run before those of the settings.
    pub pre_commands: Vec<String>,
    /// What its instances ran with, oldest first; only those still of use are kept.
    pub revisions: Vec<Revision>,
    /// Deployments to it and from it, newest first, at most 20.
    pub deployments: Vec<Deployment>,
    /// Which papers there are.
    pub papers: Papers,
}

/// The variables of a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Revision {
    /// Its number; 0 is that of the registration.
    pub revision: u32,
    /// The version with it, e.g. `1.4.2+env3`.
    pub version: String,
    /// Whether activation restores it.
    pub current: bool,
    /// By name; secrets are shown as their references.
    pub variables: Vec<Variable>,
}

/// Which papers of a version there are; what is not there is not available.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Papers {
    /// The package.
    pub package: bool,
    /// The package's own `bellrock.toml`.
    pub package_settings: bool,
    /// What CI attached (`--build-log`).
    pub build_log: bool,
    /// The output of its prepare commands.
    pub prepare_log: bool,
    /// The log of the deployment that brought it up last.
    pub deployment_log: bool,
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
    /// The load, where the settings let the number of places follow it.
    Autoscaler {
        /// The figures.
        reason: String,
    },
    /// A watchdog, where the settings let it restart instances.
    Watchdog {
        /// What the instance's node has too much of.
        reason: String,
    },
}

impl std::fmt::Display for By {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            By::Operator { user: Some(user), .. } => f.pad(user),
            By::Operator { uid, user: None } => f.pad(&format!("uid {uid}")),
            By::Store => f.pad("the store"),
            By::Autoscaler { .. } => f.pad("the load"),
            By::Watchdog { .. } => f.pad("a watchdog"),
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
