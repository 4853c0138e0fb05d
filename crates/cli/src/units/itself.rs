//! Bellrock itself as a service: what keeps the daemon running, and what ends all apps in order when the host goes down.

use std::path::{Path, PathBuf};

use super::{Init, Templates, UnitFile, plain};
use crate::failure::Failure;

/// The files of an init, the one that keeps the daemon running first.
pub(crate) fn itself(
    init: Init,
    templates: &Templates,
    bellrockd: &Path,
    root: &Path,
) -> Result<Vec<UnitFile>, Failure> {
    let values = [("bellrockd", plain(bellrockd)?), ("root", plain(root)?)];
    let file = |(path, template, executable): &(&str, &str, bool)| {
        let text = templates.filled(template, &values)?;
        Ok(UnitFile { path: (*path).to_owned(), text, executable: *executable })
    };
    files(init).iter().map(file).collect()
}

/// Path, template, whether it is a script.
fn files(init: Init) -> &'static [(&'static str, &'static str, bool)] {
    match init {
        Init::Systemd => {
            &[("bellrockd.service", "systemd", false), ("bellrock-apps.service", "systemd-apps", false)]
        }
        Init::Openrc => &[("bellrockd", "openrc", true)],
        Init::Runit => &[("bellrockd/run", "runit", true), ("bellrockd/finish", "runit-finish", true)],
        Init::Sysv => &[("bellrockd", "sysv", true)],
    }
}

/// The daemon's program: beside this one.
pub(crate) fn bellrockd() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.with_file_name("bellrockd"))
}
