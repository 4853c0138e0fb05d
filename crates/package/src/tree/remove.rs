//! Removes trees, read-only ones too.

use std::io;
use std::path::{Path, PathBuf};

use crate::durable;

/// Removes a folder with all that is in it; links are removed, never followed. Its name is gone at once: a crash in
/// the middle leaves a temporary folder for [`sweep`], never half of a tree under its own name. What is not there is
/// removed already.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => remove_all(&out_of_sight(path)),
    }
}

/// Gives a folder a temporary name, and tells what it is called now: as before when it cannot be renamed.
fn out_of_sight(path: &Path) -> PathBuf {
    if is_temporary(path) {
        return path.to_owned();
    }
    let empty =
        tempfile::Builder::new().prefix(durable::TEMPORARY).rand_bytes(12).tempdir_in(durable::parent(path));
    // A rename replaces an empty folder.
    match empty {
        Ok(empty) if fs_err::rename(path, empty.path()).is_ok() => empty.keep(),
        _ => path.to_owned(),
    }
}

fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(durable::TEMPORARY))
}

fn remove_all(path: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            make_writable(path);
            gone(fs_err::remove_dir_all(path))
        }
        other => gone(other),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Lets us remove what is in our own read-only folders. Errors show when the removal is tried again.
fn make_writable(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let _ = durable::set_mode(&folder, 0o700);
        let Ok(entries) = fs_err::read_dir(&folder) else { continue };
        let inner = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.extend(inner.map(|entry| entry.path()));
    }
}

/// Removes what a crash left unfinished in a folder (temporary folders and files of ours) and tells how many there
/// were. To be called before anything else works in that folder.
pub fn sweep(folder: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        if !is_temporary(&entry.path()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove_all(&entry.path())?;
        } else {
            fs_err::remove_file(entry.path())?;
        }
        removed += 1;
    }
    Ok(removed)
}
