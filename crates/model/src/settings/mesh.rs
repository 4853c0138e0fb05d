//! Which nodes are connected with one another.

use serde::{Deserialize, Serialize};

use crate::names::MeshName;

/// With whom an app's nodes are connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MeshSettings {
    /// Whether Bellrock connects the nodes and keeps them connected.
    pub connect: bool,
    /// The mesh whose cookie the app has, together with all apps that name it; `None` = the app has one of its own.
    pub name: Option<MeshName>,
}

impl Default for MeshSettings {
    fn default() -> Self {
        MeshSettings { connect: true, name: None }
    }
}
