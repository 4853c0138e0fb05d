//! The manifest of a folder that we did not unpack.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use walkdir::{DirEntry, WalkDir};

use crate::digest::Sha256Digest;
use crate::limits::Limits;
use crate::manifest::{Entry, Manifest, Node};

/// Everything in a folder. What is neither a file, a folder nor a link, or has a name that is no text, is no part of a
/// release.
pub(super) fn manifest(folder: &Path, limits: &Limits) -> io::Result<Manifest> {
    let mut entries = Vec::new();
    for entry in WalkDir::new(folder).min_depth(1) {
        let entry = entry?;
        let path = entry.path().strip_prefix(folder).ok().and_then(Path::to_str).map(str::to_owned);
        if let (Some(path), Some(node)) = (path, node(&entry)?) {
            entries.push(Entry { path, node });
        }
        if entries.len() as u64 > limits.entries {
            return Err(io::Error::other(format!("it has more than {} files", limits.entries)));
        }
    }
    entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(Manifest { entries })
}

fn node(entry: &DirEntry) -> io::Result<Option<Node>> {
    let kind = entry.file_type();
    if kind.is_dir() {
        return Ok(Some(Node::Folder));
    }
    if kind.is_symlink() {
        let target = fs_err::read_link(entry.path())?;
        return Ok(target.to_str().map(|target| Node::Link { target: target.to_owned() }));
    }
    if !kind.is_file() {
        return Ok(None);
    }
    let metadata = entry.metadata()?;
    let mode = if metadata.permissions().mode() & 0o111 == 0 { 0o444 } else { 0o555 };
    let sha256 = Sha256Digest::of_file(entry.path())?;
    Ok(Some(Node::File { mode, size: metadata.len(), modified: 0, sha256 }))
}
