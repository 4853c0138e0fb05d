//! Mutual TLS: what OTP calls `inet_tls_dist`.

use std::sync::{Arc, RwLock};

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};

/// Our certificate, and whose certificates of nodes we believe. Clones share both, and are renewed together.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    config: Arc<RwLock<Arc<ClientConfig>>>,
    server_name: Option<ServerName<'static>>,
}

/// Why certificates are of no use. Never says anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsIdentityError {
    /// Not readable as PEM.
    #[error("{0} is not readable as PEM")]
    Pem(&'static str, #[source] pem::Error),
    /// No `BEGIN CERTIFICATE` in it.
    #[error("{0} holds no certificate")]
    Empty(&'static str),
    /// An authority's certificate is none.
    #[error("a certificate of the authorities cannot be used")]
    Authority(#[source] rustls::Error),
    /// The key belongs to another certificate, or there is no common ground.
    #[error("the key does not fit the certificate, or is of a kind that is not supported")]
    Identity(#[source] rustls::Error),
    /// No name that a certificate could have.
    #[error("{0:?} is no host name or address that a certificate could be for")]
    ServerName(String, #[source] InvalidDnsNameError),
}

impl TlsIdentity {
    /// From PEM: the certificates of authorities, our chain (ours first) and our key.
    ///
    /// # Errors
    /// When one of them is not usable.
    pub fn from_pem(authorities: &str, chain: &str, key: &str) -> Result<Self, TlsIdentityError> {
        let mut roots = RootCertStore::empty();
        for authority in certificates("the authorities' file", authorities)? {
            roots.add(authority).map_err(TlsIdentityError::Authority)?;
        }
        let chain = certificates("the certificate's file", chain)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|source| TlsIdentityError::Pem("the key's file", source))?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsIdentityError::Identity)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(TlsIdentityError::Identity)?;
        Ok(Self { config: Arc::new(RwLock::new(Arc::new(config))), server_name: None })
    }

    /// Takes another's certificate and authorities: connections that are made from now on, also those of nodes that are
    /// open already, are made with these.
    pub fn renew(&self, other: &Self) {
        let new = other.config();
        *self.config.write().expect("nobody panics while holding it") = new;
    }

    fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config.read().expect("nobody panics while holding it"))
    }

    /// Expects this name or address in the node's certificate, instead of the host part of the node's name.
    ///
    /// # Errors
    /// When it is neither.
    pub fn expecting(mut self, name: &str) -> Result<Self, TlsIdentityError> {
        self.server_name = Some(server_name(name)?);
        Ok(self)
    }

    /// How to connect, and whom the certificate must be for.
    pub(crate) fn connector(
        &self,
        host: &str,
    ) -> Result<(Arc<ClientConfig>, ServerName<'static>), TlsIdentityError> {
        let expected = self.server_name.clone().map_or_else(|| server_name(host), Ok)?;
        Ok((self.config(), expected))
    }
}

fn certificates(what: &'static str, text: &str) -> Result<Vec<CertificateDer<'static>>, TlsIdentityError> {
    let found = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsIdentityError::Pem(what, source))?;
    if found.is_empty() { Err(TlsIdentityError::Empty(what)) } else { Ok(found) }
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsIdentityError> {
    let parsed = ServerName::try_from(name.to_owned());
    parsed.map_err(|source| TlsIdentityError::ServerName(name.to_owned(), source))
}
