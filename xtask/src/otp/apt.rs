//! Packages of another release of Debian than the system's, by apt with lists and a status of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result};
use fs_err as fs;

/// What signs Debian's releases.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

pub(super) enum Fetched {
    /// The `.deb` files.
    Packages(Vec<PathBuf>),
    /// Why there are none: this is no Debian, or its mirror cannot be reached.
    Not(String),
}

/// Fetches packages with all that they depend on, as if nothing was installed, into a folder below `folder`.
pub(super) fn fetch(folder: &Path, release: &str, packages: &[&str]) -> Result<Fetched> {
    let Some(mirror) = mirror() else {
        return Ok(Fetched::Not("apt has no mirror of Debian here".to_owned()));
    };
    let apt = Apt { folder: folder.join("apt") };
    if apt.folder.exists() {
        // of a try that was given up
        fs::remove_dir_all(&apt.folder)?;
    }
    apt.prepare(&mirror, release)?;
    println!("test-otp: fetching {} of Debian's {release} into {}", packages.join(", "), folder.display());
    let update = apt.get(&["update"])?;
    let install = ["install", "--yes", "--download-only"];
    let outcome = if update.status.success() { apt.get(&[&install[..], packages].concat())? } else { update };
    if !outcome.status.success() {
        return Ok(Fetched::Not(format!("Debian's {release} could not be fetched: {}", complaint(&outcome))));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(apt.folder.join("archives"))? {
        found.push(entry?.path());
    }
    found.retain(|path| path.extension() == Some(OsStr::new("deb")));
    Ok(Fetched::Packages(found))
}

/// The mirror of Debian that the system's apt uses.
fn mirror() -> Option<String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .output()
        .ok()?;
    let targets = String::from_utf8(targets.stdout).ok()?;
    find_mirror(&targets)
}

fn find_mirror(targets: &str) -> Option<String> {
    targets.lines().find(|uri| uri.trim_end_matches('/').ends_with("/debian")).map(str::to_owned)
}

/// apt in a folder of its own.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn prepare(&self, mirror: &str, release: &str) -> Result<()> {
        for folder in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        fs::write(self.folder.join("status"), "")?;
        let signed_by =
            if Path::new(KEYRING).exists() { format!("[signed-by={KEYRING}] ") } else { String::new() };
        let source = format!("deb {signed_by}{mirror} {release} main\n");
        fs::write(self.folder.join("sources.list"), source)?;
        Ok(())
    }

    fn get(&self, arguments: &[&str]) -> Result<Output> {
        let own = [
            ("Dir::State", ""),
            ("Dir::State::Lists", "lists"),
            ("Dir::State::Status", "status"),
            ("Dir::Cache", ""),
            ("Dir::Cache::Archives", "archives"),
            ("Dir::Etc::SourceList", "sources.list"),
            ("Dir::Etc::SourceParts", "/dev/null"),
            ("Dir::Etc::Preferences", "/dev/null"),
            ("Dir::Etc::PreferencesParts", "/dev/null"),
        ];
        let mut command = Command::new("apt-get");
        for (option, name) in own {
            command.arg("-o").arg(format!("{option}={}", self.folder.join(name).display()));
        }
        // a mirror that cannot be reached is an error; and root's own cache is nobody else's to write to
        for option in ["APT::Update::Error-Mode=any", "APT::Sandbox::User=root", "Acquire::Languages=none"] {
            command.args(["-o", option]);
        }
        command.args(["--quiet", "--no-install-recommends"]).args(arguments).env("LC_ALL", "C.UTF-8");
        command.output().context("could not run apt-get")
    }
}

/// The first line that apt complains with.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.starts_with("E:") || line.starts_with("Err"));
    line.or(text.lines().next_back()).unwrap_or("apt-get says nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_that_of_debian_itself() {
        let targets = "http://a.example/debian-security/\nhttp://b.example/other\nhttp://c.example/debian/\n";
        assert_eq!(find_mirror(targets).as_deref(), Some("http://c.example/debian/"));
        assert_eq!(find_mirror("http://a.example/ubuntu/\n"), None);
    }
}
