//! `cargo xtask build`: the four programs, put side by side into `target/bellrock/bin`.
//!
//! The shim is linked statically: to musl where rustc has that target (a third of the memory), else to glibc.
//! `bellrockd` finds it and the proxy beside itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use anyhow::{Context, Result, bail};
use clap::Args;
use fs_err as fs;

/// Package and program, for the host's own target.
const PROGRAMS: [(&str, &str); 3] =
    [("cli", "bellrock"), ("daemon", "bellrockd"), ("proxy", "bellrock-proxy")];
const SHIM: (&str, &str) = ("shim", "bellrock-shim");
/// Package and program that sends the demo's load; nothing that an operator needs.
const LOAD: (&str, &str) = ("testkit", "bellrock-load");

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Optimised, as for a real host
    #[arg(long)]
    pub(crate) release: bool,
}

impl Options {
    fn profile(&self) -> &'static str {
        if self.release { "release" } else { "debug" }
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let target = target_dir(root);
    let shelf = shelf(root);
    fs::create_dir_all(&shelf)?;
    // The shim for the host's own target too: tests find it beside the others.
    let own = cargo(root, options, &[PROGRAMS[0].0, PROGRAMS[1].0, PROGRAMS[2].0, SHIM.0], None)?;
    for (_, program) in PROGRAMS {
        put(&target.join(&own).join(program), &shelf)?;
    }
    let triple = static_target(root)?;
    let built = cargo(root, options, &[SHIM.0], Some(&triple))?;
    put(&target.join(built).join(SHIM.1), &shelf)?;
    println!(
        "build: bellrock, bellrockd, bellrock-proxy and bellrock-shim ({triple}) are in {}",
        shelf.display()
    );
    Ok(())
}

/// The load generator: that of a folder of programs, else one built for it.
pub(crate) fn load_generator(root: &Path, programs: &Path) -> Result<PathBuf> {
    let there = programs.join(LOAD.1);
    if there.is_file() {
        return Ok(there);
    }
    let built = cargo(root, &Options::default(), &[LOAD.0], None)?;
    Ok(target_dir(root).join(built).join(LOAD.1))
}

/// Where the programs lie after a build.
pub(crate) fn shelf(root: &Path) -> PathBuf {
    target_dir(root).join("bellrock/bin")
}

/// `$CARGO_TARGET_DIR`, or `target` of the workspace.
fn target_dir(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}

/// Builds packages, and says where below the target folder their programs are.
fn cargo(root: &Path, options: &Options, packages: &[&str], triple: Option<&str>) -> Result<PathBuf> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["build", "--locked"]).current_dir(root);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    if options.release {
        command.arg("--release");
    }
    if let Some(triple) = triple {
        command.args(["--target", triple]);
    }
    if triple.is_some_and(|triple| triple.ends_with("gnu")) {
        command.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    let status = command.status().context("could not run cargo")?;
    if !status.success() {
        bail!("cargo build of {} failed: {status}", packages.join(", "));
    }
    Ok(triple.map_or_else(PathBuf::new, PathBuf::from).join(options.profile()))
}

/// A target that links statically and that rustc has the standard library of.
fn static_target(root: &Path) -> Result<String> {
    let sysroot = rustc(root, &["--print", "sysroot"])?;
    let musl = format!("{}-unknown-linux-musl", env::consts::ARCH);
    if Path::new(sysroot.trim()).join("lib/rustlib").join(&musl).join("lib").is_dir() {
        return Ok(musl);
    }
    Ok(format!("{}-unknown-linux-gnu", env::consts::ARCH))
}

fn rustc(root: &Path, args: &[&str]) -> Result<String> {
    let program = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output =
        Command::new(program).args(args).current_dir(root).output().context("could not run rustc")?;
    if !output.status.success() {
        bail!("rustc {} failed: {}", args.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Replaces a program by rename: one that runs keeps its file.
fn put(built: &Path, shelf: &Path) -> Result<()> {
    let name = built.file_name().context("a program has a name")?;
    let unfinished = shelf.join(format!(".{}.new", name.to_string_lossy()));
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    fs::copy(built, &unfinished)?;
    fs::rename(unfinished, shelf.join(name))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = folder.path().join("bin");
        fs::create_dir(&shelf).unwrap();
        let built = folder.path().join("bellrock");
        for text in ["one", "two"] {
            fs::write(&built, text).unwrap();
            put(&built, &shelf).unwrap();
            assert_eq!(fs::read_to_string(shelf.join("bellrock")).unwrap(), text);
        }
        assert_eq!(fs::read_dir(&shelf).unwrap().count(), 1, "nothing unfinished is left");
    }
}
