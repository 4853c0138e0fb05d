//! The authority that signs this host's certificates.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use super::certificate::{BadCertificate, Certificate};
use super::terms::BACKDATED;

/// Most characters of the host in the authority's name: a common name has at most 64 (X.520, `ub-common-name`).
const MOST_OF_HOST: usize = 32;

/// A certificate that signs others, with its key.
pub(crate) struct Authority {
    /// What it says.
    pub(crate) certificate: Certificate,
    pem: String,
    key: KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a certificate is to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// Whose it is.
    pub(crate) holder: &'a str,
    /// Host part of the node names that it is for.
    pub(crate) host: &'a str,
    /// The present time.
    pub(crate) now: Timestamp,
    /// Its end, unless the authority's comes first.
    pub(crate) until: Timestamp,
}

impl Authority {
    /// A new one. No two have the same name: nodes look a signer up by it.
    ///
    /// # Errors
    /// When there is no randomness for its key.
    pub(crate) fn make(host: &str, now: Timestamp, until: Timestamp) -> Result<Self, BadCertificate> {
        let key = KeyPair::generate().map_err(BadCertificate::Key)?;
        let host: String = host.chars().take(MOST_OF_HOST).collect();
        let number = fresh_number()?;
        let mut params = valid(now, until);
        params.distinguished_name.push(DnType::CommonName, format!("Bellrock at {host} {number:016x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).map_err(BadCertificate::Key)?.pem();
        Ok(Authority { certificate: Certificate::of_pem(&pem)?, pem, key })
    }

    /// From its file.
    ///
    /// # Errors
    /// When that has no certificate, or no key.
    pub(crate) fn of_file(text: &str) -> Result<Self, BadCertificate> {
        let certificate = Certificate::of_pem(text)?;
        let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(BadCertificate::Pem)?;
        let key = KeyPair::try_from(&key).map_err(BadCertificate::Key)?;
        // what stands before the key is the certificate, as we have written it
        let end = text.find("-----BEGIN PRIVATE KEY").unwrap_or(text.len());
        Ok(Authority { certificate, pem: text[..end].to_owned(), key })
    }

    /// What its file holds: certificate and key in one, so that they change together.
    pub(crate) fn file(&self) -> String {
        format!("{}{}", self.pem, self.key.serialize_pem())
    }

    /// Its certificate alone, which anybody may read.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// Signs a certificate with a new key. The text holds both: who reads it never finds one without the other.
    ///
    /// # Errors
    /// When there is no randomness for its key, or its host cannot stand in a certificate.
    pub(crate) fn sign(&self, wanted: Wanted<'_>) -> Result<String, BadCertificate> {
        let key = KeyPair::generate().map_err(BadCertificate::Key)?;
        let mut params = CertificateParams::new([wanted.host.to_owned()]).map_err(BadCertificate::Key)?;
        if wanted.host.parse::<IpAddr>().is_ok() {
            // OTP looks for what stands behind the @ among the names, also where it is an address
            let name = wanted.host.try_into().map_err(BadCertificate::Key)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        let validity = valid(wanted.now, wanted.until.min(self.certificate.until));
        (params.not_before, params.not_after) = (validity.not_before, validity.not_after);
        // another than its issuer's: else OTP takes it as signed by itself
        params.distinguished_name.push(DnType::CommonName, wanted.holder);
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let signed = params.signed_by(&key, &self.issuer()).map_err(BadCertificate::Key)?;
        Ok(format!("{}{}", signed.pem(), key.serialize_pem()))
    }

    /// Of an issuer's parameters only its name, its key's and what that may be used for stand in what it signs.
    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, self.certificate.holder.as_str());
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Issuer::new(params, &self.key)
    }
}

fn valid(now: Timestamp, until: Timestamp) -> CertificateParams {
    let at = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).unwrap_or_default();
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let mut params = CertificateParams::default();
    params.not_before = at(now.saturating_sub(BACKDATED).unwrap_or(now));
    params.not_after = at(until);
    params
}

fn fresh_number() -> Result<u64, BadCertificate> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|_| BadCertificate::Key(rcgen::Error::RingUnspecified))?;
    Ok(u64::from_be_bytes(bytes))
}
