//! A version of an app: one package plus the settings and variables it ran with.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{DeploymentId, VariableName, VersionId, VersionLabel};
use crate::settings::{AppSettings, PreCommand, VariableValue};

/// Variables set by `bellrock env`; laid over those of the settings.
pub type Variables = BTreeMap<VariableName, VariableValue>;

/// One package plus what it ran with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Its number: the order of registration is the order of versions.
    pub id: VersionId,
    /// What the package calls itself.
    pub label: VersionLabel,
    /// SHA-256 of the package, in hex.
    pub digest: String,
    /// Size of the package in bytes.
    pub size_bytes: u64,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Who or what brought it.
    pub origin: Origin,
    /// What CI or the operator attached (`--meta k=v`).
    pub meta: BTreeMap<String, String>,
    /// Commands of the version file (`current.json`), run before those of the settings.
    pub pre_commands: Vec<PreCommand>,
    /// What it ran with, by revision; only those still of use are kept.
    pub revisions: BTreeMap<u32, Revision>,
    /// The revision of the last moment that the version was active: what activation restores.
    pub revision: u32,
    /// Set once a deployment of it was rolled back.
    pub ghost: Option<Ghost>,
    /// Kept whatever its age.
    pub pinned: bool,
    /// Whether its package is still on disk; a ghost stays listed without one.
    pub stored: bool,
}

/// Settings and variables that instances of a version run with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The merged settings; shared, for an app's state is copied at every turn.
    pub settings: Arc<AppSettings>,
    /// Variables set by hand.
    pub variables: Variables,
}

/// Who or what caused something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// A person or a program at the API, by the uid that the socket's peer has.
    Operator {
        /// Numeric user id of the peer.
        uid: u32,
        /// Its name, where the host knows one.
        user: Option<String>,
    },
    /// The store's version file.
    Store,
    /// The load, where the settings let the number of places follow it (`autoscale`).
    Autoscaler {
        /// The figures.
        reason: String,
    },
    /// A watchdog, where the settings let it restart instances (`watchdog`).
    Watchdog {
        /// What the instance's node has too much of.
        reason: String,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Operator { user: Some(user), .. } => f.write_str(user),
            Origin::Operator { uid, user: None } => write!(f, "uid {uid}"),
            Origin::Store => f.write_str("the store"),
            Origin::Autoscaler { .. } => f.write_str("the load"),
            Origin::Watchdog { .. } => f.write_str("a watchdog"),
        }
    }
}

/// Why a version is ghosted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ghost {
    /// The deployment that was rolled back.
    pub deployment: DeploymentId,
    /// When.
    pub at: Timestamp,
    /// The reason, as the deployment's record gives it.
    pub reason: String,
}

/// A version at one of its revisions: what an instance runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The version.
    pub version: VersionId,
    /// The revision of its settings and variables.
    pub revision: u32,
}

/// What is known of a version before it is registered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewVersion {
    /// What the package calls itself.
    pub label: VersionLabel,
    /// SHA-256 of the package, in hex.
    pub digest: String,
    /// Size of the package in bytes.
    pub size_bytes: u64,
    /// The merged settings it shall run with.
    pub settings: AppSettings,
    /// What CI or the operator attached.
    pub meta: BTreeMap<String, String>,
    /// Commands of the version file.
    pub pre_commands: Vec<PreCommand>,
}

impl Version {
    pub(super) fn register(
        id: VersionId,
        new: NewVersion,
        variables: Variables,
        at: Timestamp,
        origin: Origin,
    ) -> Self {
        Version {
            id,
            label: new.label,
            digest: new.digest,
            size_bytes: new.size_bytes,
            registered_at: at,
            origin,
            meta: new.meta,
            pre_commands: new.pre_commands,
            revisions: BTreeMap::from([(0, Revision { settings: new.settings.into(), variables })]),
            revision: 0,
            ghost: None,
            pinned: false,
            stored: true,
        }
    }

    /// Settings and variables of the last moment it was active.
    pub fn current(&self) -> &Revision {
        self.at(self.revision)
    }

    /// Settings and variables of a revision.
    pub fn at(&self, revision: u32) -> &Revision {
        self.revisions
            .get(&revision)
            .or_else(|| self.revisions.values().next_back())
            .expect("a version has a revision")
    }

    /// The target that activation of this version restores.
    pub fn target(&self) -> Target {
        Target { version: self.id, revision: self.revision }
    }

    /// What people call one of its revisions: `1.4.2`, `1.4.2+env3`.
    pub fn label_at(&self, revision: u32) -> String {
        match revision {
            0 => self.label.to_string(),
            revision => format!("{}+env{revision}", self.label),
        }
    }

    /// Adds a revision and returns its number; it becomes current only when somebody says so.
    pub(super) fn revise(&mut self, revision: Revision) -> u32 {
        let number = self.revisions.keys().next_back().map_or(0, |last| last + 1);
        self.revisions.insert(number, revision);
        number
    }
}
