//! What an unpacked version is for a hot upgrade: its files read into an [`upgrade::inventory::Release`], and that
//! kept beside them.

mod configuration;
mod files;
mod folder;
mod kept;
mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use upgrade::Digest;
use upgrade::inventory::{Application, Kind, Release, Runtime, StartType};
use upgrade::survey;

use crate::archive::{self, ArchiveError};
use crate::limits::Limits;
use crate::manifest::{Manifest, Node};
use crate::recognise::{self, Facts, Refusal};
use crate::tree::{Unpacked, remove_tree};
use files::Files;

/// Why a version's inventory could not be made.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// A file could not be read.
    #[error("could not read {path} of the release")]
    Read {
        /// Its path below the release's root.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that every release has is missing.
    #[error("the release has no file {path}")]
    Missing {
        /// Where it should be.
        path: String,
    },
    /// Not a package that can be unpacked.
    #[error("could not unpack {path}")]
    Archive {
        /// The packed file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// No release.
    #[error("{path} is no release")]
    NotARelease {
        /// The packed file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<Refusal>,
    },
    /// A packed file or folder could not be read, or a place to unpack it could not be made.
    #[error("could not read {path}")]
    Source {
        /// The packed file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("{path} of the release {problem}")]
    Broken {
        /// Its path below the release's root.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// The inventory of a version: the one that was kept, else it is made, and kept for the next time.
///
/// # Errors
/// A file cannot be read, or is not what a release has there.
pub fn open(version: &Unpacked) -> Result<Release, InventoryError> {
    if let Some(kept) = kept::read(version) {
        return Ok(kept);
    }
    let release = read(version)?;
    // Who cannot keep it makes it again.
    let _ = kept::write(version, &release);
    Ok(release)
}

/// The inventory of a version, made of its files; modules by as many threads as there are cores.
///
/// # Errors
/// A file cannot be read, or is not what a release has there.
pub fn read(version: &Unpacked) -> Result<Release, InventoryError> {
    Source { tree: version.tree(), manifest: &version.manifest, facts: &version.facts }.read()
}

/// The inventory of a package that nobody installed, whatever host it is for: it is unpacked to a temporary folder.
///
/// # Errors
/// It cannot be unpacked, or is no release.
pub fn read_package(archive: &Path, limits: &Limits) -> Result<Release, InventoryError> {
    let failed = |source| InventoryError::Source { path: archive.to_owned(), source };
    let file = fs_err::File::open(archive).map_err(failed)?;
    let folder = tempfile::tempdir().map_err(failed)?;
    let extracted = archive::extract(file, folder.path(), limits);
    let extracted =
        extracted.map_err(|source| InventoryError::Archive { path: archive.to_owned(), source })?;
    let release = read_tree(archive, folder.path(), &extracted.manifest);
    // what is left of it is in the temporary folder of the host
    let _ = remove_tree(folder.path());
    release
}

/// The inventory of a release's folder that nobody installed (`_build/prod/rel/shop`, a shipment).
///
/// # Errors
/// It cannot be read, or is no release.
pub fn read_folder(folder: &Path) -> Result<Release, InventoryError> {
    let manifest = folder::manifest(folder, &Limits::default());
    let manifest = manifest.map_err(|source| InventoryError::Source { path: folder.to_owned(), source })?;
    read_tree(folder, folder, &manifest)
}

fn read_tree(called: &Path, tree: &Path, manifest: &Manifest) -> Result<Release, InventoryError> {
    let facts = recognise::identify(tree, manifest).map_err(|source| InventoryError::NotARelease {
        path: called.to_owned(),
        source: Box::new(source),
    })?;
    Source { tree: tree.to_owned(), manifest, facts: &facts }.read()
}

/// A release on disk, and what is known of it.
struct Source<'a> {
    tree: PathBuf,
    manifest: &'a Manifest,
    facts: &'a Facts,
}

impl Source<'_> {
    fn read(&self) -> Result<Release, InventoryError> {
        let files = Files::new(self);
        let mut release = match self.facts.kind {
            recognise::Kind::MixRelease => with_rel(self.facts, &files, Kind::Mix)?,
            recognise::Kind::RebarRelease => with_rel(self.facts, &files, Kind::Rebar)?,
            recognise::Kind::GleamShipment => shipment(self.facts, &files)?,
        };
        let protocols = format!("{}/consolidated", release_folder(self.facts));
        modules::fill(&files, &mut release, &protocols)?;
        Ok(release)
    }
}

/// Where mix and rebar3 have what belongs to the release as a whole.
fn release_folder(facts: &Facts) -> String {
    format!("releases/{}", facts.boot_version.as_ref().unwrap_or(&facts.version))
}

fn with_rel(facts: &Facts, files: &Files<'_>, kind: Kind) -> Result<Release, InventoryError> {
    let folder = release_folder(facts);
    let rel = rel(facts, files, &folder)?;
    let mut applications = BTreeMap::new();
    for app in &rel.applications {
        let at = format!("lib/{}-{}", app.name, app.version);
        let read = application(files, &app.name, &at, app.start_type.into())?;
        // one that is not in the package is the host's
        let read = read.unwrap_or_else(|| elsewhere(app));
        applications.insert(app.name.clone(), read);
    }
    Ok(Release {
        kind,
        runtime: Runtime {
            erts_content: erts_content(files, &format!("erts-{}", rel.erts)),
            erts: Some(rel.erts),
            otp: otp(facts),
        },
        applications,
        start_order: rel.applications.into_iter().map(|app| app.name).collect(),
        protocols: BTreeMap::new(),
        configuration: configuration::read(files, &folder, &rel.version)?,
        name: rel.name,
        version: rel.version,
    })
}

/// The `.rel` of the release that the package was recognised as.
fn rel(facts: &Facts, files: &Files<'_>, folder: &str) -> Result<beam::rel::Rel, InventoryError> {
    for name in files.names(folder).filter(|name| name.ends_with(".rel")) {
        let path = format!("{folder}/{name}");
        let rel = beam::rel::parse(&files.read(&path)?).map_err(files::broken(&path))?;
        if rel.name == facts.release_name {
            return Ok(rel);
        }
    }
    Err(InventoryError::Missing { path: format!("{folder}/{}.rel", facts.release_name) })
}

fn shipment(facts: &Facts, files: &Files<'_>) -> Result<Release, InventoryError> {
    let base = facts.start.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let mut applications = BTreeMap::new();
    for app in &facts.applications {
        let at = format!("{base}{}", app.name);
        let read = application(files, &app.name, &at, StartType::Temporary)?;
        applications.extend(read.map(|read| (app.name.clone(), read)));
    }
    Ok(Release {
        name: facts.release_name.clone(),
        version: facts.version.clone(),
        kind: Kind::Gleam,
        runtime: Runtime { erts: None, erts_content: None, otp: otp(facts) },
        start_order: applications.keys().cloned().collect(),
        applications,
        protocols: BTreeMap::new(),
        configuration: upgrade::inventory::Configuration::default(),
    })
}

fn otp(facts: &Facts) -> Option<String> {
    facts.otp_release.as_ref().map(|otp| otp.release.clone())
}

/// An application without its modules; `None` when it is not there.
fn application(
    files: &Files<'_>,
    name: &str,
    folder: &str,
    start_type: StartType,
) -> Result<Option<Application>, InventoryError> {
    let path = format!("{folder}/ebin/{name}.app");
    if !files.has(&path) {
        return Ok(None);
    }
    let app = beam::app::parse(&files.read(&path)?).map_err(files::broken(&path))?;
    let mut application = survey::application(app, folder, start_type);
    for (path, node) in files.inside(&format!("{folder}/priv")) {
        if let Some(digest) = digest(node) {
            if is_native(path) {
                application.native_libraries.insert(path.to_owned());
            }
            application.private.insert(path.to_owned(), digest);
        }
    }
    let appup = format!("{folder}/ebin/{name}.appup");
    if files.has(&appup) {
        application.appup = Some(String::from_utf8_lossy(&files.read(&appup)?).into_owned());
    }
    Ok(Some(application))
}

/// An application that a release names and the host is to have.
fn elsewhere(app: &beam::rel::RelApplication) -> Application {
    Application {
        version: app.version.clone(),
        folder: format!("lib/{}-{}", app.name, app.version),
        start_type: app.start_type.into(),
        callback: None,
        environment: BTreeMap::new(),
        start_phases: None,
        applications: BTreeSet::new(),
        included_applications: BTreeSet::new(),
        optional_applications: BTreeSet::new(),
        registered: BTreeSet::new(),
        modules: BTreeMap::new(),
        private: BTreeMap::new(),
        native_libraries: BTreeSet::new(),
        appup: None,
    }
}

/// `x.so`, and `x.so.1` that such links to.
fn is_native(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".so") || name.contains(".so.")
}

fn digest(node: &Node) -> Option<Digest> {
    match node {
        Node::Folder => None,
        Node::File { sha256, .. } => Some(Digest::from_longer(sha256.as_bytes())),
        Node::Link { target } => Some(Digest::of(target.as_bytes())),
    }
}

fn erts_content(files: &Files<'_>, folder: &str) -> Option<Digest> {
    let mut text = String::new();
    for (path, digest) in files.inside(folder).filter_map(|(path, node)| Some((path, digest(node)?))) {
        text.push_str(&format!("{digest} {path}\n"));
    }
    (!text.is_empty()).then(|| Digest::of(text.as_bytes()))
}
