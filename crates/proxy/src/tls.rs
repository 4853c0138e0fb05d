//! TLS towards clients: certificates that can be replaced while connections live, chosen by the name the client
//! asks for.
//!
//! [`Tls`] is shared by all cores. A handshake takes the certificates of its moment; connections that are through
//! keep theirs.

mod certificate;
mod handshake;
mod names;

pub use certificate::{CertificateError, Certificates};
pub(crate) use handshake::H2;
pub use handshake::{HandshakeError, Tls, TlsSetupError};
