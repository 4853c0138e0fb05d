//! `cargo xtask coverage`: the lines of the engine and of the journal that no test reaches, which may be 1 % at most.
//!
//! rustc has the code count how often each of its regions runs (`-C instrument-coverage`), and LLVM's tools make lines
//! of the counts. What rustc generates for a `derive` is not counted by it. What `source` says is no engine: test
//! code and guards that must never be reached.

mod llvm;
mod report;
mod source;
mod suites;
mod trace;

use std::path::{Path, PathBuf};
use std::{env, io};

use anyhow::{Result, bail};
use clap::Args;
use fs_err as fs;

use llvm::Llvm;
use report::Report;

/// What the tests must reach, relative to the workspace: the engine, the state machine of an app with its deployments
/// and places, and the journal.
const MUST_BE_REACHED: &[&str] = &[
    "crates/engine/src",
    "crates/model/src/app",
    "crates/model/src/autoscale.rs",
    "crates/host/src/journal",
];

/// What they may miss of it.
const MOST_UNREACHED_PERCENT: f64 = 1.0;

#[derive(Args)]
pub(crate) struct Options {
    /// All crates by all tests but the end-to-end ones: a list of files, the least reached first
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let llvm = Llvm::find(root)?;
    let folder = clean_folder(root)?;
    let tests = if options.all { suites::build_all(root)? } else { suites::build(root)? };
    suites::run(&tests, &folder)?;
    let programs: Vec<PathBuf> = tests.into_iter().map(|test| test.executable).collect();
    let of: &[&str] = if options.all { &["crates"] } else { MUST_BE_REACHED };
    let of: Vec<PathBuf> = of.iter().map(|path| root.join(path)).collect();
    let report = Report::new(root, &trace::read(&llvm.trace(&folder, &programs, &of)?))?;
    if options.all {
        print!("{}", report.least_reached_first());
        return Ok(());
    }
    print!("{report}");
    if report.unreached_percent() > MOST_UNREACHED_PERCENT {
        bail!(
            "more than {MOST_UNREACHED_PERCENT} % of the lines are reached by no test: they are listed above"
        );
    }
    Ok(())
}

/// Where the counts of this run are written; those of the last run are gone.
fn clean_folder(root: &Path) -> Result<PathBuf> {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let folder = root.join(target).join("coverage");
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => fs::create_dir_all(&folder)?,
    }
    Ok(folder)
}
