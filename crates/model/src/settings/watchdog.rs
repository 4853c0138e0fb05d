//! When a node has too much of something, and what is done then.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{Size, millis};

/// Watchdogs of an app's nodes, as the settings say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchdogSettings {
    /// What is done with an instance that exceeds `act`.
    pub action: WatchdogAction,
    /// Percent of a limit from which it is told.
    pub warn: u8,
    /// Percent of a limit from which something is done.
    pub act: u8,
    /// Between two looks at the nodes.
    #[serde(with = "millis")]
    pub every: Duration,
    /// Between two restarts of the app by a watchdog, at least.
    #[serde(with = "millis")]
    pub restart_every: Duration,
    /// Limit of an instance's resident memory; `None` = `resources.memory`, or none.
    pub memory: Option<Size>,
    /// Limit of a node's ETS tables; `None` = the node's own, which is nominal: it is told and nothing else is done.
    pub ets_tables: Option<u64>,
    /// Limit of what waits for a scheduler of a node; `None` = none.
    pub run_queue: Option<u64>,
    /// Limit of the longest mailbox of a node; `None` = none.
    pub mailbox: Option<u64>,
}

/// What is done with an instance that exceeds `act`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchdogAction {
    /// It is replaced by a fresh one.
    #[default]
    Restart,
    /// It is told.
    Tell,
    /// Nobody looks.
    Off,
}

impl Default for WatchdogSettings {
    fn default() -> Self {
        WatchdogSettings {
            action: WatchdogAction::Restart,
            warn: 75,
            act: 90,
            every: Duration::from_secs(10),
            restart_every: Duration::from_secs(600),
            memory: None,
            ets_tables: None,
            run_queue: None,
            mailbox: None,
        }
    }
}
