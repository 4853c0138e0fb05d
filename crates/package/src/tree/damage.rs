//! Whether a version's folder is still what was unpacked.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::version::{Unpacked, open_version};
use crate::digest::Sha256Digest;
use crate::manifest::{Entry, Node};

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Every byte: before a version is used for a deployment, an activation or a rollback.
    Full,
    /// Owner, mode, size and time of every file: between two full ones, for a restart of one instance. It finds what
    /// changes by mistake or by a disk, not an app of our own user that puts the time back.
    Quick,
}

/// What differs at a path of `tree/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// Not there.
    #[error("is missing")]
    Missing,
    /// There, but the package has no such file.
    #[error("does not belong there")]
    Extra,
    /// A folder, file or link where another of them should be.
    #[error("is of another type")]
    Type,
    /// Other owner.
    #[error("has another owner")]
    Owner,
    /// Other permission bits.
    #[error("has other permissions")]
    Mode,
    /// Other size.
    #[error("has another size")]
    Size,
    /// Changed since.
    #[error("was changed since")]
    Modified,
    /// Other content.
    #[error("has other content")]
    Content,
    /// Other target of a link.
    #[error("leads elsewhere")]
    Target,
}

/// A version's folder cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file of it could not be read.
    #[error("the version's folder cannot be read at {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `manifest.json` or `facts.json` is not what we write.
    #[error("{path} is not a file that Bellrock wrote")]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Something in it differs from its manifest.
    #[error("{path} {damage}; the version must be unpacked again")]
    Damaged {
        /// The first that differs.
        path: PathBuf,
        /// How.
        damage: Damage,
    },
}

/// Checks a version's folder against its manifest.
pub fn verify(version: &Path, check: Check) -> Result<Unpacked, VerifyError> {
    let unpacked = open_version(version)?;
    let tree = unpacked.tree();
    let us = rustix::process::geteuid().as_raw();
    for entry in &unpacked.manifest.entries {
        entry_is_whole(&tree, entry, check, us)?;
    }
    nothing_extra(&unpacked, &tree)?;
    Ok(unpacked)
}

fn entry_is_whole(tree: &Path, entry: &Entry, check: Check, us: u32) -> Result<(), VerifyError> {
    let path = tree.join(&entry.path);
    let metadata = match fs_err::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return damaged(&path, Damage::Missing),
        Err(source) => return Err(VerifyError::Read { path, source }),
    };
    let checked = match &entry.node {
        Node::Folder => of_folder(&metadata),
        Node::Link { target } => of_link(&path, &metadata, target)?,
        Node::File { mode, size, modified, .. } => of_file(&metadata, *mode, *size, *modified),
    };
    if let Some(damage) = checked {
        return damaged(&path, damage);
    }
    if metadata.uid() != us {
        return damaged(&path, Damage::Owner);
    }
    match &entry.node {
        Node::File { sha256, .. } if check == Check::Full => {
            let actual = Sha256Digest::of_file(&path)
                .map_err(|source| VerifyError::Read { path: path.clone(), source })?;
            if actual == *sha256 { Ok(()) } else { damaged(&path, Damage::Content) }
        }
        _ => Ok(()),
    }
}

fn of_folder(metadata: &std::fs::Metadata) -> Option<Damage> {
    if !metadata.is_dir() {
        return Some(Damage::Type);
    }
    (metadata.mode() & 0o7777 != 0o555).then_some(Damage::Mode)
}

fn of_file(metadata: &std::fs::Metadata, mode: u32, size: u64, modified: u32) -> Option<Damage> {
    if !metadata.is_file() {
        return Some(Damage::Type);
    }
    if metadata.mode() & 0o7777 != mode {
        return Some(Damage::Mode);
    }
    if metadata.len() != size {
        return Some(Damage::Size);
    }
    (metadata.mtime() != i64::from(modified) || metadata.mtime_nsec() != 0).then_some(Damage::Modified)
}

fn of_link(path: &Path, metadata: &std::fs::Metadata, target: &str) -> Result<Option<Damage>, VerifyError> {
    if !metadata.is_symlink() {
        return Ok(Some(Damage::Type));
    }
    let actual =
        fs_err::read_link(path).map_err(|source| VerifyError::Read { path: path.to_owned(), source })?;
    Ok((actual != Path::new(target)).then_some(Damage::Target))
}

fn nothing_extra(unpacked: &Unpacked, tree: &Path) -> Result<(), VerifyError> {
    let known: BTreeSet<PathBuf> =
        unpacked.manifest.entries.iter().map(|entry| tree.join(&entry.path)).collect();
    for entry in WalkDir::new(tree).min_depth(1) {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(tree).to_owned();
            VerifyError::Read { path, source: error.into() }
        })?;
        if !known.contains(entry.path()) {
            return damaged(entry.path(), Damage::Extra);
        }
    }
    Ok(())
}

fn damaged(path: &Path, damage: Damage) -> Result<(), VerifyError> {
    Err(VerifyError::Damaged { path: path.to_owned(), damage })
}
