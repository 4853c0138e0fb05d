//! The tests that are run and counted.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Tests of a package that drive what must be reached.
struct Suite {
    package: &'static str,
    /// Only those of the library whose name has this in it.
    only: Option<&'static str>,
}

const SUITES: &[Suite] = &[
    Suite { package: "model", only: None },
    Suite { package: "engine", only: None },
    Suite { package: "simulator", only: None },
    Suite { package: "host", only: Some("journal::") },
];

/// A program of tests.
pub(super) struct Test {
    pub(super) executable: PathBuf,
    /// Where cargo would run it.
    folder: PathBuf,
    only: Option<&'static str>,
}

/// Builds the tests that drive what must be reached.
pub(super) fn build(root: &Path) -> Result<Vec<Test>> {
    let packages: Vec<&str> = SUITES.iter().flat_map(|suite| ["--package", suite.package]).collect();
    let built = cargo_test(root, &packages)?;
    Ok(built.into_iter().filter_map(Artifact::of_suite).collect())
}

/// Builds all tests but the end-to-end ones.
pub(super) fn build_all(root: &Path) -> Result<Vec<Test>> {
    let built = cargo_test(root, &["--workspace", "--exclude", "tests"])?;
    Ok(built.into_iter().filter_map(|artifact| artifact.test(None)).collect())
}

/// Runs tests, which write their counts into a folder.
pub(super) fn run(tests: &[Test], counts: &Path) -> Result<()> {
    for test in tests {
        let mut command = Command::new(&test.executable);
        command.arg("--quiet").args(test.only).current_dir(&test.folder);
        command.env("CARGO_MANIFEST_DIR", &test.folder);
        command.env("LLVM_PROFILE_FILE", counts.join("%p-%m.profraw"));
        // What is printed must be the lines at the end.
        command.stdout(Stdio::piped());
        let run = command.output().with_context(|| format!("could not run {}", test.executable.display()))?;
        eprint!("{}", String::from_utf8_lossy(&run.stdout));
        if !run.status.success() {
            bail!("tests failed: {}", test.executable.display());
        }
    }
    Ok(())
}

/// A line of what cargo tells of a build.
#[derive(Deserialize)]
struct Message {
    #[serde(flatten)]
    artifact: Option<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    manifest_path: PathBuf,
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Artifact {
    fn of_suite(self) -> Option<Test> {
        let folder = self.manifest_path.parent()?.file_name()?;
        let suite = SUITES.iter().find(|suite| folder == suite.package)?;
        let is_library = self.target.kind.iter().any(|kind| kind == "lib");
        if suite.only.is_some() && !is_library { None } else { self.test(suite.only) }
    }

    fn test(self, only: Option<&'static str>) -> Option<Test> {
        let folder = self.manifest_path.parent()?.to_owned();
        self.profile.test.then_some(Test { executable: self.executable?, folder, only })
    }
}

/// Builds tests whose code counts, and says what came of it.
fn cargo_test(root: &Path, packages: &[&str]) -> Result<Vec<Artifact>> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--no-run", "--locked", "--lib", "--bins", "--tests"]).args(packages);
    cargo.arg("--message-format=json-render-diagnostics").current_dir(root);
    cargo.env("RUSTC_WORKSPACE_WRAPPER", root.join("tools/instrumented-rustc.sh"));
    cargo.env("CARGO_INCREMENTAL", "0");
    // What cargo tells xtask of xtask is nothing that builds depend on, but for build scripts that watch it.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.stderr(Stdio::inherit()).output().context("could not run cargo")?;
    if !output.status.success() {
        bail!("the tests could not be built: {}", output.status);
    }
    let messages = String::from_utf8(output.stdout).context("cargo writes UTF-8")?;
    let read = |line: &str| {
        let message: Message = serde_json::from_str(line).context("cargo has told something unreadable")?;
        Ok(message.artifact)
    };
    messages.lines().map(read).filter_map(Result::transpose).collect()
}
