//! The end of a log, for people who want to know why.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes that are looked at.
const MOST_BYTES: u64 = 8 << 10;

/// Lines that are shown.
const MOST_LINES: usize = 15;

/// Characters of a line that are shown.
const MOST_CHARACTERS: usize = 240;

/// The last lines of an instance's two logs, standard error last; `None` when both are empty.
pub fn of_instance(stdout: &Path, stderr: &Path) -> Option<String> {
    let both: Vec<String> = [stdout, stderr].into_iter().filter_map(read).collect();
    (!both.is_empty()).then(|| both.join("\n"))
}

/// The last lines of a log; `None` when there is none or it is empty.
pub fn read(path: &Path) -> Option<String> {
    let mut file = fs_err::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let start = length.saturating_sub(MOST_BYTES);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    last_lines(&String::from_utf8_lossy(&bytes), start > 0)
}

/// The end of a log as its writer left it, whatever rotation did to it; `true` when it is not the whole log. Empty
/// when there is none.
///
/// # Errors
/// When a file of it cannot be read.
pub fn end_of(path: &Path, most_bytes: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut left = most_bytes;
    for number in 0.. {
        let mut name = path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        let mut file = match fs_err::File::open(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        if length > 0 && left == 0 {
            return Ok((joined(pieces), true));
        }
        let start = length.saturating_sub(left);
        file.seek(SeekFrom::Start(start))?;
        let mut piece = Vec::new();
        file.take(length - start).read_to_end(&mut piece)?;
        left -= piece.len() as u64;
        pieces.push(piece);
        if start > 0 {
            return Ok((joined(pieces), true));
        }
    }
    Ok((joined(pieces), false))
}

/// The newest piece comes first.
fn joined(pieces: Vec<Vec<u8>>) -> Vec<u8> {
    pieces.into_iter().rev().flatten().collect()
}

/// The last lines of a text whose first line may be cut.
pub fn last_lines(text: &str, first_is_cut: bool) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    if first_is_cut && lines.len() > 1 {
        lines.remove(0);
    }
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    let from = lines.len().saturating_sub(MOST_LINES);
    let tail: Vec<String> = lines[from..].iter().map(|line| shortened(line)).collect();
    (!tail.is_empty()).then(|| tail.join("\n"))
}

/// Erlang prints whole terms on one line; their beginning tells what happened.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_rotated_log_is_one_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e1-stdout.log");
        let end = |most| end_of(&path, most).unwrap();
        assert_eq!(end(10), (Vec::new(), false), "there is none");
        fs_err::write(&path, "three\n").unwrap();
        fs_err::write(folder.path().join("e1-stdout.log.1"), "two\n").unwrap();
        fs_err::write(folder.path().join("e1-stdout.log.2"), "one\n").unwrap();
        assert_eq!(end(100), (b"one\ntwo\nthree\n".to_vec(), false));
        assert_eq!(end(14), (b"one\ntwo\nthree\n".to_vec(), false));
        assert_eq!(end(8), (b"o\nthree\n".to_vec(), true));
        assert_eq!(end(6), (b"three\n".to_vec(), true));
        assert_eq!(end(0), (Vec::new(), true));
    }

    #[test]
    fn only_whole_and_last_lines() {
        assert_eq!(last_lines("ut off\nwhole\nlast", true).as_deref(), Some("whole\nlast"));
        assert_eq!(last_lines("  \n", false), None);
        assert_eq!(last_lines("x\n\n", false).as_deref(), Some("x"));
        let long = "ü".repeat(MOST_CHARACTERS + 1);
        assert_eq!(last_lines(&long, false).map(|tail| tail.chars().count()), Some(MOST_CHARACTERS + 1));
        let many: String = (0..50).map(|n| format!("{n}\n")).collect();
        assert_eq!(last_lines(&many, false).map(|tail| tail.lines().count()), Some(MOST_LINES));
    }
}
