//! Bellrock itself as a service of the host's init: templates with two places to be filled.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::failure::Failure;

/// An init that runs services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Init {
    Systemd,
    Openrc,
    Runit,
    Sysv,
}

impl Init {
    /// Name of its template, and of a file that overrides it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Init::Systemd => "systemd",
            Init::Openrc => "openrc",
            Init::Runit => "runit",
            Init::Sysv => "sysv",
        }
    }

    fn template(self) -> &'static str {
        match self {
            Init::Systemd => include_str!("../templates/systemd"),
            Init::Openrc => include_str!("../templates/openrc"),
            Init::Runit => include_str!("../templates/runit"),
            Init::Sysv => include_str!("../templates/sysv"),
        }
    }
}

/// The text for an init: by the operator's template in `templates` where there is one, else by ours.
pub(crate) fn text(
    init: Init,
    templates: Option<&Path>,
    bellrockd: &Path,
    root: &Path,
) -> Result<String, Failure> {
    let own = match templates.map(|folder| fs_err::read_to_string(folder.join(init.name()))) {
        None => None,
        Some(Ok(text)) => Some(text),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => None,
        Some(Err(error)) => return Err(error.into()),
    };
    let template = own.as_deref().unwrap_or_else(|| init.template());
    Ok(template.replace("{bellrockd}", plain(bellrockd)?).replace("{root}", plain(root)?))
}

/// A path that means the same to every init and shell: no two of them quote alike.
fn plain(path: &Path) -> Result<&str, Failure> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+@-".contains(c);
    match path.to_str().filter(|text| text.starts_with('/') && text.chars().all(is_plain)) {
        Some(text) => Ok(text),
        None => Err(Failure::Usage(format!(
            "{} is not absolute, or has characters that unit files would need quoted; use another path",
            path.display()
        ))),
    }
}

/// The daemon's program: beside this one.
pub(crate) fn bellrockd() -> Result<PathBuf, Failure> {
    Ok(std::env::current_exe()?.with_file_name("bellrockd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::Command;

    fn made(init: Init) -> String {
        text(init, None, Path::new("/opt/bellrock/bin/bellrockd"), Path::new("/srv/bellrock")).unwrap()
    }

    #[test]
    fn every_text_starts_this_daemon_on_this_root() {
        for init in Init::value_variants() {
            let text = made(*init);
            assert!(text.contains("/opt/bellrock/bin/bellrockd") && text.contains("/srv/bellrock"), "{text}");
            assert!(!text.contains("{bellrockd}") && !text.contains("{root}"), "{text}");
        }
    }

    #[test]
    fn systemd_leaves_the_applications_alone() {
        let text = made(Init::Systemd);
        let mut section = "";
        let mut keys = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(name) => section = name,
                None => keys.push((section, line.split_once('=').unwrap())),
            }
        }
        for wanted in [
            ("Unit", ("StartLimitIntervalSec", "0")),
            ("Service", ("KillMode", "process")),
            ("Service", ("OOMPolicy", "continue")),
            ("Service", ("Delegate", "yes")),
            ("Service", ("Restart", "always")),
            ("Service", ("ExecStart", "/opt/bellrock/bin/bellrockd --root /srv/bellrock")),
            ("Install", ("WantedBy", "multi-user.target")),
        ] {
            assert!(keys.contains(&wanted), "{wanted:?} is not in {keys:?}");
        }
    }

    #[test]
    fn scripts_are_read_by_a_shell() {
        for init in [Init::Openrc, Init::Runit, Init::Sysv] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("script");
            fs_err::write(&file, made(init)).unwrap();
            let read = Command::new("sh").arg("-n").arg(&file).output().unwrap();
            assert!(read.status.success(), "{init:?}: {read:?}");
        }
    }

    #[test]
    fn a_template_of_the_operators_wins() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("runit"), "mine: {bellrockd}").unwrap();
        let text = |init| text(init, Some(folder.path()), Path::new("/b"), Path::new("/")).unwrap();
        assert_eq!(text(Init::Runit), "mine: /b");
        assert!(text(Init::Sysv).contains("### BEGIN INIT INFO"), "the others are ours");
    }

    #[test]
    fn paths_that_would_need_quotes_are_refused() {
        for path in ["/opt/my bellrock", "relative", "/a\"b", "/a%i", "/a$b"] {
            assert!(matches!(plain(Path::new(path)), Err(Failure::Usage(_))), "{path}");
        }
    }
}
