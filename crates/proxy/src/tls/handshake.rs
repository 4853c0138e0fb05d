//! The handshake, by the certificates of its moment.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::Ticketer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use wire::proxy::SetCertificates;

use super::certificate::{CertificateError, Certificates};

/// TLS could not be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The crypto provider does not know our versions.
    #[error("TLS 1.2 and 1.3 are not available")]
    Versions(#[source] rustls::Error),
    /// No randomness for the keys of session tickets.
    #[error("could not make keys for session tickets")]
    Tickets(#[source] rustls::Error),
}

/// A client did not get through.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("the TLS handshake was not done within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// It broke off, spoke no TLS, or nothing in common was found.
    #[error("the TLS handshake failed")]
    Failed(#[source] io::Error),
}

/// The names of the protocols (IANA's registry of ALPN protocol ids).
pub(crate) const H2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// TLS 1.2 and 1.3 towards clients; HTTP/2 or HTTP/1.1 is agreed on. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    certificates: Arc<Chooser>,
    acceptor: TlsAcceptor,
    /// Agrees on HTTP/1.1 only.
    http1_acceptor: TlsAcceptor,
}

impl Tls {
    /// Without certificates: each handshake fails until [`Tls::replace`].
    pub fn new() -> Result<Self, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificates = Arc::new(Chooser::default());
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(TlsSetupError::Versions)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        config.ticketer = Ticketer::new().map_err(TlsSetupError::Tickets)?;
        let acceptor = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            TlsAcceptor::from(Arc::new(config))
        };
        Ok(Self {
            provider,
            certificates,
            acceptor: acceptor(&[H2, HTTP_1_1]),
            http1_acceptor: acceptor(&[HTTP_1_1]),
        })
    }

    /// Reads certificates; nothing changes yet.
    pub fn read(&self, message: &SetCertificates) -> Result<Certificates, CertificateError> {
        Certificates::from_message(message, &self.provider)
    }

    /// New handshakes get these certificates. Connections that are through are not touched.
    pub fn replace(&self, certificates: Certificates) {
        *self.certificates.0.write().unwrap_or_else(PoisonError::into_inner) = certificates;
    }

    /// Shakes hands with a client, for at most `within`; HTTP/2 is offered where `http2` says so.
    pub async fn accept<S>(
        &self,
        stream: S,
        within: Duration,
        http2: bool,
    ) -> Result<TlsStream<S>, HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = if http2 { &self.acceptor } else { &self.http1_acceptor };
        tokio::time::timeout(within, acceptor.accept(stream))
            .await
            .map_err(|_elapsed| HandshakeError::TooSlow(within))?
            .map_err(HandshakeError::Failed)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

/// Gives each handshake its certificate. The lock is held for a look-up only.
#[derive(Debug, Default)]
struct Chooser(RwLock<Certificates>);

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).find(hello.server_name())
    }
}

#[cfg(test)]
mod tests;
