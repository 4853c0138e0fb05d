//! Between how many places an app may be scaled by itself, and by what.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{Size, millis};

/// Horizontal autoscaling, as the settings say it. It is off unless a target is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Autoscale {
    /// Fewest places; `None` = `replicas`.
    pub min: Option<u16>,
    /// Most places; `None` = the app's `max`.
    pub max: Option<u16>,
    /// What an instance shall use at most: percent of one core.
    pub cpu: Option<u32>,
    /// What an instance shall use at most: resident memory of all its processes.
    pub memory: Option<Size>,
    /// What an instance shall get at most: requests a second from the proxy.
    pub requests: Option<u32>,
    /// What a node shall have at most: processes that wait for each scheduler online.
    pub run_queue: Option<u32>,
    /// What a node shall have taken at most, as it counts it (`erlang:memory(total)`).
    pub node_memory: Option<Size>,
    /// Between two looks at the figures.
    #[serde(with = "millis")]
    pub collect: Duration,
    /// The window by which places are added.
    #[serde(with = "millis")]
    pub up_after: Duration,
    /// The window by which one place is taken away.
    #[serde(with = "millis")]
    pub down_after: Duration,
    /// The figure of a window that counts for adding: this percentile of its samples.
    pub up_percentile: u8,
    /// The same for taking away.
    pub down_percentile: u8,
    /// After any deployment has ended: no change before this time.
    #[serde(with = "millis")]
    pub cool_down: Duration,
}

impl Default for Autoscale {
    fn default() -> Self {
        Autoscale {
            min: None,
            max: None,
            cpu: None,
            memory: None,
            requests: None,
            run_queue: None,
            node_memory: None,
            collect: Duration::from_secs(10),
            up_after: Duration::from_secs(20),
            down_after: Duration::from_secs(60),
            up_percentile: 50,
            down_percentile: 90,
            cool_down: Duration::from_secs(30),
        }
    }
}

impl Autoscale {
    /// Whether there is anything to scale by.
    pub fn is_on(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some() || self.requests.is_some() || self.asks_nodes()
    }

    /// Whether it is the nodes who say one of the figures.
    pub fn asks_nodes(&self) -> bool {
        self.run_queue.is_some() || self.node_memory.is_some()
    }
}
