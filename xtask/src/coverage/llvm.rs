//! LLVM's tools, which know the format of the counts: it changes with LLVM's major version.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;

/// `llvm-profdata` and `llvm-cov`, of rustc's own major version.
pub(super) struct Llvm {
    bin: PathBuf,
}

impl Llvm {
    /// Those of rustup's component `llvm-tools`, else those that `tools/setup.sh coverage` has installed.
    pub(super) fn find(root: &Path) -> Result<Llvm> {
        let bins = [of_rustup(root)?, of_setup()?];
        let Some(bin) = bins.into_iter().find(|bin| bin.join("llvm-cov").is_file()) else {
            bail!("LLVM's tools are not here: `tools/setup.sh coverage` installs them");
        };
        let llvm = Llvm { bin };
        let ours = major("LLVM version: ", &output(root, "rustc".as_ref(), &["-vV"])?)?;
        let theirs = major("LLVM version ", &output(root, &llvm.bin.join("llvm-cov"), &["--version"])?)?;
        if ours != theirs {
            bail!(
                "rustc has LLVM {ours} and {} is of LLVM {theirs}, which reads other counts: \
                 `rustup component add llvm-tools`, or name a package of LLVM {ours} in tools/setup.sh",
                llvm.bin.display()
            );
        }
        Ok(llvm)
    }

    /// The counts of a folder by line, as lcov's trace file, of the sources at or below some paths.
    pub(super) fn trace(&self, folder: &Path, programs: &[PathBuf], of: &[PathBuf]) -> Result<String> {
        let merged = folder.join("merged.profdata");
        let mut merge = Command::new(self.bin.join("llvm-profdata"));
        merge.args(["merge", "--sparse", "--output"]).arg(&merged);
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "profraw") {
                merge.arg(path);
            }
        }
        said(&mut merge)?;
        let Some((first, others)) = programs.split_first() else { bail!("no tests were built") };
        let mut export = Command::new(self.bin.join("llvm-cov"));
        export.args(["export", "--format=lcov", "--skip-functions", "--skip-branches"]);
        export.arg("--instr-profile").arg(&merged).arg(first);
        for other in others {
            export.arg("--object").arg(other);
        }
        said(export.arg("--sources").args(of))
    }
}

fn of_rustup(root: &Path) -> Result<PathBuf> {
    let sysroot = output(root, "rustc".as_ref(), &["--print", "target-libdir"])?;
    Ok(Path::new(sysroot.trim()).with_file_name("bin"))
}

/// The same folder as in tools/setup.sh.
fn of_setup() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME") {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&env::var_os("HOME").context("$HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("bellrock-coverage/llvm/bin"))
}

/// The major version behind a text.
fn major(before: &str, text: &str) -> Result<u32> {
    let version = text.lines().find_map(|line| line.trim().strip_prefix(before));
    let number = version.and_then(|version| version.split('.').next()?.parse().ok());
    number.with_context(|| format!("no {before:?} with a number in {text:?}"))
}

fn output(root: &Path, program: &Path, args: &[&str]) -> Result<String> {
    said(Command::new(program).args(args).current_dir(root))
}

/// What a program says; what it complains about goes where our own complaints go.
fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("could not run {program}"))?;
    if !output.status.success() {
        bail!("{program} failed: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_major_version() {
        assert_eq!(major("LLVM version: ", "release: 1.95.0\nLLVM version: 22.1.2\n").unwrap(), 22);
        assert_eq!(major("LLVM version ", "LLVM (http://llvm.org/):\n  LLVM version 9.0.1\n").unwrap(), 9);
        assert!(major("LLVM version ", "LLVM version unknown").is_err());
    }
}
