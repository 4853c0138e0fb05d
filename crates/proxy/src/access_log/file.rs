//! A file that does not grow for ever: when it is full or old it becomes `.1`, that `.2`, and so on.
//!
//! Others may write to it and rotate it too: a proxy that leaves beside its successor, or a program of the operator's.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;

/// When it is rotated, and how much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// At this length; 0: never.
    pub(crate) max_bytes: u64,
    /// At this age; zero: never.
    pub(crate) max_age: Duration,
    /// Older ones that are kept.
    pub(crate) keep: u32,
}

/// An open file.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    file: fs::File,
    /// Tells it from another one that has taken its place.
    inode: u64,
    length: u64,
    since: SystemTime,
}

impl RotatedFile {
    /// Goes on with the file that is there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        options.append(true).create(true).mode(0o640);
        let file = options.open(path)?;
        let about = file.metadata()?;
        // not every file system knows it
        let since = about.created().or_else(|_| about.modified())?;
        Ok(Self { path: path.to_owned(), file, inode: about.ino(), length: about.len(), since })
    }

    /// Appends whole lines, in a new file if this one is full or old.
    pub(super) fn append(&mut self, lines: &[u8], rotation: &Rotation, now: SystemTime) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(about) if about.ino() == self.inode => self.length = about.len(),
            _ => *self = Self::open(&self.path)?,
        }
        if self.is_over(lines.len() as u64, rotation, now) {
            self.rotate(rotation.keep)?;
        }
        self.file.write_all(lines)
    }

    fn is_over(&self, more: u64, rotation: &Rotation, now: SystemTime) -> bool {
        let age = now.duration_since(self.since).unwrap_or_default();
        let full = rotation.max_bytes != 0 && self.length + more > rotation.max_bytes;
        let old = !rotation.max_age.is_zero() && age >= rotation.max_age;
        self.length > 0 && (full || old)
    }

    fn rotate(&mut self, keep: u32) -> io::Result<()> {
        let older = |number: u32| {
            let mut name = OsString::from(&self.path);
            name.push(format!(".{number}"));
            PathBuf::from(name)
        };
        if keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            for number in (1..keep).rev() {
                match fs::rename(older(number), older(number + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::rename(&self.path, older(1))?;
        }
        *self = Self::open(&self.path)?;
        self.since = SystemTime::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_rotated_when_full_or_old_and_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let rotation = Rotation { max_bytes: 10, max_age: Duration::from_secs(60), keep: 2 };
        let now = SystemTime::now();
        let mut file = RotatedFile::open(&path).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "longer than all\n", "six\n"] {
            file.append(line.as_bytes(), &rotation, now).unwrap();
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        assert_eq!(read("access.log"), "six\n");
        assert_eq!(read("access.log.1"), "longer than all\n");
        assert_eq!(read("access.log.2"), "four\nfive\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        // another writer rotates it, and goes on
        let mut other = RotatedFile::open(&path).unwrap();
        other.append(b"by another\n", &rotation, now).unwrap();
        file.append(b"!\n", &rotation, now).unwrap();
        assert_eq!((read("access.log").as_str(), read("access.log.1").as_str()), ("!\n", "by another\n"));
        file.append(b"six\n", &rotation, now).unwrap();
        assert_eq!(read("access.log"), "!\nsix\n");
        let later = SystemTime::now() + Duration::from_secs(61);
        let mut file = RotatedFile::open(&path).unwrap();
        file.append(b"seven\n", &rotation, later).unwrap();
        assert_eq!((read("access.log").as_str(), read("access.log.1").as_str()), ("seven\n", "!\nsix\n"));
    }
}
