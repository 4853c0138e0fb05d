//! Which crate may use which: the table of the architecture.

use super::{Crate, Problem};

/// What a crate may use of ours, and what it must never use of others.
struct Row {
    name: &'static str,
    may_use: MayUse,
    never: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum MayUse {
    These(&'static [&'static str]),
    /// Every library, but not `testkit`.
    AllLibraries,
    /// `testkit` too: a crate that exists for tests.
    Everything,
}

/// What does IO, knows a clock or makes randomness.
const IMPURE: &[&str] = &[
    "async-stream",
    "fs-err",
    "getrandom",
    "hyper",
    "libc",
    "reqwest",
    "rusqlite",
    "rustix",
    "tempfile",
    "tokio",
];
const IMPURE_OR_CLOCK: &[&str] = &[
    "async-stream",
    "fs-err",
    "getrandom",
    "hyper",
    "jiff",
    "libc",
    "reqwest",
    "rusqlite",
    "rustix",
    "tempfile",
    "tokio",
];
/// What makes a binary big, or makes it change often.
const BIG: &[&str] =
    &["anyhow", "clap", "hyper", "reqwest", "rustls", "serde", "serde_json", "tokio", "tracing"];

const TABLE: &[Row] = &[
    row("wire", &[], IMPURE_OR_CLOCK),
    row("beam", &[], IMPURE_OR_CLOCK),
    row("shim", &["wire"], BIG),
    row("proxy", &["wire"], &[]),
    row("upgrade", &["beam"], IMPURE_OR_CLOCK),
    row("package", &["beam", "upgrade"], &[]),
    // it may name a time, which arrives inside events; its clippy.toml forbids to ask for one
    row("model", &["upgrade"], IMPURE),
    row("dist", &["beam", "upgrade"], &[]),
    row("probe", &["beam", "dist"], &[]),
    row("hot", &["beam", "dist", "probe"], &[]),
    row("host", &["wire", "package", "model", "beam", "dist", "probe", "upgrade", "hot"], &[]),
    row("engine", &["model"], &["axum", "hyper", "reqwest", "rusqlite", "rustix"]),
    row("api", &["model", "upgrade"], IMPURE),
    Row { name: "daemon", may_use: MayUse::AllLibraries, never: &[] },
    row("cli", &["api", "package", "upgrade"], &[]),
    row("fleet", &[], &[]),
    // it writes the references of settings and of findings
    row("xtask", &["model", "upgrade"], &[]),
    // it writes the table that the proxy is to serve by
    row("bench-proxy", &["wire"], &[]),
    // it drives the real engine and the real journal
    row("simulator", &["engine", "host", "model"], &["reqwest", "hyper"]),
    Row { name: "testkit", may_use: MayUse::Everything, never: &[] },
    Row { name: "tests", may_use: MayUse::Everything, never: &[] },
    Row { name: "bench", may_use: MayUse::Everything, never: &[] },
];

const fn row(name: &'static str, may_use: &'static [&'static str], never: &'static [&'static str]) -> Row {
    Row { name, may_use: MayUse::These(may_use), never }
}

/// A crate that is in the table is ours.
fn is_ours(name: &str) -> bool {
    TABLE.iter().any(|row| row.name == name)
}

pub(super) fn check(each: &Crate) -> Vec<Problem> {
    let Some(row) = TABLE.iter().find(|row| row.name == each.name) else {
        return vec![problem(each, "is not in the table of xtask/src/tidy/dependencies.rs".to_owned())];
    };
    let mut problems = Vec::new();
    for (section, is_dev) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        for name in names(&each.manifest, section) {
            if let Some(text) = refusal(row, &name, is_dev) {
                problems.push(problem(each, text));
            }
        }
    }
    problems
}

fn refusal(row: &Row, dependency: &str, is_dev: bool) -> Option<String> {
    if is_ours(dependency) {
        let allowed = row.may_use.allows(dependency) || (is_dev && dependency == "testkit");
        return (!allowed).then(|| format!("{} must not use {dependency}", row.name));
    }
    // tests may read files and ask the clock
    (!is_dev && row.never.contains(&dependency)).then(|| format!("{} must never use {dependency}", row.name))
}

impl MayUse {
    fn allows(self, dependency: &str) -> bool {
        match self {
            MayUse::These(names) => names.contains(&dependency),
            MayUse::AllLibraries => dependency != "testkit",
            MayUse::Everything => true,
        }
    }
}

/// The packages that a section names, also for one target only, by their real names.
fn names(manifest: &toml::Table, section: &str) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let of_targets =
        targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    [manifest]
        .into_iter()
        .chain(of_targets)
        .filter_map(|table| table.get(section)?.as_table())
        .flat_map(|section| section.iter().map(|(key, value)| real_name(key, value)))
        .collect()
}

fn real_name(key: &str, value: &toml::Value) -> String {
    value.get("package").and_then(toml::Value::as_str).unwrap_or(key).to_owned()
}

fn problem(each: &Crate, text: String) -> Problem {
    Problem::new(&each.manifest_path, text)
}

#[cfg(test)]
mod tests {
    use super::super::crate_of;
    use super::*;

    fn texts(name: &str, manifest: &str) -> Vec<String> {
        check(&crate_of(name, manifest)).into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn what_the_table_allows_is_fine() {
        let host = "[dependencies]\nwire.workspace = true\nmodel.workspace = true\ntokio.workspace = true\n\
                    [dev-dependencies]\ntestkit.workspace = true";
        assert!(texts("host", host).is_empty());
        assert!(texts("daemon", "[dependencies]\nengine.workspace = true").is_empty());
    }

    #[test]
    fn what_it_does_not_allow_is_told() {
        assert_eq!(texts("cli", "[dependencies]\nhost.workspace = true"), ["cli must not use host"]);
        assert_eq!(
            texts("daemon", "[dependencies]\ntestkit.workspace = true"),
            ["daemon must not use testkit"]
        );
        assert_eq!(texts("shim", "[dependencies]\ntokio.workspace = true"), ["shim must never use tokio"]);
        assert_eq!(texts("model", "[build-dependencies]\nfs-err = \"3\""), ["model must never use fs-err"]);
        assert_eq!(
            texts("proxy", "[dev-dependencies]\nmodel.workspace = true"),
            ["proxy must not use model"]
        );
    }

    #[test]
    fn other_names_and_targets_hide_nothing() {
        assert_eq!(
            texts("wire", "[dependencies]\nlater = { package = \"tokio\", version = \"1\" }"),
            ["wire must never use tokio"]
        );
        assert_eq!(
            texts("beam", "[target.'cfg(unix)'.dependencies]\nwire.workspace = true"),
            ["beam must not use wire"]
        );
    }

    #[test]
    fn a_crate_must_be_in_the_table() {
        assert_eq!(texts("surprise", "").len(), 1);
    }

    #[test]
    fn tests_of_a_pure_crate_may_read_files() {
        assert!(texts("beam", "[dev-dependencies]\nfs-err.workspace = true").is_empty());
    }
}
