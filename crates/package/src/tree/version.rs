//! A version's folder: the package unpacked once.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::damage::{Check, VerifyError, verify};
use super::remove::remove_tree;
use crate::archive::{self, ArchiveError, Extracted};
use crate::digest::Sha256Digest;
use crate::durable::{self, TemporaryFolder};
use crate::limits::Limits;
use crate::manifest::{Manifest, Node};
use crate::platform::HostPlatform;
use crate::recognise::{self, Facts, Refusal};

/// Longest of our own files that is read back.
const MAX_OWN_FILE: u64 = 256 << 20;

/// A version's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// The folder.
    pub path: PathBuf,
    /// What the package is.
    pub facts: Facts,
    /// Digest of the package.
    pub digest: Sha256Digest,
    /// Everything in `tree/`.
    pub manifest: Manifest,
}

impl Unpacked {
    /// The folder with the package's content.
    pub fn tree(&self) -> PathBuf {
        self.path.join("tree")
    }

    /// Bytes of its files.
    pub fn unpacked_bytes(&self) -> u64 {
        self.manifest.files().map(|(_, size)| size).sum()
    }
}

/// Why a package was not unpacked. Nothing of it is visible then.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Not the package that was announced.
    #[error("the package {archive} has the digest {actual}, not {expected}")]
    DigestDiffers {
        /// The packed file, by the name that it came with.
        archive: PathBuf,
        /// The announced digest.
        expected: Sha256Digest,
        /// Its own.
        actual: Sha256Digest,
    },
    /// Not unpacked.
    #[error("the package {archive} could not be unpacked")]
    Archive {
        /// The packed file, by the name that it came with.
        archive: PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// Unpacked, but not a package for this host.
    #[error("the package {archive} is refused")]
    Refused {
        /// The packed file, by the name that it came with.
        archive: PathBuf,
        /// Why.
        #[source]
        source: Refusal,
    },
    /// Another package has been unpacked there.
    #[error("{path} holds another package already, with the digest {digest}")]
    Occupied {
        /// The version's folder.
        path: PathBuf,
        /// Digest of the package there.
        digest: Sha256Digest,
    },
    /// Something that is no version's folder is there; it is not ours to remove.
    #[error("{path} is not a version's folder of Bellrock, and it is not empty")]
    NotOurs {
        /// The version's folder.
        path: PathBuf,
    },
    /// Files could not be read or written.
    #[error("the package {archive} could not be put into {path}")]
    Io {
        /// The packed file, by the name that it came with.
        archive: PathBuf,
        /// The version's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// `manifest.json`.
#[derive(Serialize, Deserialize)]
struct ManifestFile {
    schema: u32,
    package: Sha256Digest,
    #[serde(flatten)]
    manifest: Manifest,
}

/// Unpacks a package into the new folder `dest`, visible by one rename. The packed file is read once: its digest is
/// told when it has been unpacked, and nothing is published unless it is the expected one. `name_hint` is the file
/// name that it came with. Safe to run twice: what is there already, whole and of the same digest, is kept; a damaged
/// one is made anew (instances keep the files that they have linked).
pub fn install_version(
    archive: &Path,
    expected: Option<&Sha256Digest>,
    name_hint: Option<&str>,
    dest: &Path,
    platform: &HostPlatform,
    limits: &Limits,
) -> Result<Unpacked, InstallError> {
    let called = name_hint.map_or(archive, Path::new);
    let install = Install { archive, called, expected, dest };
    if let Some(whole) = install.existing()? {
        return Ok(whole);
    }
    let temporary = TemporaryFolder::beside(dest).map_err(install.io())?;
    let tree = temporary.path().join("tree");
    fs_err::create_dir(&tree).map_err(install.io())?;
    let extracted = install.extract(&tree, limits)?;
    let facts = recognise::recognise(&tree, &extracted.manifest, &extracted.native, name_hint, platform)
        .map_err(|source| InstallError::Refused { archive: called.to_owned(), source })?;
    finish(temporary.path(), &extracted, &facts).map_err(install.io())?;
    install.publish(temporary).map_err(install.io())?;
    let Extracted { manifest, digest, .. } = extracted;
    Ok(Unpacked { path: dest.to_owned(), facts, digest, manifest })
}

struct Install<'a> {
    archive: &'a Path,
    /// What people know it by.
    called: &'a Path,
    expected: Option<&'a Sha256Digest>,
    dest: &'a Path,
}

impl Install<'_> {
    fn existing(&self) -> Result<Option<Unpacked>, InstallError> {
        let Ok(present) = open_version(self.dest) else { return self.only_ours().map(|()| None) };
        let actual = Sha256Digest::of_file(self.archive).map_err(self.io())?;
        self.check_digest(actual)?;
        if actual != present.digest {
            return Err(InstallError::Occupied { path: self.dest.to_owned(), digest: present.digest });
        }
        Ok(verify(self.dest, Check::Full).ok())
    }

    /// A damaged version's folder has `tree/` or `manifest.json` at least.
    fn only_ours(&self) -> Result<(), InstallError> {
        let is_there = |name: &str| fs_err::symlink_metadata(self.dest.join(name)).is_ok();
        let is_empty = match fs_err::read_dir(self.dest) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if is_empty || is_there("tree") || is_there("manifest.json") {
            return Ok(());
        }
        Err(InstallError::NotOurs { path: self.dest.to_owned() })
    }

    fn extract(&self, tree: &Path, limits: &Limits) -> Result<Extracted, InstallError> {
        let file = fs_err::File::open(self.archive).map_err(self.io())?;
        match archive::extract(file, tree, limits) {
            Ok(extracted) => self.check_digest(extracted.digest).map(|()| extracted),
            Err(source) => {
                // A damaged download is better told by its digest than by what the damage looks like.
                self.check_file(limits)?;
                Err(InstallError::Archive { archive: self.called.to_owned(), source })
            }
        }
    }

    fn check_file(&self, limits: &Limits) -> Result<(), InstallError> {
        if self.expected.is_none() {
            return Ok(());
        }
        let file = fs_err::File::open(self.archive).map_err(self.io())?;
        let actual = Sha256Digest::of_reader(&mut file.take(limits.archive_bytes)).map_err(self.io())?;
        self.check_digest(actual)
    }

    fn check_digest(&self, actual: Sha256Digest) -> Result<(), InstallError> {
        match self.expected {
            Some(&expected) if expected != actual => {
                Err(InstallError::DigestDiffers { archive: self.called.to_owned(), expected, actual })
            }
            _ => Ok(()),
        }
    }

    fn publish(&self, temporary: TemporaryFolder) -> io::Result<()> {
        if fs_err::symlink_metadata(self.dest).is_ok() {
            // Only a damaged one gets here.
            remove_tree(self.dest)?;
        }
        durable::sync_file_system(temporary.path())?;
        temporary.publish(self.dest)
    }

    fn io(&self) -> impl Fn(io::Error) -> InstallError {
        let (archive, path) = (self.called.to_owned(), self.dest.to_owned());
        move |source| InstallError::Io { archive: archive.clone(), path: path.clone(), source }
    }
}

/// Writes the two files beside `tree/` and makes all folders in it read-only.
fn finish(folder: &Path, extracted: &Extracted, facts: &Facts) -> io::Result<()> {
    let manifest =
        ManifestFile { schema: 1, package: extracted.digest, manifest: extracted.manifest.clone() };
    durable::write_new(&folder.join("manifest.json"), &serde_json::to_vec(&manifest)?, 0o444)?;
    durable::write_new(&folder.join("facts.json"), &serde_json::to_vec_pretty(facts)?, 0o444)?;
    let tree = folder.join("tree");
    for entry in extracted.manifest.entries.iter().rev().filter(|entry| entry.node == Node::Folder) {
        durable::set_mode(&tree.join(&entry.path), 0o555)?;
    }
    durable::set_mode(&tree, 0o555)
}

/// Reads a version's folder without checking its files (see [`verify`]).
pub fn open_version(path: &Path) -> Result<Unpacked, VerifyError> {
    let ManifestFile { package, manifest, .. } = read_json(&path.join("manifest.json"))?;
    let facts = read_json(&path.join("facts.json"))?;
    Ok(Unpacked { path: path.to_owned(), facts, digest: package, manifest })
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, VerifyError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        fs_err::File::open(path)?.take(MAX_OWN_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| VerifyError::Read { path: path.to_owned(), source })?;
    serde_json::from_slice(&bytes).map_err(|source| VerifyError::Format { path: path.to_owned(), source })
}
