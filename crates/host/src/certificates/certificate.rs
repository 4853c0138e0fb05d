//! What a certificate says of itself.

use std::net::IpAddr;

use jiff::Timestamp;
use package::digest::Sha256Digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use x509_cert::der::{self, Decode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::time::Time;

/// What a certificate says of itself; nothing of it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is: the subject's common name.
    pub holder: String,
    /// Who signed it: the issuer's common name.
    pub signed_by: String,
    /// The host names and addresses that it is for, as node names have them.
    pub hosts: Vec<String>,
    /// It is not valid before.
    pub from: Timestamp,
    /// It is not valid after.
    pub until: Timestamp,
    /// SHA-256 of all of it, as `openssl x509 -fingerprint -sha256` tells.
    pub fingerprint: Sha256Digest,
}

/// Why a text is of no use as a certificate. Never says anything of a key.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    /// Not readable as PEM.
    #[error("it is not readable as PEM")]
    Pem(#[source] pem::Error),
    /// Not readable as a certificate.
    #[error("what it holds is not readable as a certificate")]
    Der(#[source] der::Error),
    /// A subject or an issuer without a name.
    #[error("it does not say whose it is or who signed it")]
    Nameless,
    /// Its times are out of range.
    #[error("its time of validity is out of range")]
    Time(#[source] jiff::Error),
    /// There is none in it.
    #[error("it holds no certificate")]
    None,
    /// A key in a file for everybody.
    #[error("it holds a key, which nobody but its owner may have; only the certificate belongs there")]
    WithKey,
    /// None that could be trusted.
    #[error("what it holds cannot be trusted as an authority")]
    Authority(#[source] rustls::Error),
    /// Its key cannot be used.
    #[error("its key cannot be used")]
    Key(#[source] rcgen::Error),
}

impl Certificate {
    /// The first certificate of a text in PEM.
    ///
    /// # Errors
    /// [`BadCertificate`].
    pub fn of_pem(text: &str) -> Result<Self, BadCertificate> {
        let bytes = CertificateDer::from_pem_slice(text.as_bytes()).map_err(BadCertificate::Pem)?;
        let read = x509_cert::Certificate::from_der(&bytes).map_err(BadCertificate::Der)?;
        let says = read.tbs_certificate();
        let names = says.get_extension::<SubjectAltName>().map_err(BadCertificate::Der)?;
        Ok(Certificate {
            holder: common_name(says.subject())?,
            signed_by: common_name(says.issuer())?,
            hosts: names.map(|(_, names)| hosts(&names)).unwrap_or_default(),
            from: time(&says.validity().not_before)?,
            until: time(&says.validity().not_after)?,
            fingerprint: Sha256Digest::of(&bytes),
        })
    }
}

fn common_name(name: &Name) -> Result<String, BadCertificate> {
    let name = name.common_name().map_err(BadCertificate::Der)?;
    name.map(String::from).ok_or(BadCertificate::Nameless)
}

/// An address stands there as an address and as a name, for OTP.
fn hosts(names: &SubjectAltName) -> Vec<String> {
    let mut hosts: Vec<String> = names.0.iter().filter_map(host).collect();
    hosts.dedup();
    hosts
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = || <[u8; 4]>::try_from(bytes).map(IpAddr::from).ok();
    v4().or_else(|| <[u8; 16]>::try_from(bytes).map(IpAddr::from).ok())
}

fn time(time: &Time) -> Result<Timestamp, BadCertificate> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds).map_err(BadCertificate::Time)
}
