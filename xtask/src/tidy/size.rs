//! A file is one noun of the trade: a long one holds several.

use super::{Problem, Source};

const MAX_LINES: usize = 600;

/// Files that must be longer, each with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

pub(super) fn check(source: &Source) -> Option<Problem> {
    let lines = source.text.lines().count();
    (lines > MAX_LINES && !is_exception(source))
        .then(|| Problem::new(&source.path, format!("has {lines} lines, {MAX_LINES} are allowed: split it")))
}

/// An exception that is not needed any more must go.
pub(super) fn check_exceptions(sources: &[Source]) -> Vec<Problem> {
    unneeded(EXCEPTIONS, sources)
}

fn unneeded(exceptions: &[(&str, &str)], sources: &[Source]) -> Vec<Problem> {
    let is_long = |path: &str| {
        sources
            .iter()
            .any(|source| source.path.as_os_str() == path && source.text.lines().count() > MAX_LINES)
    };
    exceptions
        .iter()
        .filter(|(path, _)| !is_long(path))
        .map(|(path, _)| Problem::new(*path, "needs no exception in xtask/src/tidy/size.rs any more"))
        .collect()
}

fn is_exception(source: &Source) -> bool {
    EXCEPTIONS.iter().any(|(path, _)| source.path.as_os_str() == *path)
}

#[cfg(test)]
mod tests {
    use super::super::source_of;
    use super::*;

    #[test]
    fn tells_the_first_line_too_many() {
        assert_eq!(check(&source_of("a.rs", "x\n".repeat(600))), None);
        let problem = check(&source_of("a.rs", "x\n".repeat(601))).unwrap();
        assert!(problem.text.contains("601"), "{}", problem.text);
    }

    #[test]
    fn tells_exceptions_that_are_not_needed() {
        let sources = [source_of("long.rs", "x\n".repeat(601)), source_of("short.rs", "x\n")];
        let exceptions = [("long.rs", "a table"), ("short.rs", "was long"), ("gone.rs", "was there")];
        let paths: Vec<_> = unneeded(&exceptions, &sources).into_iter().map(|problem| problem.file).collect();
        assert_eq!(paths, [std::path::Path::new("short.rs"), std::path::Path::new("gone.rs")]);
    }
}
