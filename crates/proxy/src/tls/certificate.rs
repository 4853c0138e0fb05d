//! Certificate chains with their keys, from PEM.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;
use wire::proxy::{Certificate, SetCertificates};

use super::names::Names;

/// Why a certificate was refused. Its number counts from 1, in the order in which they were sent. Never says
/// anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The chain is no PEM.
    #[error("the chain of certificate {number} is not readable as PEM")]
    ChainPem {
        /// Which.
        number: usize,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// There is no `BEGIN CERTIFICATE` in it.
    #[error("the chain of certificate {number} holds no certificate")]
    EmptyChain {
        /// Which.
        number: usize,
    },
    /// The first certificate of the chain is none.
    #[error("the first of the chain of certificate {number} is not an X.509 certificate")]
    NotX509 {
        /// Which.
        number: usize,
        /// Why.
        #[source]
        source: webpki::Error,
    },
    /// The key is no PEM, or of no kind that we know.
    #[error("the key of certificate {number} is not readable as a PKCS#8, PKCS#1 or SEC1 key in PEM")]
    KeyPem {
        /// Which.
        number: usize,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The key cannot sign, or belongs to another certificate.
    #[error("the key of certificate {number} does not fit its chain")]
    Key {
        /// Which.
        number: usize,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// Certificates by name, the first as default.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    names: Names,
    key: Arc<CertifiedKey>,
}

impl Certificates {
    /// All or none: the first that is not usable is the error.
    pub fn from_message(
        message: &SetCertificates,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let entries = message
            .certificates
            .iter()
            .enumerate()
            .map(|(index, certificate)| Entry::new(index + 1, certificate, provider))
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none: then no handshake succeeds.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The one for a name: with exactly this name, else with a fitting wildcard, else the first.
    pub(super) fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let of = |fits: fn(&Names, &str) -> bool| {
            name.and_then(|name| self.entries.iter().find(|entry| fits(&entry.names, name)))
        };
        let entry = of(Names::has).or_else(|| of(Names::has_wildcard_for)).or(self.entries.first())?;
        Some(Arc::clone(&entry.key))
    }
}

impl Entry {
    fn new(
        number: usize,
        certificate: &Certificate,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let chain = CertificateDer::pem_slice_iter(certificate.chain_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|source| CertificateError::ChainPem { number, source })?;
        let leaf = chain.first().ok_or(CertificateError::EmptyChain { number })?;
        let names = EndEntityCert::try_from(leaf)
            .map(|leaf| Names::new(leaf.valid_dns_names()))
            .map_err(|source| CertificateError::NotX509 { number, source })?;
        let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())
            .map_err(|source| CertificateError::KeyPem { number, source })?;
        let key = CertifiedKey::from_der(chain, key, provider)
            .map_err(|source| CertificateError::Key { number, source })?;
        Ok(Self { names, key: Arc::new(key) })
    }
}
