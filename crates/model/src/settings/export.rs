//! What other proxies on this host are told about the apps' instances.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Command;
use crate::export::Rival;
use crate::units::millis;

/// Which other proxies are told, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExportSettings {
    /// nginx.
    pub nginx: ExportTo,
    /// HAProxy.
    pub haproxy: ExportTo,
    /// Caddy.
    pub caddy: ExportTo,
    /// The time that a reload may take.
    #[serde(with = "millis")]
    pub timeout: Duration,
    /// How long after a reload an instance that was taken out may still get requests.
    #[serde(with = "millis")]
    pub drain: Duration,
}

/// How one is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExportTo {
    /// The file that is written; `None`: it is not told.
    pub file: Option<PathBuf>,
    /// What has it read the file again; `None`: it sees that by itself.
    pub reload: Option<Command>,
}

impl Default for ExportSettings {
    fn default() -> Self {
        ExportSettings {
            nginx: ExportTo::default(),
            haproxy: ExportTo::default(),
            caddy: ExportTo::default(),
            timeout: Duration::from_secs(10),
            drain: Duration::from_secs(5),
        }
    }
}

impl ExportSettings {
    /// How one proxy is told.
    pub fn to(&self, rival: Rival) -> &ExportTo {
        match rival {
            Rival::Nginx => &self.nginx,
            Rival::Haproxy => &self.haproxy,
            Rival::Caddy => &self.caddy,
        }
    }
}
