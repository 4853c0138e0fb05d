//! Each test that docs/faults.md names exists: what users are promised there is shown by it.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Problem, Source};

/// The page with the table.
pub(super) const PAGE: &str = "docs/faults.md";

/// Tests that the page's tables name in their last column, and that are in no source.
pub(super) fn check(page: &str, sources: &[Source]) -> Vec<Problem> {
    let tests: BTreeSet<&str> = sources.iter().flat_map(|source| tests_of(&source.text)).collect();
    let mut problems = Vec::new();
    for (index, line) in page.lines().enumerate() {
        for name in named(line).filter(|name| !tests.contains(name)) {
            let text = format!("line {}: there is no test {name}", index + 1);
            problems.push(Problem::new(Path::new(PAGE), text));
        }
    }
    problems
}

/// Names in the last cell of a table's line; commands, which have spaces, are none.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let cells = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|'));
    let last = cells.and_then(|cells| cells.rsplit('|').next()).unwrap_or_default();
    last.split('`').skip(1).step_by(2).filter(|name| !name.contains(' '))
}

/// Functions below an attribute that makes them tests.
fn tests_of(text: &str) -> impl Iterator<Item = &str> {
    let below = text.split("test]\n").skip(1);
    below.filter_map(|text| {
        let line = text.lines().find(|line| !line.trim_start().starts_with("#["))?;
        let name = line.trim_start().trim_start_matches("async ").strip_prefix("fn ")?;
        name.split('(').next()
    })
}

#[cfg(test)]
mod tests {
    use super::super::source_of;
    use super::*;

    const TESTS: &str =
        "#[test]\nfn one() {}\n#[tokio::test]\n#[cfg(unix)]\nasync fn two() {}\nfn helper() {}\n";

    fn found(page: &str) -> Vec<String> {
        check(page, &[source_of("a.rs", TESTS)]).into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn tests_that_exist_are_in_order() {
        assert!(
            found("| `stop_timeout` is over | it ends | `one`, `two` (slow), `make simulate` |").is_empty()
        );
        assert!(found("text about `three`\n|---|---|\n").is_empty());
    }

    #[test]
    fn others_are_told_with_their_line() {
        assert_eq!(found("a\n| a | b | `one`, `three` |"), ["line 2: there is no test three"]);
        assert_eq!(found("| a | b | `helper` |"), ["line 1: there is no test helper"]);
    }
}
