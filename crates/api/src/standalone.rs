//! An app's instances without the daemon: what an init needs to run them by itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::VersionLabel;
use crate::settings::SettingsJson;

/// Where they shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct StandaloneQuery {
    /// The folder, absolute, that the places' trees will be in, named by their numbers. Nothing is written there.
    pub folder: String,
}

/// The places of an app at its active version, as an init would run them.
///
/// It holds the app's cookie and all its variables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Standalone {
    /// The app.
    pub app: String,
    /// The active version with its revision.
    pub version: String,
    /// The version whose package it is.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub package: VersionLabel,
    /// Digest of the package.
    pub sha256: String,
    /// Whom they run as.
    pub user: StandaloneUser,
    /// The merged settings.
    pub settings: SettingsJson,
    /// The runtime's programs (`erl`, `epmd`), for a package that brings none.
    pub runtime_bin: Option<String>,
    /// What starts a place: a path in its tree, then arguments.
    pub start: Vec<String>,
    /// What a place needs in its tree, for its user alone: paths there with their contents, the cookie among them.
    pub private_files: BTreeMap<String, String>,
    /// The places, from 1.
    pub places: Vec<StandalonePlace>,
}

/// A user, with names where the host knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandaloneUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// The user's name.
    pub user: Option<String>,
    /// The group's name.
    pub group: Option<String>,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StandalonePlace {
    /// Its number.
    pub place: u16,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
}
