//! Writes that survive a power loss: temporary name, fsync, rename, fsync of the folder.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Begins the names of everything unfinished, so that [`crate::tree::sweep`] finds it and no app is called so.
pub(crate) const TEMPORARY: &str = ".bellrock-tmp-";

/// Makes a folder's entries (names made, renamed or removed in it) durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs_err::File::open(folder)?.sync_all()
}

/// Makes everything written so far to the file system of `folder` durable. One call instead of an fsync for each of
/// thousands of files; for rare work only, since it also waits for what others have written.
pub(crate) fn sync_file_system(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(fs_err::File::open(folder)?).map_err(io::Error::from)
}

/// Writes a new file with this mode and makes its content durable; its name is not yet.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// The folder that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Sets a path's permission bits, whatever the umask is.
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// A fresh private folder (0o700) beside its destination, so that one rename moves it there. Removed when dropped.
pub(crate) struct TemporaryFolder {
    path: PathBuf,
    kept: bool,
}

impl TemporaryFolder {
    pub(crate) fn beside(destination: &Path) -> io::Result<Self> {
        let builder =
            tempfile::Builder::new().prefix(TEMPORARY).rand_bytes(12).tempdir_in(parent(destination))?;
        let path = builder.keep();
        set_mode(&path, 0o700)?;
        Ok(Self { path, kept: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Renames it to its destination, where nothing may be, and makes the name durable.
    pub(crate) fn publish(mut self, destination: &Path) -> io::Result<()> {
        fs_err::rename(&self.path, destination)?;
        self.kept = true;
        sync_folder(parent(destination))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is swept at the next start.
            let _ = crate::tree::remove_tree(&self.path);
        }
    }
}
