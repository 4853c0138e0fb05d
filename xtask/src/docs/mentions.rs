//! References written by hand mention every name that the code has.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

/// A page, the code it describes, and how names are found in that code.
struct Pair {
    page: &'static str,
    code: &'static [&'static str],
    names: fn(&str) -> Vec<String>,
}

const PAIRS: [Pair; 2] = [
    Pair {
        page: "docs/reference/environment.md",
        code: &["crates/host/src/environment.rs", "crates/shim/src/crash_dump.rs"],
        names: variables,
    },
    Pair { page: "docs/reference/files.md", code: &["crates/host/src/paths.rs"], names: path_parts },
];

pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for pair in &PAIRS {
        let page = fs::read_to_string(root.join(pair.page))?;
        for code in pair.code {
            let text = fs::read_to_string(root.join(code))?;
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for name in (pair.names)(text).into_iter().filter(|name| !page.contains(name.as_str())) {
                problems.push(format!("{}: does not mention {name}, which {code} has", pair.page));
            }
        }
    }
    Ok(problems)
}

/// Names of environment variables: quoted texts in capitals.
fn variables(code: &str) -> Vec<String> {
    let is_name = |text: &&str| {
        text.len() > 2 && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    quoted(code).filter(is_name).map(str::to_owned).collect()
}

/// Parts of paths: what is joined to another path, without what is filled in.
fn path_parts(code: &str) -> Vec<String> {
    let joined = code.split(".join(").skip(1).filter_map(|rest| quoted(rest.split(')').next()?).next());
    joined.filter(|part| !part.contains('{')).map(str::to_owned).collect()
}

/// Texts in quotes; there are no escapes in the files that are read.
fn quoted(code: &str) -> impl Iterator<Item = &str> {
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split('"').skip(1).step_by(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_variables_in_code_and_not_in_comments() {
        let code = "// \"NOT_ME\"\nset(&mut e, \"HOME\", tmp);\nset(\"x\", \"B2_C\");\nlet a = \"-sname B\";";
        assert_eq!(variables(code), ["HOME", "B2_C"]);
    }

    #[test]
    fn finds_parts_of_paths() {
        let code =
            "self.root.join(\"etc/bellrock\").join(app.as_str()).join(format!(\"{a}.log\")).join(\"tmp\")";
        assert_eq!(path_parts(code), ["etc/bellrock", "tmp"]);
    }
}
