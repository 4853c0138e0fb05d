//! Room on disks.

use std::path::{Path, PathBuf};

use model::human;

/// Why something is not written to a disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// What must stay free would not.
    #[error(
        "only {} are free on the disk of {folder}, and {} have to fit beside min_free_disk = {}",
        human::bytes(*free_bytes), human::bytes(*needed_bytes), human::bytes(*least_bytes)
    )]
    NoRoom {
        /// A folder on the disk.
        folder: PathBuf,
        /// What is free now.
        free_bytes: u64,
        /// What is to be written.
        needed_bytes: u64,
        /// What must stay free (`min_free_disk`).
        least_bytes: u64,
    },
    /// The disk does not say.
    #[error("could not look at the disk of {folder}")]
    Look {
        /// A folder on the disk.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How much larger a release is than its package: `gzip` makes `.beam` files and ERTS two to three times smaller.
const UNPACKED_BY: u64 = 3;

/// What an instance's tree takes: folders and hard links, and the files that are its own.
const TREE_BYTES: u64 = 1_000_000;

/// What unpacking a package and laying out so many instances' trees will take on the disk, about.
pub fn staging_bytes(package_bytes: u64, is_unpacked: bool, trees: usize) -> u64 {
    let unpacking = if is_unpacked { 0 } else { package_bytes.saturating_mul(UNPACKED_BY) };
    let trees = u64::try_from(trees).unwrap_or(u64::MAX).saturating_mul(TREE_BYTES);
    unpacking.saturating_add(trees)
}

/// What is free on a folder's disk.
///
/// # Errors
/// [`DiskError::Look`].
pub fn free_bytes(folder: &Path) -> Result<u64, DiskError> {
    let room = rustix::fs::statvfs(folder)
        .map_err(|errno| DiskError::Look { folder: folder.to_owned(), source: errno.into() })?;
    Ok(room.f_bavail * room.f_frsize)
}

/// Sees that a folder's disk has room for so many bytes, and `least_bytes` more.
///
/// # Errors
/// [`DiskError`].
pub fn check_room(folder: &Path, needed_bytes: u64, least_bytes: u64) -> Result<(), DiskError> {
    let free_bytes = free_bytes(folder)?;
    if free_bytes >= least_bytes.saturating_add(needed_bytes) {
        return Ok(());
    }
    Err(DiskError::NoRoom { folder: folder.to_owned(), free_bytes, needed_bytes, least_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_cost_little_and_unpacking_what_was_packed() {
        assert_eq!(staging_bytes(5_000_000, true, 3), 3_000_000);
        assert_eq!(staging_bytes(5_000_000, false, 0), 15_000_000);
        assert_eq!(staging_bytes(u64::MAX, false, usize::MAX), u64::MAX);
    }

    #[test]
    fn the_refusal_names_the_setting() {
        let folder = tempfile::tempdir().unwrap();
        check_room(folder.path(), 1, 1).unwrap();
        for (needed, least) in [(1, u64::MAX), (u64::MAX, 1)] {
            let refused = check_room(folder.path(), needed, least).unwrap_err();
            assert!(refused.to_string().contains("min_free_disk = "), "{refused}");
        }
        assert!(matches!(check_room(Path::new("/no/such/folder"), 1, 1), Err(DiskError::Look { .. })));
    }
}
