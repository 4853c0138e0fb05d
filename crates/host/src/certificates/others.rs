//! Authorities of other hosts: what an operator has put into their folder, nodes trust too.

use std::io;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{BadCertificate, CertificatesError};

/// What there is, in the order of the files' names, and what of it is of no use.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// The text of each file.
    pub(super) texts: Vec<String>,
    /// Why others are left out.
    pub(super) problems: Vec<CertificatesError>,
}

/// Reads each `.pem` of a folder, which need not be there.
pub(super) fn read(folder: &Path) -> Others {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Others::default(),
        Err(error) => return Others { texts: Vec::new(), problems: vec![CertificatesError::Read(error)] },
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "pem"));
    paths.sort();
    let mut others = Others::default();
    for path in paths {
        match super::held::read(&path, authorities) {
            Ok(text) => others.texts.extend(text),
            Err(error) => others.problems.push(error),
        }
    }
    others
}

/// The certificates of a text, when it holds nothing else and all of them can be trusted.
fn authorities(text: &str) -> Result<String, BadCertificate> {
    if text.contains("PRIVATE KEY") {
        return Err(BadCertificate::WithKey);
    }
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(BadCertificate::Pem)?;
        trusted.add(certificate).map_err(BadCertificate::Authority)?;
    }
    match trusted.is_empty() {
        true => Err(BadCertificate::None),
        false => Ok(format!("{}\n", text.trim_end())),
    }
}
