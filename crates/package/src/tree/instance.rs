//! An instance's tree: hard links to a version's files, own copies of what the node may write.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::{lchown, symlink};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::damage::VerifyError;
use super::remove::remove_tree;
use super::version::{Unpacked, open_version, read_json};
use crate::digest::Sha256Digest;
use crate::durable::{self, TemporaryFolder};
use crate::launch::{LAUNCHER, Launcher};
use crate::manifest::{Node, below};
use crate::recognise::Facts;

/// Says which package a tree was made from.
pub const INSTANCE_MARK: &str = ".bellrock-instance.json";

/// Folders that belong to the app: a node writes `sys.config` and `RELEASES` into the first.
const OWN: [&str; 3] = ["releases", "tmp", "log"];

/// The user and group that an app runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// An instance's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceTree {
    /// Its folder.
    pub path: PathBuf,
    /// What the package is; paths in it begin at `path`.
    pub facts: Facts,
    /// Whether it was there already.
    pub reused: bool,
    /// Files shared with the version's folder (0 when it was reused).
    pub linked: usize,
    /// Shared files that had to be copied instead: another file system, too many links.
    pub copied: usize,
}

/// Why an instance got no tree. Nothing is at its path then, or what was there before.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The version's folder cannot be used.
    #[error("the version cannot be used for an instance")]
    Version(#[from] VerifyError),
    /// Another package's tree is there.
    #[error("{path} is the tree of another package, with the digest {digest}")]
    Occupied {
        /// The instance's folder.
        path: PathBuf,
        /// Digest of that package.
        digest: Sha256Digest,
    },
    /// Files could not be linked, copied or given to the app.
    #[error("the instance's tree {path} could not be made")]
    Io {
        /// The instance's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Mark {
    package: Sha256Digest,
}

/// Makes the tree of an instance from a version's folder, visible by one rename. `owner` is the app's user when it is
/// not ours. Safe to run twice: a whole tree of the same package is kept, a half one is made anew.
pub fn instance_tree(
    version: &Path,
    dest: &Path,
    owner: Option<Owner>,
) -> Result<InstanceTree, InstanceError> {
    let unpacked = open_version(version)?;
    if is_there(&unpacked, dest)? {
        let facts = unpacked.facts;
        return Ok(InstanceTree { path: dest.to_owned(), facts, reused: true, linked: 0, copied: 0 });
    }
    let failed = |source| InstanceError::Io { path: dest.to_owned(), source };
    remove_tree(dest).map_err(failed)?;
    let temporary = TemporaryFolder::beside(dest).map_err(failed)?;
    let owner = owner.filter(|owner| *owner != us());
    let mut making = Making { unpacked: &unpacked, folder: temporary.path(), owner, linked: 0, copied: 0 };
    making.run().map_err(failed)?;
    let (linked, copied) = (making.linked, making.copied);
    temporary.publish(dest).map_err(failed)?;
    Ok(InstanceTree { path: dest.to_owned(), facts: unpacked.facts, reused: false, linked, copied })
}

fn us() -> Owner {
    Owner { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
}

/// Whether a whole tree of this package is there. What the app owns is not looked at: it may change that.
fn is_there(unpacked: &Unpacked, dest: &Path) -> Result<bool, InstanceError> {
    let Ok(Mark { package }) = read_json(&dest.join(INSTANCE_MARK)) else { return Ok(false) };
    if package != unpacked.digest {
        return Err(InstanceError::Occupied { path: dest.to_owned(), digest: package });
    }
    let shared = shared_files(unpacked);
    Ok(shared.into_iter().all(|(path, size)| {
        fs_err::symlink_metadata(dest.join(path)).is_ok_and(|found| found.is_file() && found.len() == size)
    }))
}

fn shared_files(unpacked: &Unpacked) -> impl Iterator<Item = (&str, u64)> {
    let files = unpacked.manifest.files();
    let files = files.filter_map(|(path, size)| Some((below(path, &unpacked.facts.root)?, size)));
    files.filter(|(path, _)| !is_own(path))
}

fn is_own(path: &str) -> bool {
    OWN.contains(&path.split('/').next().unwrap_or(path))
}

struct Making<'a> {
    unpacked: &'a Unpacked,
    folder: &'a Path,
    owner: Option<Owner>,
    linked: usize,
    copied: usize,
}

impl Making<'_> {
    fn run(&mut self) -> io::Result<()> {
        let source = self.unpacked.tree().join(&self.unpacked.facts.root);
        for entry in &self.unpacked.manifest.entries {
            let Some(path) = below(&entry.path, &self.unpacked.facts.root) else { continue };
            let (from, to) = (source.join(path), self.folder.join(path));
            match &entry.node {
                Node::Folder => fs_err::create_dir(&to)?,
                Node::Link { target } => symlink(target, &to)?,
                Node::File { mode, .. } if is_own(path) => own_copy(&from, &to, *mode)?,
                Node::File { mode, .. } => self.share(&from, &to, *mode)?,
            }
            if is_own(path) {
                self.give(&to, &entry.node)?;
            }
        }
        self.own_folders()?;
        let mark = Mark { package: self.unpacked.digest };
        durable::write_new(&self.folder.join(INSTANCE_MARK), &serde_json::to_vec(&mark)?, 0o444)?;
        self.launcher()?;
        self.close_folders()
    }

    fn share(&mut self, from: &Path, to: &Path, mode: u32) -> io::Result<()> {
        match share(from, to, mode)? {
            Shared::Linked => self.linked += 1,
            Shared::Copied => self.copied += 1,
        }
        Ok(())
    }

    /// The app's own folders; a release brings `releases/`, some bring the others.
    fn own_folders(&self) -> io::Result<()> {
        for name in ["tmp", "log"] {
            let path = self.folder.join(name);
            if fs_err::symlink_metadata(&path).is_err() {
                fs_err::create_dir(&path)?;
                self.give(&path, &Node::Folder)?;
            }
        }
        Ok(())
    }

    /// What may start it in the place of its own script; not every package has one.
    fn launcher(&self) -> io::Result<()> {
        let facts = &self.unpacked.facts;
        let script = self.unpacked.tree().join(&facts.root).join(&facts.start.path);
        // A script that is no text is none of those whose place a launcher can take.
        let script = String::from_utf8(fs_err::read(script)?).unwrap_or_default();
        match Launcher::of(facts, &script) {
            Ok(launcher) => durable::write_new(&self.folder.join(LAUNCHER), launcher.text.as_bytes(), 0o555),
            Err(_) => Ok(()),
        }
    }

    fn give(&self, path: &Path, node: &Node) -> io::Result<()> {
        if *node == Node::Folder {
            durable::set_mode(path, 0o700)?;
        }
        match self.owner {
            Some(owner) => lchown(path, Some(owner.uid), Some(owner.gid)),
            None => Ok(()),
        }
    }

    /// Shared folders: nobody but us adds or renames in them.
    fn close_folders(&self) -> io::Result<()> {
        let (inner, top) = if self.owner.is_some() { (0o755, 0o750) } else { (0o555, 0o550) };
        let folders = self.unpacked.manifest.entries.iter().rev().filter(|entry| entry.node == Node::Folder);
        for path in folders.filter_map(|entry| below(&entry.path, &self.unpacked.facts.root)) {
            if !is_own(path) {
                durable::set_mode(&self.folder.join(path), inner)?;
            }
        }
        if let Some(owner) = self.owner {
            lchown(self.folder, None, Some(owner.gid))?;
        }
        durable::set_mode(self.folder, top)
    }
}

/// How a file of a version came to be elsewhere.
pub(super) enum Shared {
    Linked,
    Copied,
}

/// Links a file, or copies it where it cannot be linked.
pub(super) fn share(from: &Path, to: &Path, mode: u32) -> io::Result<Shared> {
    match rustix::fs::link(from, to) {
        Ok(()) => Ok(Shared::Linked),
        // Another file system; too many links to one file; links refused by the file system or by
        // protected_hardlinks, which refuses files that belong to somebody else.
        Err(Errno::XDEV | Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS) => {
            copy(from, to, mode).map(|()| Shared::Copied)
        }
        Err(error) => Err(io::Error::from(error)),
    }
}

/// A copy for the app alone. Nobody else reads it: `sys.config` may hold passwords, and mix's `COOKIE` lets whoever
/// has it run code in the node (it is not used: the cookie is ours).
fn own_copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    copy(from, to, 0o600 | (mode & 0o100))?;
    fs_err::File::open(to)?.sync_all()
}

/// Shares the blocks where the file system can, else copies the bytes.
fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    let mut source = fs_err::File::open(from)?;
    let mut target = fs_err::OpenOptions::new().write(true).create_new(true).open(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
        io::copy(&mut source, &mut target)?;
    }
    let modified = source.metadata()?.modified()?;
    target.file().set_modified(modified)?;
    target.set_permissions(std::fs::Permissions::from_mode(mode))
}
