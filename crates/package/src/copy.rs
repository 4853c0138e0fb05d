//! Copies a package into our keeping: hashed on the way, seen only when it is whole.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::digest::{HashingReader, Sha256Digest};
use crate::durable;

/// Why a package was not copied. The destination is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Not a file: a folder, a pipe, a device.
    #[error("{path} is not a file")]
    NotAFile {
        /// What was to be copied.
        path: PathBuf,
    },
    /// Larger than the limit.
    #[error("the package is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Not the package that was announced.
    #[error("the package has the digest {actual}, not {expected}")]
    DigestDiffers {
        /// The announced digest.
        expected: Sha256Digest,
        /// Its own.
        actual: Sha256Digest,
    },
    /// The source could not be read.
    #[error("the package could not be read")]
    Read(#[source] io::Error),
    /// The destination could not be written.
    #[error("the package could not be stored at {path}")]
    Write {
        /// The destination.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A package in our keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its digest.
    pub digest: Sha256Digest,
    /// Its bytes.
    pub bytes: u64,
}

/// Copies a package file to `destination` (mode 0o640), replacing what is there.
pub fn copy_package(
    source: &Path,
    destination: &Path,
    expected: Option<&Sha256Digest>,
    limit: u64,
) -> Result<Copied, CopyError> {
    // Asked before it is opened: opening a pipe waits for its writer, and a device may do anything.
    let metadata = fs_err::metadata(source).map_err(CopyError::Read)?;
    if !metadata.is_file() {
        return Err(CopyError::NotAFile { path: source.to_owned() });
    }
    let file = fs_err::File::open(source).map_err(CopyError::Read)?;
    store_package(file, destination, expected, limit)
}

/// Stores a package that comes from a reader (an upload), as [`copy_package`] does.
pub fn store_package(
    source: impl Read,
    destination: &Path,
    expected: Option<&Sha256Digest>,
    limit: u64,
) -> Result<Copied, CopyError> {
    let written = |source| CopyError::Write { path: destination.to_owned(), source };
    let mut temporary = tempfile::Builder::new()
        .prefix(durable::TEMPORARY)
        .rand_bytes(12)
        .tempfile_in(durable::parent(destination))
        .map_err(written)?;
    let mut reader = HashingReader::new(source.take(limit.saturating_add(1)));
    pour(&mut reader, temporary.as_file_mut(), &written)?;
    let (digest, bytes) = reader.finish();
    if bytes > limit {
        return Err(CopyError::TooLarge { limit });
    }
    if let Some(&expected) = expected.filter(|expected| **expected != digest) {
        return Err(CopyError::DigestDiffers { expected, actual: digest });
    }
    durable::set_mode(temporary.path(), 0o640).map_err(written)?;
    temporary.as_file().sync_all().map_err(written)?;
    temporary.persist(destination).map_err(|error| written(error.error))?;
    durable::sync_folder(durable::parent(destination)).map_err(written)?;
    Ok(Copied { digest, bytes })
}

fn pour(
    reader: &mut impl Read,
    writer: &mut impl Write,
    written: &impl Fn(io::Error) -> CopyError,
) -> Result<(), CopyError> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => writer.write_all(&buffer[..count]).map_err(written)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_is_whole_and_has_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let (source, destination) = (folder.path().join("in"), folder.path().join("out"));
        fs_err::write(&source, b"package").unwrap();
        fs_err::write(&destination, b"older").unwrap();
        let digest = Sha256Digest::of(b"package");
        let copied = copy_package(&source, &destination, Some(&digest), 7).unwrap();
        assert_eq!(copied, Copied { digest, bytes: 7 });
        assert_eq!(fs_err::read(&destination).unwrap(), b"package");
        assert_eq!(names(folder.path()), ["in", "out"]);
    }

    #[test]
    fn what_is_refused_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (source, destination) = (folder.path().join("in"), folder.path().join("out"));
        fs_err::write(&source, b"package").unwrap();
        let other = Sha256Digest::of(b"other");
        let refused = copy_package(&source, &destination, Some(&other), 100);
        assert!(matches!(refused, Err(CopyError::DigestDiffers { .. })), "{refused:?}");
        assert!(matches!(
            copy_package(&source, &destination, None, 6),
            Err(CopyError::TooLarge { limit: 6 })
        ));
        let refused = copy_package(folder.path(), &destination, None, 6);
        assert!(matches!(refused, Err(CopyError::NotAFile { .. })), "{refused:?}");
        assert!(matches!(copy_package(&destination, &source, None, 6), Err(CopyError::Read(_))));
        assert_eq!(names(folder.path()), ["in"]);
    }

    #[test]
    fn a_reader_that_breaks_leaves_nothing() {
        struct Breaks;
        impl Read for Breaks {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let destination = folder.path().join("out");
        let refused = store_package((&b"half"[..]).chain(Breaks), &destination, None, 100);
        assert!(matches!(refused, Err(CopyError::Read(_))), "{refused:?}");
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }
}
