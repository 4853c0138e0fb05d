//! What stands behind the `?` of a request.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::log::Stream;

/// Which deployments, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct DeploymentsQuery {
    /// Only of this app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// At most so many (20; never more than 10000).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
}

/// Which routes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct RoutesQuery {
    /// Only of this app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
}

/// Which events, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Only of this app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Only of this deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<u64>,
    /// Only newer than the event with this id. A stream goes on behind it; without it, a stream begins now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<i64>,
    /// At most so many, the newest (50; never more than 10000); a stream has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
}

/// How many records, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct MostQuery {
    /// At most so many (50; never more than 10000).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most: Option<u32>,
}

/// Which lines of an app's logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct LogsQuery {
    /// Only of this place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Only of this instance, which may have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<u64>,
    /// Which output.
    #[serde(default)]
    pub stream: Stream,
    /// Only the last so many lines of each instance (100 unless `since` is given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<u32>,
    /// Only lines written at that time or later, to the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Go on with what is written from now on.
    #[serde(default)]
    pub follow: bool,
}

/// What belongs to a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct BackupQuery {
    /// Packages of the versions too; without them a version cannot be unpacked where it is restored.
    #[serde(default = "yes")]
    #[cfg_attr(feature = "openapi", param(default = true))]
    pub packages: bool,
}

fn yes() -> bool {
    true
}
