//! What the kernel holds an app to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::units::Size;

/// One resource limit, soft and hard alike (setrlimit(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Limit {
    /// A number, or bytes.
    At(u64),
    /// `"unlimited"`
    Unlimited(Unlimited),
}

impl Limit {
    /// No limit.
    pub const UNLIMITED: Limit = Limit::Unlimited(Unlimited::Unlimited);

    /// The limit; `None` = unlimited.
    pub fn value(self) -> Option<u64> {
        match self {
            Limit::At(value) => Some(value),
            Limit::Unlimited(_) => None,
        }
    }
}

/// The word `"unlimited"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlimited {
    /// No limit.
    Unlimited,
}

/// Limits of each process of an app; `None` = as the daemon has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResourceLimits {
    /// Open files; `None` = the soft limit is raised to the hard one.
    pub nofile: Option<Limit>,
    /// Processes and threads of the user.
    pub nproc: Option<Limit>,
    /// Bytes of a core file.
    pub core: Option<Limit>,
    /// Bytes of address space.
    #[serde(rename = "as")]
    pub address_space: Option<Limit>,
    /// Bytes locked in memory.
    pub memlock: Option<Limit>,
}

/// What the kernel holds all processes of an instance to together (cgroup v2); `None` = no limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory, page cache included; beyond it the kernel kills the instance.
    pub memory: Option<Size>,
    /// Time on cores, in percent of one; beyond it the instance waits.
    pub cpu: Option<u32>,
}

impl Resources {
    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        *self != Resources::default()
    }
}

/// File mode creation mask; text is octal, as in `umask 027`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Umask(pub u16);

/// Why a text is not a umask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an octal number from 000 to 777")]
pub struct BadUmask(String);

impl FromStr for Umask {
    type Err = BadUmask;
    fn from_str(text: &str) -> Result<Self, BadUmask> {
        let octal = (3..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        match u16::from_str_radix(text, 8) {
            Ok(mask) if octal && mask <= 0o777 => Ok(Umask(mask)),
            _ => Err(BadUmask(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Umask {
    type Error = BadUmask;
    fn try_from(text: String) -> Result<Self, BadUmask> {
        text.parse()
    }
}

impl From<Umask> for String {
    fn from(mask: Umask) -> String {
        mask.to_string()
    }
}

impl fmt::Display for Umask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}
