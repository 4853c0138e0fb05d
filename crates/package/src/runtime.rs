//! Erlang runtimes on the host, for packages that carry none (D22).

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::otp::{self, OtpRelease, OtpSource};
use crate::recognise::{CompiledWith, Facts};

/// An Erlang installation, looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// Its top: the folder that `code:root_dir()` tells.
    pub root: PathBuf,
    /// The folder with `erl`, for the app's `PATH`.
    pub bin: PathBuf,
    /// Version of ERTS.
    pub erts: String,
    /// Its OTP release; `None` for an ERTS newer than we know.
    pub otp: Option<OtpRelease>,
}

/// Why a package gets no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The package has no ERTS and the settings name no runtime.
    #[error("{release} carries no Erlang runtime and the settings name none (runtime = \"/usr/lib/erlang\")")]
    NotSet {
        /// The release's name and version.
        release: String,
    },
    /// Nothing there that is an Erlang installation.
    #[error("{path} is no Erlang runtime: {looked_for} is not there")]
    Missing {
        /// The path in the settings.
        path: PathBuf,
        /// What an installation has.
        looked_for: &'static str,
    },
    /// Several versions of ERTS below one folder.
    #[error("{path} holds several runtimes ({}): which one is meant?", found.join(", "))]
    Ambiguous {
        /// The path in the settings.
        path: PathBuf,
        /// Its `erts-*` folders.
        found: Vec<String>,
    },
    /// Older than what compiled the modules.
    #[error(
        "{release} was compiled for OTP {} or newer ({} says so); the runtime {path} is OTP {runtime}",
        needs.otp, needs.module
    )]
    TooOld {
        /// The release's name and version.
        release: String,
        /// What it needs, and which module says so.
        needs: CompiledWith,
        /// The runtime.
        path: PathBuf,
        /// Its OTP release.
        runtime: u32,
    },
    /// It could not be looked at.
    #[error("the runtime {path} could not be read")]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Runtime {
    /// Looks at a runtime: an installation's top (`/usr/lib/erlang`) or an `erts-*` folder in one.
    pub fn inspect(path: &Path) -> Result<Self, RuntimeError> {
        let missing = |looked_for| RuntimeError::Missing { path: path.to_owned(), looked_for };
        let given =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("erts-"));
        let (root, erts) = match given {
            Some(erts) => (path.parent().unwrap_or(path).to_owned(), erts.to_owned()),
            None => (path.to_owned(), only_erts(path)?),
        };
        let erts_bin = root.join(format!("erts-{erts}/bin"));
        if !is_executable(&erts_bin.join("beam.smp")) {
            return Err(missing("erts-*/bin/beam.smp"));
        }
        // The installation's own `erl` knows where it is; the one in erts-*/bin is for releases.
        let bin = [root.join("bin"), erts_bin].into_iter().find(|bin| is_executable(&bin.join("erl")));
        let bin = bin.ok_or_else(|| missing("bin/erl"))?;
        let otp = otp_release(&root, &erts);
        Ok(Self { root, bin, erts, otp })
    }

    /// Refuses a runtime that is older than what compiled the package's modules. What cannot be told (a runtime newer
    /// than we know, modules that say nothing) is accepted.
    pub fn check(&self, facts: &Facts) -> Result<(), RuntimeError> {
        let runtime = self.otp.as_ref().and_then(OtpRelease::major);
        match (&facts.compiled_with, runtime) {
            (Some(needs), Some(runtime)) if needs.otp > runtime => Err(RuntimeError::TooOld {
                release: described(facts),
                needs: needs.clone(),
                path: self.root.clone(),
                runtime,
            }),
            _ => Ok(()),
        }
    }
}

/// The runtime for a package: none when it carries its own, else the one of the settings, checked.
pub fn for_package(facts: &Facts, setting: Option<&Path>) -> Result<Option<Runtime>, RuntimeError> {
    if facts.erts.is_some() {
        return Ok(None);
    }
    let path = setting.ok_or_else(|| RuntimeError::NotSet { release: described(facts) })?;
    let runtime = Runtime::inspect(path)?;
    runtime.check(facts)?;
    Ok(Some(runtime))
}

fn described(facts: &Facts) -> String {
    format!("{} {}", facts.release_name, facts.version)
}

fn only_erts(path: &Path) -> Result<String, RuntimeError> {
    let read = |source| RuntimeError::Read { path: path.to_owned(), source };
    let missing = || RuntimeError::Missing { path: path.to_owned(), looked_for: "erts-*/bin/beam.smp" };
    let entries = match fs_err::read_dir(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(missing());
        }
        other => other.map_err(read)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(read)?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix("erts-")).map(str::to_owned));
    }
    found.sort();
    match found.len() {
        0 => Err(missing()),
        1 => Ok(found.swap_remove(0)),
        _ => Err(RuntimeError::Ambiguous { path: path.to_owned(), found }),
    }
}

/// `releases/{N}/OTP_VERSION` of the installation, when there is one; else by the version of ERTS.
fn otp_release(root: &Path, erts: &str) -> Option<OtpRelease> {
    let major = otp::of_erts(erts)?;
    let told = fs_err::read_to_string(root.join(format!("releases/{major}/OTP_VERSION"))).ok();
    let told = told.map(|text| text.trim().trim_end_matches('*').to_owned()).filter(|text| !text.is_empty());
    Some(match told {
        Some(release) => OtpRelease { release, known_from: OtpSource::OtpVersionFile },
        None => OtpRelease { release: major.to_string(), known_from: OtpSource::ErtsVersion },
    })
}

fn is_executable(path: &Path) -> bool {
    fs_err::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
