//! The way to a node: where it listens, and a stream to it, plain or in TLS.

use std::fmt;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::TlsIdentity;
use crate::tls::TlsIdentityError;

/// A port of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl HostPort {
    /// A port of a host, by its name or address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How to find out where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An epmd knows; the node listens on the same host.
    Epmd(HostPort),
    /// It always listens here (`-erl_epmd_port`, `-kernel inet_dist_listen_min`).
    Port(HostPort),
}

/// Bytes to and from a node.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Nobody listens there, or the way is blocked.
    #[error("could not connect to {0}")]
    Connect(HostPort, #[source] io::Error),
    /// Not what TLS needs.
    #[error("could not prepare TLS")]
    Identity(#[source] TlsIdentityError),
    /// One side did not like the other's certificate, or the node does not speak TLS.
    #[error("could not agree on TLS with {0}")]
    Tls(HostPort, #[source] io::Error),
}

/// Connects. Has no deadline of its own.
pub(crate) async fn connect(
    to: &HostPort,
    tls: Option<&TlsIdentity>,
    host: &str,
) -> Result<Box<dyn Stream>, TransportError> {
    let broke = |source| TransportError::Connect(to.clone(), source);
    let plain = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(broke)?;
    // small frames would wait for acknowledgements of those before them, 40 ms each
    plain.set_nodelay(true).map_err(broke)?;
    let Some(tls) = tls else { return Ok(Box::new(plain)) };
    let (config, expected) = tls.connector(host).map_err(TransportError::Identity)?;
    let stream = TlsConnector::from(config).connect(expected, plain).await;
    Ok(Box::new(stream.map_err(|source| TransportError::Tls(to.clone(), source))?))
}
