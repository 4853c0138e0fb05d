//! What folders hold on disk.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes on disk of everything below a folder, a file with several links counted once. What disappears meanwhile
/// counts as nothing.
pub fn bytes_below(folder: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs_err::symlink_metadata(&path) else { continue };
        if seen.insert((metadata.dev(), metadata.ino())) {
            bytes += metadata.blocks() * 512;
        }
        if metadata.is_dir() {
            let entries = fs_err::read_dir(&path).into_iter().flatten().flatten();
            left.extend(entries.map(|entry| entry.path()));
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let before = bytes_below(folder.path());
        fs_err::write(folder.path().join("one"), vec![1; 100_000]).unwrap();
        let with_one = bytes_below(folder.path());
        assert!(with_one >= before + 100_000);
        fs_err::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
        assert_eq!(bytes_below(folder.path()), with_one);
    }
}
