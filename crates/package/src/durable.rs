//! Writes that survive a power loss: temporary name, fsync, rename, fsync of the folder.

use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Begins the names of everything unfinished, so that [`crate::tree::sweep`] finds it and no app is called so.
pub(crate) const TEMPORARY: &str = ".bellrock-tmp-";

/// Makes a folder's entries (names made, renamed or removed in it) durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs_err::File::open(folder)?.sync_all()
}

/// Makes everything written so far to the file system of `folder` durable. One call instead of an fsync for each of
/// thousands of files; for rare work only, since it also waits for what others have written.
///
/// # Errors
/// When it cannot be written.
pub fn sync_file_system(folder: &Path) -> io::Result<()> {
    rustix::fs::syncfs(fs_err::File::open(folder)?).map_err(io::Error::from)
}

/// Writes a new file with this mode and makes its content durable; its name is not yet.
pub(crate) fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(content)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Writes a file, visible by one rename: who reads it meanwhile reads what was there before. It gets its mode and its
/// owner before it gets its name, and nobody else can read it until then: it may be secret, and the folder may belong to
/// somebody who would put a link in its place.
///
/// # Errors
/// When the file cannot be written; nothing has changed then.
pub fn write_whole(path: &Path, content: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let folder = parent(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.new"));
    let _ = fs_err::remove_file(&temporary);
    let mut file = fs_err::OpenOptions::from_options(
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).clone(),
    )
    .open(&temporary)?;
    file.write_all(content)?;
    if let Some((uid, gid)) = owner {
        fchown(file.file(), Some(uid), Some(gid))?;
    }
    file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs_err::rename(&temporary, path)?;
    sync_folder(folder)
}

/// The folder that a path is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Sets a path's permission bits, whatever the umask is.
///
/// # Errors
/// When it is not there, or not ours.
pub fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// A fresh private folder (0o700) beside its destination, so that one rename moves it there. Removed when dropped.
#[derive(Debug)]
pub struct TemporaryFolder {
    path: PathBuf,
    kept: bool,
}

impl TemporaryFolder {
    /// Makes one.
    ///
    /// # Errors
    /// When it cannot be made, because the folder around it is missing or not ours to write.
    pub fn beside(destination: &Path) -> io::Result<Self> {
        let builder =
            tempfile::Builder::new().prefix(TEMPORARY).rand_bytes(12).tempdir_in(parent(destination))?;
        let path = builder.keep();
        set_mode(&path, 0o700)?;
        Ok(Self { path, kept: false })
    }

    /// Where it is now.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames it to its destination, where nothing may be, and makes the name durable.
    ///
    /// # Errors
    /// When it cannot be renamed; it is removed then.
    pub fn publish(mut self, destination: &Path) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs_err::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn visible_by_one_rename_whatever_an_earlier_attempt_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beacon");
        let temporary = folder.path().join(".beacon.new");
        fs_err::write(&temporary, "half").unwrap();
        write_whole(&path, b"WHOLE", 0o400, None).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"WHOLE");
        assert_eq!(mode(&path), 0o400);
        assert!(!temporary.exists());
    }

    #[test]
    fn a_mode_holds_whatever_the_umask_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        write_whole(&path, b"#!/bin/sh\n", 0o775, None).unwrap();
        assert_eq!(mode(&path), 0o775);
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs_err::write(&outside, "theirs").unwrap();
        fs_err::os::unix::fs::symlink(&outside, folder.path().join(".beacon.new")).unwrap();
        write_whole(&folder.path().join("beacon"), b"COOKIE", 0o600, None).unwrap();
        assert_eq!(fs_err::read(&outside).unwrap(), b"theirs");
    }

    #[test]
    fn nothing_is_visible_when_it_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beacon");
        // A folder that is not empty cannot be replaced by a file.
        fs_err::create_dir_all(path.join("x")).unwrap();
        assert!(write_whole(&path, b"COOKIE", 0o600, None).is_err());
        assert!(path.join("x").is_dir());
    }
}
