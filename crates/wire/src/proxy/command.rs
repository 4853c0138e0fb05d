//! What the daemon says to the proxy.

use super::table::Table;
use crate::field::{message, message_enum};

message_enum! {
    /// A message to the proxy.
    pub enum Command {
        /// First on every connection.
        301 => Hello(Hello),
        /// Serve by this table from now on.
        302 => SetTable(SetTable),
        /// Serve TLS with these certificates from now on.
        303 => SetCertificates(SetCertificates),
        /// Say unasked what happens to backends.
        304 => Watch(Watch),
        /// Ask for [`super::Report`].
        305 => QueryReport(QueryReport),
    }
}

message! {
    /// Who is speaking.
    pub struct Hello {
        /// Oldest protocol version the daemon speaks.
        1 => pub min_version: u32,
        /// Newest.
        2 => pub max_version: u32,
        /// Rises with each start of a daemon on this root; lower than one seen before is refused.
        3 => pub epoch: u64,
    }
}

message! {
    /// Saved, then applied on all cores, then answered with [`super::Applied`]. A revision that is not higher than
    /// the one served is refused, unless it is equal and the tables are.
    pub struct SetTable {
        /// The whole table.
        1 => pub table: Table,
    }
}

message! {
    /// All certificates; saved (0600), then used for new connections, then answered with [`super::Done`].
    pub struct SetCertificates {
        /// The first one is given to clients that name no host, or none that is known.
        1 => pub certificates: Vec<Certificate>,
    }
}

message! {
    /// A chain with its key.
    pub struct Certificate {
        /// The end-entity certificate first, PEM (RFC 7468).
        1 => pub chain_pem: String,
        /// PKCS#8, PKCS#1 or SEC1 key, PEM. A secret: never logged.
        2 => pub key_pem: String,
    }
}

message! {
    /// Answered with Done; then what is true now is told as if it had just happened.
    pub struct Watch {}
}

message! {
    /// No fields.
    pub struct QueryReport {}
}
