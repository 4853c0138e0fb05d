//! The end of a log, for people who want to know why.

use std::io::{Read, Seek, SeekFrom};
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
