//! The settings of the host.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::app::LogSettings;
use super::export::ExportSettings;
use super::proxy::ProxySettings;
use crate::units::{Size, millis};

/// Everything that Bellrock is told about the host; every key has a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostSettings {
    /// Name of the environment, `{env}` in the store's layout.
    pub env: String,
    /// Folder of the store; `None` = `{root}/var/lib/bellrock/store`.
    pub store: Option<PathBuf>,
    /// Time between two looks at an app's `current.json`.
    #[serde(with = "millis")]
    pub poll_interval: Duration,
    /// User of apps that name none, when the daemon runs as root; `None` = such apps are refused.
    pub app_user: Option<String>,
    /// Their group; `None` = the user's own.
    pub app_group: Option<String>,
    /// Host part of Erlang node names; `None` = the host's name.
    pub node_host: Option<String>,
    /// Instances that start at the same time after a reboot; `None` = one per core.
    pub deployments_at_once: Option<u16>,
    /// Group that may use the API socket; `None` = the daemon's own.
    pub api_group: Option<String>,
    /// Rotation of logs of apps that say nothing else.
    pub log: LogSettings,
    /// No deployment begins when less is free on the disk.
    pub min_free_disk: Size,
    /// The proxy.
    pub proxy: ProxySettings,
    /// Other proxies that are told what is ready.
    pub export: ExportSettings,
}

impl Default for HostSettings {
    fn default() -> Self {
        HostSettings {
            env: "production".to_owned(),
            store: None,
            poll_interval: Duration::from_secs(5),
            app_user: None,
            app_group: None,
            node_host: None,
            deployments_at_once: None,
            api_group: None,
            log: LogSettings::default(),
            min_free_disk: Size(500_000_000),
            proxy: ProxySettings::default(),
            export: ExportSettings::default(),
        }
    }
}
