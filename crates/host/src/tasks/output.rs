//! What a task wrote, byte for byte, through the rotations of its log.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::File;

/// Rotated files that are looked for: far more than a log keeps.
const MOST_FILES: usize = 1_000;

/// Reads one stream of a task from a byte on. What rotation has removed already cannot be read; positions count from
/// the oldest byte that was there when reading began.
#[derive(Debug)]
pub struct TaskOutput {
    path: PathBuf,
    /// The file that is read at present.
    file: Option<File>,
    /// Bytes that are left to be skipped.
    skip: u64,
}

impl TaskOutput {
    /// Reads the log at `path`, which need not be there yet.
    pub fn new(path: PathBuf, from: u64) -> Self {
        TaskOutput { path, file: None, skip: from }
    }

    /// The next bytes, at most so many; empty when there are none at present. Blocks.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&mut self, most: usize) -> io::Result<Vec<u8>> {
        loop {
            let Some(file) = &mut self.file else {
                match oldest(&self.path)? {
                    Some(file) => self.file = Some(file),
                    None => return Ok(Vec::new()),
                }
                continue;
            };
            // Looked for before the last read: what was written until the rotation is read first.
            let next = newer(&self.path, file)?;
            let length = file.metadata()?.len().saturating_sub(file.stream_position()?);
            let skipped = self.skip.min(length);
            file.seek(SeekFrom::Current(skipped.cast_signed()))?;
            self.skip -= skipped;
            let mut bytes = Vec::new();
            file.by_ref().take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
            match next {
                Some(next) if bytes.is_empty() => self.file = Some(next),
                _ => return Ok(bytes),
            }
        }
    }
}

/// `path` for 0, `path.1` for 1 and so on: the higher the older.
fn nth(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn oldest(path: &Path) -> io::Result<Option<File>> {
    let rotated = (1..MOST_FILES).take_while(|number| nth(path, *number).exists()).last();
    open(&nth(path, rotated.unwrap_or(0)))
}

/// The file that was begun after this one, if it was rotated away; the oldest, if it was removed.
fn newer(path: &Path, file: &File) -> io::Result<Option<File>> {
    let own = file.metadata()?;
    for number in 0..MOST_FILES {
        let Some(other) = open(&nth(path, number))? else { break };
        let other = other.metadata()?;
        if (other.dev(), other.ino()) == (own.dev(), own.ino()) {
            return if number == 0 { Ok(None) } else { open(&nth(path, number - 1)) };
        }
    }
    oldest(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::io::Write;

    struct Log(tempfile::TempDir);

    impl Log {
        fn new() -> Self {
            Log(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("t1-stdout.log")
        }

        fn write(&self, text: &str) {
            let mut file = File::options().append(true).create(true).open(self.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            for number in (0..9).rev().filter(|number| nth(&self.path(), *number).exists()) {
                fs_err::rename(nth(&self.path(), number), nth(&self.path(), number + 1)).unwrap();
            }
        }
    }

    fn all(output: &mut TaskOutput) -> String {
        let mut text = String::new();
        loop {
            let bytes = output.read(4).unwrap();
            if bytes.is_empty() {
                return text;
            }
            text += std::str::from_utf8(&bytes).unwrap();
        }
    }

    #[test]
    fn every_byte_once_whatever_rotates() {
        let log = Log::new();
        let mut output = TaskOutput::new(log.path(), 0);
        assert_eq!(all(&mut output), "", "nothing is there yet");
        log.write("one ");
        assert_eq!(all(&mut output), "one ");
        log.write("two ");
        log.rotate();
        log.write("three ");
        log.rotate();
        log.write("four");
        assert_eq!(all(&mut output), "two three four");
        assert_eq!(all(&mut output), "");
    }

    #[test]
    fn reading_goes_on_where_it_was_cut_off() {
        let log = Log::new();
        log.write("one two ");
        log.rotate();
        log.write("three");
        for (from, left) in [(4, "two three"), (8, "three"), (10, "ree"), (13, "")] {
            assert_eq!(all(&mut TaskOutput::new(log.path(), from)), left, "from {from}");
        }
    }

    #[test]
    fn what_was_removed_is_gone_and_the_rest_is_read() {
        let log = Log::new();
        let mut output = TaskOutput::new(log.path(), 0);
        log.write("one ");
        assert_eq!(all(&mut output), "one ");
        log.rotate();
        fs_err::remove_file(nth(&log.path(), 1)).unwrap();
        log.write("two");
        assert_eq!(all(&mut output), "two");
    }
}
