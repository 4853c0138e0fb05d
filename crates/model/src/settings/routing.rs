//! How requests reach an app through our proxy, as the settings say it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::{Size, millis};

/// How the proxy chooses among ready instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The one with the fewest requests in flight; in turn among equals.
    #[default]
    LeastConnections,
    /// One after another.
    RoundRobin,
}

/// How the proxy writes requests down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessLog {
    /// Not at all.
    #[default]
    Off,
    /// In the Common Log Format.
    Common,
    /// As an object of JSON a line.
    Json,
}

/// What an app's instances speak with the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 without TLS, by prior knowledge, as gRPC needs it.
    H2c,
}

/// What the proxy allows the requests of an app; a zero switches a limit off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestLimits {
    /// Longest body of a request; beyond: 413.
    pub body_size: Size,
    /// Longest time without a byte of a request's body; beyond: 408.
    #[serde(with = "millis")]
    pub body_timeout: Duration,
    /// Longest time from the whole request to the head of its response; beyond: 504.
    #[serde(with = "millis")]
    pub response_timeout: Duration,
    /// Longest time in which a client takes no byte of its response; then its connection is closed.
    #[serde(with = "millis")]
    pub write_timeout: Duration,
    /// Most requests that wait while no instance is ready; beyond: 503 at once.
    pub held: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            body_size: Size(1_000_000_000),
            body_timeout: Duration::from_secs(30),
            response_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            held: 1000,
        }
    }
}
