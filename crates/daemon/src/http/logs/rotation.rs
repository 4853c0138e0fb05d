//! A log and its rotated predecessors: `{path}`, `{path}.1` (the newest of them), `{path}.2` …, each with an index.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use wire::log_index::{Entry, entries};

/// More files than any setting keeps.
const MOST_FILES: u32 = 1000;

/// Largest index that is read; a day of one entry a second has 1.4 MB.
const MOST_INDEX_BYTES: u64 = 16 << 20;

/// One file of a log, open.
#[derive(Debug)]
pub(super) struct Stage {
    /// The file.
    pub(super) file: File,
    /// What tells it from the others, whatever its name is by now.
    pub(super) inode: u64,
    /// Its length when it was opened.
    pub(super) length: u64,
    /// Its last change when it was opened, in ms since 1970.
    pub(super) changed_ms: u64,
    /// When which of its bytes were written.
    pub(super) index: Vec<Entry>,
}

impl Stage {
    /// When the line at an offset was written, to the second, as far as the index knows.
    pub(super) fn written_ms(&self, offset: u64) -> u64 {
        let before = self.index.partition_point(|entry| entry.offset <= offset);
        before.checked_sub(1).map_or(0, |last| self.index[last].time_ms)
    }
}

/// The inode of the file that is written now.
pub(super) fn inode(path: &Path) -> io::Result<u64> {
    Ok(fs_err::metadata(path)?.ino())
}

/// Every file of a log, the one that is written now first.
///
/// A rotation in the middle gives files higher numbers: one may be met twice and is left out then; none is missed
/// but the oldest, which the rotation has removed.
pub(super) fn open_all(path: &Path) -> Vec<Stage> {
    open_until(path, |_| false)
}

/// As [`open_all`], but only those that are newer than the file with an inode.
pub(super) fn open_newer(path: &Path, than: u64) -> Vec<Stage> {
    open_until(path, |inode| inode == than)
}

fn open_until(path: &Path, stop: impl Fn(u64) -> bool) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for number in 0..MOST_FILES {
        let Ok(stage) = open(&numbered(path, number), &numbered_index(path, number)) else { break };
        if stop(stage.inode) {
            break;
        }
        if !stages.iter().any(|known| known.inode == stage.inode) {
            stages.push(stage);
        }
    }
    stages
}

fn open(path: &Path, index: &Path) -> io::Result<Stage> {
    let (file, _) = fs_err::File::open(path)?.into_parts();
    let metadata = file.metadata()?;
    let length = metadata.len();
    let changed_ms = u64::try_from(metadata.mtime()).unwrap_or(0) * 1000;
    Ok(Stage { inode: metadata.ino(), index: read_index(index, length), file, length, changed_ms })
}

/// The index, as far as it fits the file: one that a rotation has just put beside another file does not.
fn read_index(path: &Path, length: u64) -> Vec<Entry> {
    let small = fs_err::metadata(path).is_ok_and(|metadata| metadata.len() <= MOST_INDEX_BYTES);
    let bytes = if small { fs_err::read(path).unwrap_or_default() } else { Vec::new() };
    let index: Vec<Entry> = entries(&bytes).collect();
    let fits =
        index.iter().all(|entry| entry.offset <= length) && index.is_sorted_by_key(|entry| entry.offset);
    if fits { index } else { Vec::new() }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    match number {
        0 => path.to_owned(),
        number => with(path, &format!(".{number}")),
    }
}

fn numbered_index(path: &Path, number: u32) -> PathBuf {
    with(&numbered(path, number), ".idx")
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
