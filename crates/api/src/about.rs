//! The daemon itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Daemon {
    /// Version of `bellrockd`.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The folder that everything of it is below.
    pub root: String,
    /// Name of the environment, `{env}` in the store's layout.
    pub environment: String,
}
