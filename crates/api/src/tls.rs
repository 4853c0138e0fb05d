//! Certificates for Erlang distribution over TLS.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What of them there is on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tls {
    /// Host part of the node names that they are for.
    pub host: String,
    /// The authority that signs.
    pub authority: TlsCertificate,
    /// While the authority changes: the one that will sign. Both are trusted.
    pub next: Option<TlsCertificate>,
    /// While the authority changes: the one that did sign. Both are trusted.
    pub previous: Option<TlsCertificate>,
    /// What is in use, Bellrock's own first.
    pub certificates: Vec<TlsHolder>,
}

/// A certificate in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TlsHolder {
    /// Whose it is; `None`: Bellrock's own, with which it connects to nodes.
    pub app: Option<String>,
    /// Its file, which holds its key too.
    pub path: String,
    /// What it says; `None` when it cannot be read.
    pub certificate: Option<TlsCertificate>,
    /// Why it cannot be read.
    pub problem: Option<String>,
    /// When it is renewed by itself.
    pub renewed_at: Option<Timestamp>,
    /// Instances that run with it, as `shop/1`; of Bellrock's own one, the apps to whose nodes it connects with it.
    #[serde(default)]
    pub used_by: Vec<String>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TlsCertificate {
    /// The name in it.
    pub name: String,
    /// It is not valid before.
    pub from: Timestamp,
    /// It is not valid after.
    pub until: Timestamp,
    /// SHA-256 of all of it, in hexadecimal.
    pub fingerprint: String,
}

/// Renews certificates now, long before their end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RotateTls {
    /// The authority, and in consequence every certificate; else these alone.
    pub authority: bool,
}
