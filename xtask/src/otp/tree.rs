//! An OTP that runs from where it was unpacked, with the libraries of its own release.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;

/// Programs that `erl` consists of. Each is started by a script of that name, by which the others find it, too.
const PROGRAMS: [&str; 5] = ["beam.smp", "epmd", "erl_child_setup", "erlexec", "inet_gethost"];

/// ```text
/// FOLDER/root/usr/lib/…   what the packages hold
/// FOLDER/bin/…            what starts it
/// FOLDER/whole            that all of it is there
/// ```
pub(super) struct Tree {
    folder: PathBuf,
    /// `ERTS` of its folder `erts-…`.
    erts: String,
}

impl Tree {
    /// The file that is made last.
    pub(super) const WHOLE: &'static str = "whole";

    /// Unpacks packages into a folder, and makes what starts them.
    pub(super) fn unpack(folder: &Path, packages: &[PathBuf]) -> Result<()> {
        let root = folder.join("root");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        fs::create_dir_all(&root)?;
        for package in packages {
            let status = Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root).status();
            let status = status.context("could not run dpkg-deb")?;
            if !status.success() {
                bail!("dpkg-deb --extract {} ended with {status}", package.display());
            }
        }
        Self::open(folder)?.write_programs()?;
        fs::remove_dir_all(folder.join("apt"))?;
        fs::write(folder.join(Self::WHOLE), "")?;
        Ok(())
    }

    pub(super) fn open(folder: &Path) -> Result<Self> {
        let erlang = folder.join("root/usr/lib/erlang");
        let erts = only(&erlang, |name| name.strip_prefix("erts-").map(str::to_owned))?;
        Ok(Self { folder: folder.to_owned(), erts })
    }

    /// The version of ERTS.
    pub(super) fn erts(&self) -> &str {
        &self.erts
    }

    /// Where its `erl` is.
    pub(super) fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// Which OTP it says that it is.
    pub(super) fn otp(&self) -> Result<String> {
        let erl = self.programs().join("erl");
        let tell = "io:put_chars(erlang:system_info(otp_release)), halt().";
        let output = Command::new(&erl).args(["-noinput", "-eval", tell]).output();
        let output = output.with_context(|| format!("could not run {}", erl.display()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{} ended with {}: {}", erl.display(), output.status, said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Scripts that execute each program by the release's own loader: the system's C library may be older.
    fn write_programs(&self) -> Result<()> {
        let root = self.folder.join("root/usr/lib");
        let erlang = root.join("erlang");
        let is_triplet = |name: &str| name.contains("-linux-gnu").then(|| root.join(name));
        let libraries = only(&root, is_triplet)?;
        let is_loader = |name: &str| name.starts_with("ld-linux").then(|| libraries.join(name));
        let loader = only(&libraries, is_loader)?;
        let programs = self.programs();
        fs::create_dir_all(&programs)?;
        for name in PROGRAMS {
            let program = erlang.join(format!("erts-{}/bin/{name}", self.erts));
            let words = [&loader, &libraries, &program].map(|path| quoted(path));
            let [loader, libraries, program] = words;
            let line = format!("exec {loader} --inhibit-cache --library-path {libraries} {program} \"$@\"");
            write_script(&programs.join(name), &line)?;
        }
        let variables =
            format!("export ROOTDIR={} BINDIR={} EMU=beam PROGNAME=erl", quoted(&erlang), quoted(&programs));
        write_script(&programs.join("erl"), &format!("{variables}\nexec \"$BINDIR/erlexec\" \"$@\""))
    }
}

/// What `pick` makes of the one entry of a folder whose name it takes.
fn only<T>(folder: &Path, pick: impl Fn(&str) -> Option<T>) -> Result<T> {
    for entry in fs::read_dir(folder)? {
        if let Some(picked) = entry?.file_name().to_str().and_then(&pick) {
            return Ok(picked);
        }
    }
    bail!("{} has not what OTP needs: --renew fetches it anew", folder.display())
}

/// As a word for a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn write_script(path: &Path, lines: &str) -> Result<()> {
    fs::write(path, format!("#!/bin/sh\n{lines}\n"))?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_words_of_a_shell() {
        assert_eq!(quoted(Path::new("/a b/c'd")), r"'/a b/c'\''d'");
    }
}
