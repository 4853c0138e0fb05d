//! What of a source is not counted. rustfmt has laid it out (CI checks that), so an item's lines follow from how far
//! they are indented.

use std::collections::BTreeSet;
use std::path::Path;

/// Whether all of a file is test code: a module `tests`, or what lies below one.
pub(super) fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

/// Lines, by number from 1, that are no part of what must be reached: items of `#[cfg(test)]`, and guards that say by
/// `unreachable!` that nothing can lead there.
pub(super) fn not_counted(text: &str) -> BTreeSet<u64> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = BTreeSet::new();
    let mut next = 0;
    while let Some(line) = lines.get(next) {
        let rest = &lines[next..];
        let length = if line.trim() == "#[cfg(test)]" {
            length_until(rest, |end| end.ends_with(['}', ';']))
        } else if line.contains("unreachable!(") {
            if line.ends_with('(') { length_until(rest, |end| end.starts_with(')')) } else { 1 }
        } else {
            next += 1;
            continue;
        };
        found.extend((1..).skip(next).take(length));
        next += length;
    }
    found
}

/// How many lines there are up to the first after the first that is indented like it and ends it.
fn length_until(lines: &[&str], ends: impl Fn(&str) -> bool) -> usize {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let end = lines.iter().skip(1).position(|line| depth(line) == depth(lines[0]) && ends(line.trim()));
    end.map_or(lines.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_told_apart_by_its_place() {
        assert!(is_test(Path::new("crates/host/src/journal/tests.rs")));
        assert!(is_test(Path::new("crates/host/src/journal/tests/torn.rs")));
        assert!(!is_test(Path::new("crates/host/src/journal/testimony.rs")));
    }

    #[test]
    fn test_items_and_guards_are_not_counted() {
        let text = "\
fn a() {
    match b() {
        1 => unreachable!(\"one line\"),
        2 => unreachable!(
            \"three lines\"
        ),
        _ => c(),
    }
}

#[cfg(test)]
mod named;

#[cfg(test)]
#[allow(dead_code, reason = \"an example\")]
fn helper(
    a: u8,
) -> u8 {
    a
}

fn counted() {}

#[cfg(test)]
mod tests {
    fn b() {}
}
";
        let expected: BTreeSet<u64> =
            [3, 4, 5, 6].into_iter().chain(11..=12).chain(14..=20).chain(24..=27).collect();
        assert_eq!(not_counted(text), expected);
    }
}
