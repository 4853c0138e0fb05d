//! Who asked for what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A change that somebody asked for, granted or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Asked {
    /// When.
    pub at: Timestamp,
    /// The peer's user id.
    pub uid: u32,
    /// Its name, where the host knows one.
    pub user: Option<String>,
    /// The app it was about.
    pub app: Option<String>,
    /// What was asked for; never a value of a variable.
    pub what: String,
}
