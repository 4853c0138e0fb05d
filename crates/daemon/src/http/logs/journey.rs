//! Reading one instance's log line by line, through its rotations, from a chosen place on.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::rotation::{self, Stage};

/// Read at once.
const CHUNK: usize = 64 * 1024;

/// A longer line is cut.
const LONGEST_LINE: usize = 64 * 1024;

/// Where reading begins; both hold where both are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// So many lines before the end.
    pub(super) tail: Option<u32>,
    /// Nothing that was written before this time, in ms since 1970.
    pub(super) since_ms: Option<u64>,
}

/// A line and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    /// In ms since 1970, to the second; 0 where nothing tells.
    pub(super) at_ms: u64,
    /// The text without its newline.
    pub(super) text: String,
}

/// A reader of one log.
pub(super) struct Journey {
    path: PathBuf,
    /// What is still to be read, oldest first; the last one was written to when it was opened.
    ahead: VecDeque<Stage>,
    /// Where the next read begins in the first of them.
    offset: u64,
    /// The beginning of a line whose end has not been read.
    begun: Vec<u8>,
    begun_at_ms: u64,
    /// Whether the rest of a line that was cut is being skipped.
    skips: bool,
    lines: VecDeque<Written>,
    /// The file that was read last, when all of it was.
    behind: Option<u64>,
}

impl Journey {
    /// Begins to read a log, which need not be there yet.
    pub(super) fn begin(path: PathBuf, start: Start) -> Self {
        let stages = rotation::open_all(&path);
        let (first, offset) = find(&stages, start);
        let ahead = stages.into_iter().take(first + 1).rev().collect();
        Journey {
            path,
            ahead,
            offset,
            begun: Vec::new(),
            begun_at_ms: 0,
            skips: false,
            lines: VecDeque::new(),
            behind: None,
        }
    }

    /// When the next line was written; `None` when there is none at present.
    pub(super) fn peek(&mut self) -> Option<u64> {
        while self.lines.is_empty() {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    tracing::warn!(%error, path = %self.path.display(), "a log cannot be read");
                    return None;
                }
            }
        }
        self.lines.front().map(|line| line.at_ms)
    }

    /// The next line, if one has been read.
    pub(super) fn next(&mut self) -> Option<Written> {
        self.lines.pop_front()
    }

    /// The last line, when the log ends without a newline.
    pub(super) fn finish(&mut self) -> Option<Written> {
        (!self.begun.is_empty()).then(|| self.take_line())
    }

    /// Reads on. False: there is nothing more at present.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(stage) = self.ahead.front() else { return Ok(self.look_for_newer()) };
        let mut chunk = vec![0; CHUNK];
        let length = stage.file.read_at(&mut chunk, self.offset)?;
        if length > 0 {
            let at_ms = stage.written_ms(self.offset);
            let times: Vec<(usize, u64)> = line_starts(&chunk[..length])
                .map(|start| (start, stage.written_ms(self.offset + start as u64)))
                .collect();
            self.offset += length as u64;
            self.split(&chunk[..length], at_ms, &times);
            return Ok(true);
        }
        if self.ahead.len() > 1 {
            self.ahead.pop_front();
            self.offset = 0;
            return Ok(true);
        }
        self.rotated()
    }

    /// At the end of the newest file: whether another one is being written by now. What was written to this one
    /// before the rotation is read first, for the end was met before the names were looked at.
    fn rotated(&mut self) -> io::Result<bool> {
        let Some(stage) = self.ahead.front() else { return Ok(false) };
        match rotation::inode(&self.path) {
            Ok(inode) if inode == stage.inode => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(_) if stage.file.metadata()?.len() > self.offset => Ok(true),
            Ok(_) => {
                self.behind = Some(stage.inode);
                self.ahead.clear();
                Ok(self.look_for_newer())
            }
        }
    }

    fn look_for_newer(&mut self) -> bool {
        let newer = match self.behind {
            Some(inode) => rotation::open_newer(&self.path, inode),
            None => rotation::open_all(&self.path),
        };
        self.ahead = newer.into_iter().rev().collect();
        self.offset = 0;
        !self.ahead.is_empty()
    }

    fn split(&mut self, chunk: &[u8], at_ms: u64, times: &[(usize, u64)]) {
        let mut start = 0;
        let mut times = times.iter();
        if self.begun.is_empty() {
            self.begun_at_ms = at_ms;
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            start += part.len();
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.extend(end);
                    if self.skips {
                        self.skips = false;
                    } else {
                        let line = self.take_line();
                        self.lines.push_back(line);
                    }
                    self.begun_at_ms = times.find(|(at, _)| *at == start).map_or(at_ms, |(_, time)| *time);
                }
                None => self.extend(part),
            }
        }
    }

    fn extend(&mut self, part: &[u8]) {
        if self.skips {
            return;
        }
        self.begun.extend_from_slice(part);
        if self.begun.len() > LONGEST_LINE {
            self.begun.truncate(LONGEST_LINE);
            self.begun.extend_from_slice("…".as_bytes());
            let line = self.take_line();
            self.lines.push_back(line);
            self.skips = true;
        }
    }

    fn take_line(&mut self) -> Written {
        let bytes = std::mem::take(&mut self.begun);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(&bytes);
        Written { at_ms: self.begun_at_ms, text: String::from_utf8_lossy(bytes).into_owned() }
    }
}

/// Offsets behind newlines.
fn line_starts(chunk: &[u8]) -> impl Iterator<Item = usize> + '_ {
    chunk.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1)
}

/// Where to begin: which file (0 is the newest) and the offset in it.
fn find(stages: &[Stage], start: Start) -> (usize, u64) {
    let beginning = (stages.len().saturating_sub(1), 0);
    let since =
        start.since_ms.map_or(beginning, |since_ms| find_since(stages, since_ms).unwrap_or(beginning));
    let tail = start.tail.map_or(beginning, |lines| find_tail(stages, lines).unwrap_or(beginning));
    // The later of the two: a newer file, or farther in the same one.
    if (std::cmp::Reverse(since.0), since.1) > (std::cmp::Reverse(tail.0), tail.1) { since } else { tail }
}

/// What was written behind an index entry was written within this time of it: later bytes have a later entry.
const ENTRY_LASTS_MS: u64 = 1_000;

/// The last place before which everything was written before that time.
fn find_since(stages: &[Stage], since_ms: u64) -> Option<(usize, u64)> {
    for (number, stage) in stages.iter().enumerate() {
        // The clock may have been set back, so the last old entry decides, not a binary search.
        let old = stage.index.iter().rposition(|entry| entry.time_ms + ENTRY_LASTS_MS <= since_ms);
        match old {
            Some(old) => {
                return Some((number, stage.index.get(old + 1).map_or(stage.length, |next| next.offset)));
            }
            // Without an index, a file that was last changed before that time is passed over as a whole.
            None if stage.index.is_empty() && stage.changed_ms + ENTRY_LASTS_MS <= since_ms => {
                return Some((number, stage.length));
            }
            None => {}
        }
    }
    None
}

/// So many lines before the end.
fn find_tail(stages: &[Stage], lines: u32) -> Option<(usize, u64)> {
    let mut missing = u64::from(lines);
    if missing == 0 {
        return stages.first().map(|stage| (0, stage.length));
    }
    for (number, stage) in stages.iter().enumerate() {
        match nth_line_from_end(stage, missing) {
            Ok(offset) => return Some((number, offset)),
            Err(found) => missing -= found,
        }
    }
    None
}

/// Where the last `lines` lines of a file begin; or how many it has, when those are fewer.
fn nth_line_from_end(stage: &Stage, lines: u64) -> Result<u64, u64> {
    let mut found = 0;
    let mut end = stage.length;
    let mut chunk = vec![0; CHUNK];
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let part = &mut chunk[..usize::try_from(end - start).expect("a chunk is small")];
        if stage.file.read_exact_at(part, start).is_err() {
            return Err(found);
        }
        for (at, _) in part.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let behind = start + at as u64 + 1;
            // The newline at the end of the file ends the last line, it begins none.
            if behind == stage.length {
                continue;
            }
            found += 1;
            if found == lines {
                return Ok(behind);
            }
        }
        end = start;
    }
    let first_line = u64::from(stage.length > 0);
    if found + first_line == lines { Ok(0) } else { Err(found + first_line) }
}

#[cfg(test)]
mod tests;
