//! Certificates for Erlang distribution over TLS: this host's own authority, and what it signs for each app and for
//! Bellrock itself.
//!
//! The authority's key stays in its file, which nobody but the daemon's user reads. A certificate and its key are one
//! file, and so are all authorities that are trusted: a node that reads them while they are renewed finds either the old
//! or the new ones, never a pair that does not fit. Nodes read them again at new connections; connections that are there
//! stay.
//!
//! [`Certificates::keep`] renews what is due and leads one authority over to the next; it is called again and again, and
//! puts right whatever a crash has left.

mod authority;
mod certificate;
mod change;
mod held;
mod options;
mod others;
mod terms;
#[cfg(test)]
mod tests;

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use dist::{TlsIdentity, TlsIdentityError};
use jiff::Timestamp;
use model::AppName;

pub use certificate::{BadCertificate, Certificate};
pub use change::{Change, Holder, Kept};
pub use terms::Terms;

use crate::paths::Paths;
use authority::Wanted;
use held::Held;
use terms::Step;

/// Only who owns it: the app's user, who needs no more than to read it.
const OWNERS: u32 = 0o400;

/// User and group that a file is to belong to; `None`: the daemon's own.
pub type Owner = Option<(u32, u32)>;

/// Why certificates cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CertificatesError {
    /// Nobody has asked for them.
    #[error("this host has no certificates for Erlang distribution; bellrock tls init makes them")]
    NotMade,
    /// Somebody has, before.
    #[error("this host has certificates for Erlang distribution already; bellrock tls rotate renews them")]
    Made,
    /// One authority is on its way out.
    #[error("this host is on its way to a new authority already; bellrock tls status tells how far it is")]
    UnderWay,
    /// A file cannot be read.
    #[error("could not read a file of certificates")]
    Read(#[source] io::Error),
    /// What is in a file is of no use.
    #[error("{path} is of no use as a certificate", path = path.display())]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: BadCertificate,
    },
    /// A file or folder cannot be written.
    #[error("could not write {path}", path = path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("could not make a certificate")]
    Sign(#[source] BadCertificate),
    /// Bellrock's own does not serve.
    #[error("Bellrock's own certificate cannot be used")]
    Identity(#[source] TlsIdentityError),
}

/// What there is.
#[derive(Debug)]
pub struct Standing {
    /// The authority that signs.
    pub authority: Certificate,
    /// The one that will.
    pub next: Option<Certificate>,
    /// The one that did.
    pub previous: Option<Certificate>,
    /// What is in use, Bellrock's own first.
    pub leaves: Vec<Leaf>,
}

/// A certificate in use.
#[derive(Debug)]
pub struct Leaf {
    /// Whose.
    pub holder: Holder,
    /// Where it is, with its key.
    pub path: PathBuf,
    /// What it says.
    pub certificate: Result<Certificate, CertificatesError>,
    /// When it is renewed.
    pub renewed_at: Option<Timestamp>,
}

/// The certificates of this host. Its methods read and write files: they block.
#[derive(Debug)]
pub struct Certificates {
    paths: Paths,
    host: String,
    terms: Terms,
    /// Held while files change. What Bellrock connects with, once somebody has asked.
    changing: Mutex<Option<TlsIdentity>>,
}

impl Certificates {
    /// Those below these paths, for nodes at this host.
    pub fn new(paths: Paths, host: impl Into<String>) -> Self {
        Certificates { paths, host: host.into(), terms: Terms::STANDARD, changing: Mutex::default() }
    }

    /// Whether there are any.
    pub fn are_made(&self) -> bool {
        self.paths.authority().is_file()
    }

    /// Makes an authority and Bellrock's own certificate.
    ///
    /// # Errors
    /// [`CertificatesError::Made`], or when they cannot be made.
    pub fn make(&self, now: Timestamp) -> Result<Vec<Change>, CertificatesError> {
        let mut identity = self.lock();
        if self.are_made() {
            return Err(CertificatesError::Made);
        }
        make_folder(&self.paths.certificates())?;
        let held = Held::make(&self.paths, &self.host, now, &self.terms)?;
        whole(self.keep_all(held, &mut identity, now, false))
    }

    /// Renews what is due, and goes on with a change of the authority. Nothing is done where nothing is made.
    pub fn keep(&self, now: Timestamp) -> Kept {
        let mut identity = self.lock();
        match Held::read(&self.paths) {
            Ok(held) => self.keep_all(held, &mut identity, now, false),
            Err(CertificatesError::NotMade) => Kept::default(),
            Err(error) => Kept { changes: Vec::new(), failures: vec![error] },
        }
    }

    /// Renews every certificate now.
    ///
    /// # Errors
    /// When there is none, or one could not be renewed; the others are.
    pub fn renew(&self, now: Timestamp) -> Result<Vec<Change>, CertificatesError> {
        let mut identity = self.lock();
        let held = Held::read(&self.paths)?;
        whole(self.keep_all(held, &mut identity, now, true))
    }

    /// Begins the way to a new authority; [`Certificates::keep`] goes it.
    ///
    /// # Errors
    /// When there is none, or the last way has not ended.
    pub fn replace_authority(&self, now: Timestamp) -> Result<Vec<Change>, CertificatesError> {
        let mut identity = self.lock();
        let mut held = Held::read(&self.paths)?;
        if held.next.is_some() || held.previous.is_some() {
            return Err(CertificatesError::UnderWay);
        }
        held.go(Step::Begin, &self.host, now, &self.terms)?;
        let mut kept = self.keep_all(held, &mut identity, now, false);
        kept.changes.insert(0, Change::Begun);
        whole(kept)
    }

    /// Provides an app with its certificate, its key and the file of options that names them.
    ///
    /// # Errors
    /// [`CertificatesError::NotMade`], or when they cannot be written.
    pub fn provide(&self, app: &AppName, owner: Owner, now: Timestamp) -> Result<(), CertificatesError> {
        let _changing = self.lock();
        let held = Held::read(&self.paths)?;
        held.write_trusted()?;
        let folder = self.paths.distribution(app);
        for folder in folder.parent().into_iter().chain([folder.as_path()]) {
            make_folder(folder)?;
        }
        let holder = Holder::App(app.clone());
        let path = self.path(&holder);
        if !belongs(&path, owner) || self.due(&held, self.read(&holder).ok().as_ref(), now) {
            self.sign(&held, &holder, owner, now)?;
        }
        let (path, text) =
            (self.paths.distribution_options(app), options::text(&self.paths.trusted_authorities(), &path));
        let is_there = fs_err::read_to_string(&path).is_ok_and(|there| there == text);
        if is_there && belongs(&path, owner) { Ok(()) } else { held::write(&path, &text, OWNERS, owner) }
    }

    /// What Bellrock connects to nodes with. It and its clones follow each renewal by themselves.
    ///
    /// # Errors
    /// [`CertificatesError::NotMade`], or when its certificate cannot be read.
    pub fn identity(&self) -> Result<TlsIdentity, CertificatesError> {
        let mut identity = self.lock();
        if let Some(identity) = &*identity {
            return Ok(identity.clone());
        }
        Ok(identity.insert(self.read_identity()?).clone())
    }

    /// What there is.
    ///
    /// # Errors
    /// [`CertificatesError::NotMade`], or when the authorities cannot be read.
    pub fn standing(&self) -> Result<Standing, CertificatesError> {
        let _changing = self.lock();
        let Held { signing, next, previous, .. } = Held::read(&self.paths)?;
        Ok(Standing {
            authority: signing.certificate,
            next: next.map(|next| next.certificate),
            previous: previous.map(|(previous, _)| previous),
            leaves: self.holders().into_iter().map(|holder| self.leaf(holder)).collect(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<TlsIdentity>> {
        self.changing.lock().expect("nobody panics while holding it")
    }

    fn keep_all(
        &self,
        mut held: Held<'_>,
        identity: &mut Option<TlsIdentity>,
        now: Timestamp,
        all: bool,
    ) -> Kept {
        let mut kept = Kept { changes: Vec::new(), failures: std::mem::take(&mut held.others.problems) };
        self.go_on(&mut held, &mut kept, now);
        let trusted_is_new = held.write_trusted().unwrap_or_else(|error| {
            kept.failures.push(error);
            false
        });
        for holder in self.holders() {
            let leaf = self.read(&holder).ok();
            if !all && !self.due(&held, leaf.as_ref(), now) {
                continue;
            }
            let path = self.path(&holder);
            match self.sign(&held, &holder, owner_of(&path), now) {
                Ok(until) => kept.changes.push(Change::Renewed { holder, until }),
                Err(error) => kept.failures.push(error),
            }
        }
        if let Some(identity) = identity
            && (trusted_is_new || !kept.changes.is_empty())
        {
            match self.read_identity() {
                Ok(new) => identity.renew(&new),
                Err(error) => kept.failures.push(error),
            }
        }
        kept
    }

    /// Goes as far as it can on the way to the next authority.
    fn go_on(&self, held: &mut Held<'_>, kept: &mut Kept, now: Timestamp) {
        let leaves: Vec<_> = self.holders().iter().map(|holder| self.read(holder).ok()).collect();
        let terms = held.terms(&self.terms);
        while let Some(step) = terms::step(&held.authorities(&leaves), now, &terms) {
            if let Err(error) = held.go(step, &self.host, now, &self.terms) {
                kept.failures.push(error);
                return;
            }
            kept.changes.push(match step {
                Step::Begin => Change::Begun,
                Step::Switch => Change::Switched,
                Step::Forget => Change::Forgotten,
            });
        }
    }

    fn due(&self, held: &Held<'_>, leaf: Option<&Certificate>, now: Timestamp) -> bool {
        terms::due(leaf, &held.signing.certificate, &self.host, now, &self.terms).is_some()
    }

    fn sign(
        &self,
        held: &Held<'_>,
        holder: &Holder,
        owner: Owner,
        now: Timestamp,
    ) -> Result<Timestamp, CertificatesError> {
        let until = now.saturating_add(self.terms.leaf).unwrap_or(Timestamp::MAX);
        let wanted = Wanted { holder: &holder.to_string(), host: &self.host, now, until };
        let text = held.signing.sign(wanted).map_err(CertificatesError::Sign)?;
        held::write(&self.path(holder), &text, OWNERS, owner)?;
        Ok(until.min(held.signing.certificate.until))
    }

    /// Bellrock, and every app that was ever provided with a certificate.
    fn holders(&self) -> Vec<Holder> {
        let folders = fs_err::read_dir(self.paths.distributions()).into_iter().flatten().flatten();
        let names = folders.filter_map(|folder| folder.file_name().to_str()?.parse().ok());
        let mut holders: Vec<Holder> =
            std::iter::once(Holder::Bellrock).chain(names.map(Holder::App)).collect();
        holders.sort();
        holders
    }

    fn leaf(&self, holder: Holder) -> Leaf {
        let certificate = self.read(&holder);
        let renewed_at = certificate.as_ref().ok().map(|leaf| terms::renewed_at(leaf, &self.terms));
        Leaf { path: self.path(&holder), certificate, renewed_at, holder }
    }

    fn read(&self, holder: &Holder) -> Result<Certificate, CertificatesError> {
        let path = self.path(holder);
        let missing =
            || CertificatesError::Read(io::Error::new(io::ErrorKind::NotFound, path.display().to_string()));
        held::read(&path, Certificate::of_pem)?.ok_or_else(missing)
    }

    fn path(&self, holder: &Holder) -> PathBuf {
        match holder {
            Holder::Bellrock => self.paths.own_certificate(),
            Holder::App(app) => self.paths.distribution_certificate(app),
        }
    }

    fn read_identity(&self) -> Result<TlsIdentity, CertificatesError> {
        if !self.are_made() {
            return Err(CertificatesError::NotMade);
        }
        let trusted =
            fs_err::read_to_string(self.paths.trusted_authorities()).map_err(CertificatesError::Read)?;
        let own = fs_err::read_to_string(self.paths.own_certificate()).map_err(CertificatesError::Read)?;
        TlsIdentity::from_pem(&trusted, &own, &own).map_err(CertificatesError::Identity)
    }
}

/// All of it, or the first that went wrong.
fn whole(kept: Kept) -> Result<Vec<Change>, CertificatesError> {
    match kept.failures.into_iter().next() {
        Some(error) => Err(error),
        None => Ok(kept.changes),
    }
}

/// A folder that apps get through on the way to what is theirs.
fn make_folder(path: &Path) -> Result<(), CertificatesError> {
    let failed = |source| CertificatesError::Write { path: path.to_owned(), source };
    match std::fs::DirBuilder::new().mode(0o711).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
        _ => package::durable::set_mode(path, 0o711).map_err(failed),
    }
}

fn owner_of(path: &Path) -> Owner {
    fs_err::metadata(path).ok().map(|found| (found.uid(), found.gid()))
}

/// Whether it is there, and this owner's; the daemon's own are, whoever that is.
fn belongs(path: &Path, owner: Owner) -> bool {
    owner_of(path).is_some_and(|found| owner.is_none_or(|owner| owner == found))
}
