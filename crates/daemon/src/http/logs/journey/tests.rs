use std::io::Write;
use std::path::Path;

use wire::log_index::Entry;

use super::*;

fn write(path: &Path, text: &str) {
    fs_err::write(path, text).unwrap();
}

fn append(path: &Path, text: &str) {
    let mut file = fs_err::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn index(path: &Path, entries: &[(u64, u64)]) {
    let bytes: Vec<u8> = entries
        .iter()
        .flat_map(|(time_ms, offset)| Entry { time_ms: *time_ms, offset: *offset }.to_bytes())
        .collect();
    fs_err::write(path, bytes).unwrap();
}

/// Everything that there is to read at present.
fn read(journey: &mut Journey) -> Vec<String> {
    let mut lines = Vec::new();
    while journey.peek().is_some() {
        lines.extend(journey.next().map(|line| line.text));
    }
    lines
}

struct Logs {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Logs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Logs { path: folder.path().join("a.log"), _folder: folder }
    }

    fn numbered(&self, suffix: &str) -> PathBuf {
        format!("{}{suffix}", self.path.display()).into()
    }

    fn begin(&self, tail: Option<u32>, since_ms: Option<u64>) -> Journey {
        Journey::begin(self.path.clone(), Start { tail, since_ms })
    }

    fn rotate(&self) {
        for number in (1..9).rev() {
            for ending in ["", ".idx"] {
                let (from, to) = (format!(".{number}{ending}"), format!(".{}{ending}", number + 1));
                let _ = fs_err::rename(self.numbered(&from), self.numbered(&to));
            }
        }
        fs_err::rename(&self.path, self.numbered(".1")).unwrap();
        let _ = fs_err::rename(self.numbered(".idx"), self.numbered(".1.idx"));
    }
}

#[test]
fn a_tail_reaches_back_into_rotated_files() {
    let logs = Logs::new();
    write(&logs.numbered(".2"), "one\ntwo\n");
    write(&logs.numbered(".1"), "three\n");
    write(&logs.path, "four\nfive\nsix");
    let check = |tail| {
        let mut journey = logs.begin(Some(tail), None);
        let mut lines = read(&mut journey);
        lines.extend(journey.finish().map(|line| line.text));
        lines
    };
    let all = ["one", "two", "three", "four", "five", "six"];
    for tail in 0..=6 {
        assert_eq!(check(tail), all[6 - tail as usize..], "{tail} lines");
    }
    assert_eq!(check(100), all);
}

#[test]
fn since_is_found_by_the_index_across_files() {
    let logs = Logs::new();
    write(&logs.numbered(".1"), "one\ntwo\n");
    index(&logs.numbered(".1.idx"), &[(1_000, 0), (2_000, 4)]);
    write(&logs.path, "three\nfour\n");
    index(&logs.numbered(".idx"), &[(3_000, 0), (4_000, 6)]);
    let check = |since| read(&mut logs.begin(None, Some(since)));
    assert_eq!(check(0), ["one", "two", "three", "four"]);
    assert_eq!(check(2_500), ["two", "three", "four"], "what was written at 2.0 s may have been at 2.9 s");
    assert_eq!(check(3_500), ["three", "four"]);
    assert_eq!(check(4_999), ["four"]);
    assert!(check(5_000).is_empty());
    assert_eq!(read(&mut logs.begin(Some(1), Some(0))), ["four"], "the later of both");
}

#[test]
fn lines_know_when_they_were_written() {
    let logs = Logs::new();
    write(&logs.path, "one\ntwo\nthree\n");
    index(&logs.numbered(".idx"), &[(1_000, 0), (2_000, 4)]);
    let mut journey = logs.begin(None, None);
    let mut times = Vec::new();
    while let Some(at_ms) = journey.peek() {
        times.push((at_ms, journey.next().unwrap().text));
    }
    assert_eq!(times, [(1_000, "one".into()), (2_000, "two".into()), (2_000, "three".into())]);
}

#[test]
fn following_misses_nothing_over_rotations() {
    let logs = Logs::new();
    write(&logs.path, "one\n");
    let mut journey = logs.begin(None, None);
    assert_eq!(read(&mut journey), ["one"]);
    append(&logs.path, "tw");
    assert!(read(&mut journey).is_empty(), "the line has not ended");
    append(&logs.path, "o\n");
    assert_eq!(read(&mut journey), ["two"]);
    append(&logs.path, "three\n");
    logs.rotate();
    assert_eq!(read(&mut journey), ["three"], "written before the rotation, read after it");
    write(&logs.path, "four\n");
    logs.rotate();
    write(&logs.path, "five\n");
    logs.rotate();
    write(&logs.path, "six\n");
    assert_eq!(read(&mut journey), ["four", "five", "six"], "two files came and went between two looks");
}

#[test]
fn a_log_may_come_later() {
    let logs = Logs::new();
    let mut journey = logs.begin(Some(1), None);
    assert!(read(&mut journey).is_empty());
    write(&logs.path, "one\ntwo\n");
    assert_eq!(read(&mut journey), ["one", "two"]);
}

#[test]
fn an_endless_line_is_cut_once() {
    let logs = Logs::new();
    write(&logs.path, &format!("{}\nnext\r\n", "x".repeat(5 * LONGEST_LINE)));
    let lines = read(&mut logs.begin(None, None));
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].len(), LONGEST_LINE + "…".len());
    assert_eq!(lines[1], "next");
}
