//! One log file: appended to, rotated by size and age, with its sparse index beside it.
//!
//! Lines stay as the app wrote them. The index `{path}.idx` gets an entry at most once a second. Old files are
//! `{path}.1` (newest) … `{path}.{keep}`, their indexes `{path}.1.idx` ….

use crate::clock;
use rustix::fs::{self, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use wire::log_index::Entry;
use wire::shim::LogFile;

/// Index entries are at least this many ms apart.
const INDEX_EVERY_MS: u64 = 1_000;
/// A line that is longer than this is cut by a rotation rather than let the file grow for ever.
const LONGEST_LINE: u64 = 64 * 1024;

/// A log that knows where it is to be written.
#[derive(Default)]
pub(crate) struct Log {
    settings: LogFile,
    open: Option<Open>,
}

struct Open {
    file: OwnedFd,
    index: Option<OwnedFd>,
    size: u64,
    /// Wall time of the file's first byte.
    since_ms: u64,
    indexed_ms: u64,
    at_line_start: bool,
}

impl Log {
    /// From now on this file.
    pub(crate) fn move_to(&mut self, settings: LogFile) {
        self.settings = settings;
        self.open = None;
    }

    /// Appends some of `bytes`, at least one; without a path all are dropped.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        if self.settings.path.as_os_str().is_empty() {
            return Ok(bytes.len());
        }
        let now = clock::wall_ms();
        if self.is_too_old(now) {
            self.rotate();
        }
        let max_bytes = self.settings.max_bytes;
        let mut length = self.opened()?.room(bytes, max_bytes);
        if length == 0 {
            self.rotate();
            length = self.opened()?.room(bytes, max_bytes);
        }
        if length == 0 {
            length = bytes.len(); // could not be rotated: rather too long a file than a lost line
        }
        let written = self.opened()?.append(&bytes[..length], now);
        if written.is_err() {
            self.open = None; // the file may have been on a disk that is gone; look again
        }
        written
    }

    /// Puts a line before `chunk` that tells of a loss.
    pub(crate) fn mark_loss(&self, lost: u64, chunk: &mut Vec<u8>) {
        let newline = if self.open.as_ref().is_some_and(|open| !open.at_line_start) { "\n" } else { "" };
        let line = format!("{newline}[bellrock: {lost} bytes of output were lost here]\n");
        chunk.splice(..0, line.into_bytes());
    }

    /// Begins a new file, if this one holds anything.
    pub(crate) fn rotate(&mut self) {
        if self.opened().map_or(true, |open| open.size == 0) {
            return;
        }
        self.open = None;
        let keep = self.settings.keep;
        for suffix in ["", ".idx"] {
            let name = |number: u32| match number {
                0 => self.with(suffix),
                number => self.with(&format!(".{number}{suffix}")),
            };
            let _ = fs::unlinkat(CWD, name(keep), AtFlags::empty());
            for number in (0..keep).rev() {
                let _ = fs::rename(name(number), name(number + 1));
            }
        }
    }

    fn is_too_old(&self, now: u64) -> bool {
        let age =
            |open: &Open| open.size > 0 && now.saturating_sub(open.since_ms) >= self.settings.max_age_ms;
        self.settings.max_age_ms > 0 && self.open.as_ref().is_some_and(age)
    }

    fn with(&self, suffix: &str) -> PathBuf {
        let mut name = OsString::from(&self.settings.path);
        name.push(suffix);
        name.into()
    }

    fn opened(&mut self) -> Result<&mut Open, Errno> {
        if self.open.is_none() {
            self.open = Some(Open::new(self.with(""), self.with(".idx"))?);
        }
        self.open.as_mut().ok_or(Errno::BADF)
    }
}

impl Open {
    fn new(path: PathBuf, index: PathBuf) -> Result<Self, Errno> {
        let file = open_to_append(path)?;
        let stat = fs::fstat(&file)?;
        let regular = fs::FileType::from_raw_mode(stat.st_mode) == fs::FileType::RegularFile;
        let index = regular.then(|| open_to_append(index).ok()).flatten();
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        // A file from an earlier run is as old as its first index entry says, or else as its last change.
        let since_ms = index.as_ref().and_then(first_time).unwrap_or(stat.st_mtime as u64 * 1000);
        Ok(Self { file, index, size, since_ms, indexed_ms: 0, at_line_start: true })
    }

    /// How many of `bytes` this file still takes, ending with a line where possible; 0: rotate first.
    fn room(&self, bytes: &[u8], max_bytes: u64) -> usize {
        let end = self.size + bytes.len() as u64;
        if max_bytes == 0 || end <= max_bytes {
            return bytes.len();
        }
        let left = usize::try_from(max_bytes.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let newline = |byte: &u8| *byte == b'\n';
        if let Some(last) = bytes[..left.min(bytes.len())].iter().rposition(newline) {
            return last + 1;
        }
        if self.size == 0 {
            return bytes.len();
        }
        if self.at_line_start || self.size > max_bytes + LONGEST_LINE {
            return 0;
        }
        bytes.iter().position(newline).map_or(bytes.len(), |first| first + 1)
    }

    fn append(&mut self, bytes: &[u8], now: u64) -> Result<usize, Errno> {
        let offset = self.size;
        let length = loop {
            match rustix::io::write(&self.file, bytes) {
                Ok(0) => return Err(Errno::NOSPC),
                Ok(length) => break length,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        };
        if offset == 0 {
            self.since_ms = now;
        }
        self.size += length as u64;
        self.at_line_start = bytes[length - 1] == b'\n';
        self.add_to_index(now, offset);
        Ok(length)
    }

    /// After the write, so that an entry never points behind the file's end.
    fn add_to_index(&mut self, time_ms: u64, offset: u64) {
        if time_ms.abs_diff(self.indexed_ms) < INDEX_EVERY_MS && offset > 0 {
            return;
        }
        if let Some(index) = &self.index {
            let _ = rustix::io::write(index, &Entry { time_ms, offset }.to_bytes());
            self.indexed_ms = time_ms;
        }
    }
}

fn open_to_append(path: PathBuf) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::APPEND | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    fs::openat(CWD, path, flags, Mode::from_raw_mode(0o640))
}

fn first_time(index: &OwnedFd) -> Option<u64> {
    let mut entry = [0; wire::log_index::ENTRY];
    rustix::io::pread(index, &mut entry[..], 0).ok()?;
    wire::log_index::entries(&entry).next().map(|entry| entry.time_ms).filter(|time| *time > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of `bytes` goes into a file of this size and limit.
    fn check(size: u64, at_line_start: bool, max_bytes: u64, bytes: &str, expected: usize) {
        let file = fs::open("/dev/null", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let open = Open { file, index: None, size, since_ms: 0, indexed_ms: 0, at_line_start };
        assert_eq!(open.room(bytes.as_bytes(), max_bytes), expected, "{size} {at_line_start} {bytes:?}");
    }

    #[test]
    fn files_end_with_whole_lines_where_possible() {
        check(0, true, 0, "no limit", 8);
        check(4, true, 10, "12345\n", 6);
        check(4, true, 10, "1\n2\n345\n", 4);
        check(4, true, 10, "1234567\n", 0); // rotate first
        check(4, false, 10, "1234567\n9", 8); // the line that has begun is ended here
        check(0, true, 10, "longer than the limit", 21); // an empty file takes anything
        check(70_000, false, 10, "a line without an end", 0); // until it is too much
    }
}
