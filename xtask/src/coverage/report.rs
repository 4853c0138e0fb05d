//! What the tests reach and what they miss, for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

use super::source::{is_test, not_counted};
use super::trace::Counts;

/// How much of each file is reached.
pub(super) struct Report {
    files: Vec<File>,
}

struct File {
    /// Relative to the workspace.
    path: PathBuf,
    /// Lines that count.
    lines: usize,
    /// Those that no test reaches, with their text.
    unreached: Vec<(u64, String)>,
}

impl Report {
    /// Of counts by file, whose sources are read.
    pub(super) fn new(root: &Path, counts: &BTreeMap<PathBuf, Counts>) -> Result<Report> {
        let mut files = Vec::new();
        for (path, counts) in counts {
            let path = path.strip_prefix(root).unwrap_or(path);
            if !is_test(path) {
                files.push(File::new(path, &fs::read_to_string(root.join(path))?, counts));
            }
        }
        Ok(Report { files })
    }

    fn lines(&self) -> usize {
        self.files.iter().map(|file| file.lines).sum()
    }

    fn unreached(&self) -> usize {
        self.files.iter().map(|file| file.unreached.len()).sum()
    }

    /// Of all lines that count.
    pub(super) fn unreached_percent(&self) -> f64 {
        percent(self.unreached(), self.lines())
    }

    /// A line for each file.
    pub(super) fn least_reached_first(mut self) -> String {
        self.files.sort_by(|a, b| b.unreached_percent().total_cmp(&a.unreached_percent()));
        let mut text = String::new();
        for file in &self.files {
            let _ = writeln!(text, "{file}");
        }
        text + &self.last_line() + "\n"
    }

    fn last_line(&self) -> String {
        let (lines, unreached, percent) = (self.lines(), self.unreached(), self.unreached_percent());
        format!("coverage: lines={lines} unreached={unreached} percent={percent:.2}")
    }
}

/// Files with their figures, then each line that is not reached, then the sum.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for file in &self.files {
            writeln!(f, "{file}")?;
        }
        for file in &self.files {
            for (number, text) in &file.unreached {
                writeln!(f, "{}:{number}: {text}", file.path.display())?;
            }
        }
        writeln!(f, "{}", self.last_line())
    }
}

impl File {
    fn new(path: &Path, text: &str, counts: &Counts) -> File {
        let skipped = not_counted(text);
        let (mut lines, mut unreached) = (0, Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let Some(times) = counts.get(&number).filter(|_| !skipped.contains(&number)) else { continue };
            lines += 1;
            if *times == 0 {
                unreached.push((number, line.trim().to_owned()));
            }
        }
        File { path: path.to_owned(), lines, unreached }
    }

    fn unreached_percent(&self) -> f64 {
        percent(self.unreached.len(), self.lines)
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (missed, lines, share) = (self.unreached.len(), self.lines, self.unreached_percent());
        write!(f, "{share:6.2} % {missed:4} of {lines:4}  {}", self.path.display())
    }
}

#[allow(clippy::cast_precision_loss, reason = "there are fewer lines than that")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::super::trace;
    use super::*;

    #[test]
    fn lines_that_nothing_reaches_are_listed_and_summed() {
        let root = tempfile::tempdir().unwrap();
        let source = "fn a() {\n    b();\n}\n#[cfg(test)]\nmod tests {}\n";
        fs::write(root.path().join("a.rs"), source).unwrap();
        let path = root.path().join("a.rs");
        let record = "FN:1,a\nDA:1,7\nDA:2,0\nDA:3,7\nDA:5,0\nBRDA:1,0,0,1\nend_of_record\n";
        let tests = root.path().join("tests.rs");
        let trace = format!("SF:{}\n{record}SF:{}\nDA:1,0\nend_of_record\n", path.display(), tests.display());
        let report = Report::new(root.path(), &trace::read(&trace)).unwrap();
        let text = " 33.33 %    1 of    3  a.rs\na.rs:2: b();\ncoverage: lines=3 unreached=1 percent=33.33\n";
        assert_eq!(report.to_string(), text);
    }

    #[test]
    fn the_least_reached_file_comes_first() {
        let file = |path: &str, missed: usize| File {
            path: path.into(),
            lines: 10,
            unreached: vec![(1, String::new()); missed],
        };
        let report = Report { files: vec![file("a.rs", 1), file("b.rs", 5), file("c.rs", 0)] };
        let text = report.least_reached_first();
        let order: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
        assert_eq!(order, ["b.rs", "a.rs", "c.rs", "percent=20.00"]);
    }
}
