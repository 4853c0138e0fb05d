//! The proxy of the host, as the settings say it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::network::Network;
use super::routing::AccessLog;
use crate::units::{Size, millis};

/// Where the host's proxy listens and what holds for connections before their route is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProxySettings {
    /// Where it speaks HTTP.
    pub http: Vec<SocketAddr>,
    /// Where it speaks HTTPS.
    pub https: Vec<SocketAddr>,
    /// Certificates for HTTPS; the first one is given to clients that name no host, or none that is known.
    pub certificates: Vec<CertificateFiles>,
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed.
    pub trusted: Vec<Network>,
    /// Peers whose connections begin with a PROXY header.
    pub proxy_protocol: Vec<Network>,
    /// Most client connections at a time.
    pub max_connections: u32,
    /// Most bytes of a request's line and headers together; beyond: 431.
    pub header_size: Size,
    /// From a request's first byte (or the connection) to the end of its headers; beyond: 408.
    #[serde(with = "millis")]
    pub header_timeout: Duration,
    /// How long a connection may be idle between two requests.
    #[serde(with = "millis")]
    pub idle_timeout: Duration,
    /// Whether HTTP/2 is offered to clients.
    pub http2: bool,
    /// How requests are written down, of apps that say nothing else and of none.
    pub access_log: AccessLog,
    /// User that it runs as, when the daemon runs as root; `None` = the daemon's own.
    pub user: Option<String>,
}

impl ProxySettings {
    /// Whether there is a proxy at all: it listens somewhere.
    pub fn is_on(&self) -> bool {
        !(self.http.is_empty() && self.https.is_empty())
    }
}

/// The files of one certificate, both PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFiles {
    /// The chain, the host's own certificate first.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Default for ProxySettings {
    fn default() -> Self {
        ProxySettings {
            http: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            https: Vec::new(),
            certificates: Vec::new(),
            trusted: Vec::new(),
            proxy_protocol: Vec::new(),
            max_connections: 20_000,
            header_size: Size(64 << 10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            http2: true,
            access_log: AccessLog::Off,
            user: None,
        }
    }
}
