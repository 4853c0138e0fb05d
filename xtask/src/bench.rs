//! `cargo xtask bench NAME`: measures optimised programs, the shim linked as on a real host.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::binaries;

#[derive(Args)]
pub(crate) struct Options {
    /// Measure what was built before
    #[arg(long)]
    no_build: bool,
    /// The bench and its options; `help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    bench: Vec<String>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    if !options.no_build {
        binaries::run(root, &binaries::Options { release: true })?;
    }
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--locked", "--release", "--package", "bench", "--"])
        .args(&options.bench)
        .env("BELLROCK_PROGRAMS", binaries::shelf(root))
        .current_dir(root)
        .status()
        .context("could not run cargo")?;
    if !status.success() {
        bail!("bench {} ended with {status}", options.bench.join(" "));
    }
    Ok(())
}
