//! The authorities of this host, in their files.
//!
//! | file | what |
//! |---|---|
//! | `authority.pem` | the one that signs, with its key |
//! | `authority.next.pem` | the one that will, with its key |
//! | `authority.previous.pem` | the one that did, without |
//! | `trusted.pem` | the certificates of all of them, for everybody |
//!
//! Which of them are there says how far a rotation has come. Each step is one write that counts; what a crash leaves
//! around it is put right when they are read next.

use std::io;
use std::path::Path;

use jiff::Timestamp;
use package::durable::write_whole;

use super::CertificatesError;
use super::authority::Authority;
use super::certificate::Certificate;
use super::others::{self, Others};
use super::terms::{Authorities, Step, Terms};
use crate::paths::Paths;

/// For the owner alone.
const SECRET: u32 = 0o600;

/// The authorities of this host.
pub(super) struct Held<'a> {
    paths: &'a Paths,
    /// The one that signs.
    pub(super) signing: Authority,
    /// The one that will.
    pub(super) next: Option<Authority>,
    /// The one that did, with its text.
    pub(super) previous: Option<(Certificate, String)>,
    /// Those of other hosts.
    pub(super) others: Others,
}

impl<'a> Held<'a> {
    /// Makes the first one.
    pub(super) fn make(
        paths: &'a Paths,
        host: &str,
        now: Timestamp,
        terms: &Terms,
    ) -> Result<Self, CertificatesError> {
        let signing = fresh(host, now, terms)?;
        write(&paths.authority(), &signing.file(), SECRET, None)?;
        Ok(Held {
            paths,
            signing,
            next: None,
            previous: None,
            others: others::read(&paths.other_authorities()),
        })
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`CertificatesError::NotMade`] when there are none.
    pub(super) fn read(paths: &'a Paths) -> Result<Self, CertificatesError> {
        let signing = read(&paths.authority(), Authority::of_file)?.ok_or(CertificatesError::NotMade)?;
        let next = read(&paths.next_authority(), Authority::of_file)?;
        let previous =
            read(&paths.previous_authority(), |text| Ok((Certificate::of_pem(text)?, text.to_owned())))?;
        // A switch writes the previous one, then the one that signs, then removes the next one.
        let next = next.filter(|next| next.certificate != signing.certificate);
        let previous = previous.filter(|(previous, _)| *previous != signing.certificate);
        Ok(Held { paths, signing, next, previous, others: others::read(&paths.other_authorities()) })
    }

    /// How long its steps wait.
    pub(super) fn terms(&self, terms: &Terms) -> Terms {
        let spread = if self.others.texts.is_empty() { terms.spread } else { terms.spread_to_hosts };
        Terms { spread, ..*terms }
    }

    /// What a step is decided on.
    pub(super) fn authorities<'b>(&'b self, leaves: &'b [Option<Certificate>]) -> Authorities<'b> {
        Authorities {
            signing: &self.signing.certificate,
            next: self.next.as_ref().map(|next| &next.certificate),
            previous: self.previous.as_ref().map(|(previous, _)| previous),
            leaves,
        }
    }

    /// Goes one step on the way to the next authority.
    pub(super) fn go(
        &mut self,
        step: Step,
        host: &str,
        now: Timestamp,
        terms: &Terms,
    ) -> Result<(), CertificatesError> {
        match step {
            Step::Begin => {
                self.next = Some(fresh(host, now, terms)?);
                // trusted before it exists: that it exists says since when it is
                let written = self.write_trusted().and_then(|_| self.write_next());
                if written.is_err() {
                    self.next = None;
                }
                written
            }
            Step::Switch => {
                let Some(next) = self.next.take() else { return Ok(()) };
                let pem = self.signing.pem().to_owned();
                write(&self.paths.previous_authority(), &pem, SECRET, None)?;
                write(&self.paths.authority(), &next.file(), SECRET, None)?;
                let before = std::mem::replace(&mut self.signing, next);
                self.previous = Some((before.certificate, pem));
                remove(&self.paths.next_authority())
            }
            Step::Forget => {
                self.previous = None;
                remove(&self.paths.previous_authority())
            }
        }
    }

    /// Has all of them trusted, and no other; whether that is new.
    pub(super) fn write_trusted(&self) -> Result<bool, CertificatesError> {
        let text = self.trusted();
        let path = self.paths.trusted_authorities();
        match fs_err::read_to_string(&path) {
            Ok(there) if there == text => Ok(false),
            _ => write(&path, &text, 0o644, None).map(|()| true),
        }
    }

    /// The certificates of all of them in the order of their making, then those of other hosts.
    pub(super) fn trusted(&self) -> String {
        let signing = std::iter::once((&self.signing.certificate, self.signing.pem()));
        let next = self.next.iter().map(|next| (&next.certificate, next.pem()));
        let previous = self.previous.iter().map(|(previous, pem)| (previous, pem.as_str()));
        let mut all: Vec<_> = signing.chain(next).chain(previous).collect();
        all.sort_by_key(|(certificate, _)| (certificate.from, certificate.fingerprint));
        all.into_iter().map(|(_, pem)| pem).chain(self.others.texts.iter().map(String::as_str)).collect()
    }

    fn write_next(&self) -> Result<(), CertificatesError> {
        let text = self.next.as_ref().map(Authority::file).unwrap_or_default();
        write(&self.paths.next_authority(), &text, SECRET, None)
    }
}

fn fresh(host: &str, now: Timestamp, terms: &Terms) -> Result<Authority, CertificatesError> {
    let until = now.saturating_add(terms.authority).unwrap_or(Timestamp::MAX);
    Authority::make(host, now, until).map_err(CertificatesError::Sign)
}

/// Reads a file of certificates; `None` when it is not there.
pub(super) fn read<T>(
    path: &Path,
    of_text: impl FnOnce(&str) -> Result<T, super::BadCertificate>,
) -> Result<Option<T>, CertificatesError> {
    match fs_err::read_to_string(path) {
        Ok(text) => {
            let unusable = |source| CertificatesError::Unusable { path: path.to_owned(), source };
            of_text(&text).map(Some).map_err(unusable)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CertificatesError::Read(source)),
    }
}

pub(super) fn write(
    path: &Path,
    text: &str,
    mode: u32,
    owner: Option<(u32, u32)>,
) -> Result<(), CertificatesError> {
    let failed = |source| CertificatesError::Write { path: path.to_owned(), source };
    write_whole(path, text.as_bytes(), mode, owner).map_err(failed)
}

fn remove(path: &Path) -> Result<(), CertificatesError> {
    match fs_err::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(CertificatesError::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
