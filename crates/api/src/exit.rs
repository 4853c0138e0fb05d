//! Exits that nobody asked for.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One exit of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Exit {
    /// When.
    pub at: Timestamp,
    /// The place.
    pub place: u16,
    /// The instance.
    pub instance: u64,
    /// Which of its runs ended, counted from 1.
    pub run: u32,
    /// Exit status or signal.
    #[serde(flatten)]
    pub how: ExitHow,
    /// How long the run lasted.
    pub uptime_ms: u64,
    /// Where its `erl_crash.dump` lies, if it left one.
    pub crash_dump: Option<String>,
}

/// Exit status or signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum ExitHow {
    /// It exited by itself.
    Status {
        /// With this status.
        status: i32,
    },
    /// It was ended.
    Signal {
        /// By this signal.
        signal: i32,
    },
    /// The kernel killed it for want of memory.
    OutOfMemory {
        /// Its limit in bytes (`resources.memory`), if that was reached; else the host had no more.
        limit_bytes: Option<u64>,
    },
    /// Nobody saw how: its shim died too.
    Unknown,
}

impl fmt::Display for ExitHow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitHow::Status { status } => write!(f, "exit {status}"),
            ExitHow::Signal { signal } => write!(f, "signal {signal}"),
            ExitHow::OutOfMemory { limit_bytes: Some(limit) } => {
                write!(f, "killed by the kernel: memory limit {} reached", crate::human::bytes(*limit))
            }
            ExitHow::OutOfMemory { limit_bytes: None } => {
                f.write_str("killed by the kernel for want of memory")
            }
            ExitHow::Unknown => f.write_str("lost with its shim"),
        }
    }
}
