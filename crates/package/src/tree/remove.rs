//! Removes trees, read-only ones too.

use std::io;
use std::path::Path;

use crate::durable;

/// Removes a folder with all that is in it; links are removed, never followed. What is not there is removed already.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = fs_err::remove_dir_all(path);
    match removed {
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
        if !entry.file_name().to_string_lossy().starts_with(durable::TEMPORARY) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            fs_err::remove_file(entry.path())?;
        }
        removed += 1;
    }
    Ok(removed)
}
