//! The settings files, and the ports of all apps together.

use api::doctor::Check;
use model::AppName;
use model::settings::Problem;
use model::settings::ports::{Overlap, overlaps};

use super::findings::Findings;
use super::scene::Scene;
use crate::settings::{SettingsError, SettingsFiles};

pub(super) const NAME: &str = "settings";

struct Facts {
    files: Result<(), SettingsError>,
    /// Ports of registered apps: a package's own settings say some, which no file of the host has.
    overlaps: Vec<(AppName, Overlap)>,
}

pub(super) fn check(scene: &Scene) -> Check {
    let apps: Vec<_> = scene.settings().map(|(app, settings)| (&app.name, settings)).collect();
    judge(&Facts { files: load(&scene.settings_files), overlaps: overlaps(&apps) })
}

fn load(files: &SettingsFiles) -> Result<(), SettingsError> {
    files.load().map(|_| ())
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    match &facts.files {
        Err(SettingsError::Problems(problems)) => {
            for problem in problems {
                findings.wrong(without_remedy(problem), &problem.remedy);
            }
        }
        Err(SettingsError::Read(why)) => findings.wrong(
            why,
            "see that bellrockd's user may read it, that it is UTF-8 text, and that files in apps/ are called NAME.toml after their app",
        ),
        Ok(()) => {}
    }
    for (app, overlap) in &facts.overlaps {
        findings.wrong(format!("{app}: {}: {}", overlap.name, overlap.message()), overlap.remedy());
    }
    findings.or_fine("all files can be read, and no two apps have the same ports")
}

/// A problem's line without its last part, which is shown apart.
fn without_remedy(problem: &Problem) -> String {
    let line = problem.to_string();
    line.strip_suffix(&format!("; {}", problem.remedy)).unwrap_or(&line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use host::Paths;
    use model::settings::AppSettings;

    fn judged(files: &[(&str, &[u8])]) -> Check {
        let root = tempfile::tempdir().unwrap();
        let paths = Paths::new(root.path());
        fs_err::create_dir_all(paths.app_settings()).unwrap();
        for (name, text) in files {
            fs_err::write(paths.app_settings().join("..").join(name), text).unwrap();
        }
        judge(&Facts { files: load(&SettingsFiles::new(&paths, None)), overlaps: vec![] })
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_remedy() {
        let check = judged(&[("config.toml", b"\npol_interval = \"5s\"\n")]);
        assert!(!check.ok && check.detail.contains("config.toml:2: pol_interval"), "{check:?}");
        let remedy = check.remedy.unwrap();
        assert!(remedy.contains("poll_interval") && !check.detail.contains(&remedy));
    }

    #[test]
    fn ports_that_overlap_in_the_files() {
        let check = judged(&[("apps/a.toml", b"port = 4000"), ("apps/b.toml", b"port = 4001")]);
        assert!(!check.ok && check.detail.contains("overlaps \"a\""), "{check:?}");
        assert!(check.remedy.unwrap().contains("choose"));
    }

    #[test]
    fn ports_that_overlap_between_registered_apps() {
        let (a, b): (AppName, AppName) = ("a".parse().unwrap(), "b".parse().unwrap());
        let settings = AppSettings::default();
        let overlaps = overlaps(&[(&a, &settings), (&b, &settings)]);
        let check = judge(&Facts { files: Ok(()), overlaps });
        assert!(!check.ok && check.detail.starts_with("b: PORT: 4000–4011 overlaps \"a\""), "{check:?}");
        assert_eq!(check.remedy.as_deref(), Some("choose 4012"));
    }

    #[test]
    fn files_that_cannot_be_read() {
        let files: [(&str, &[u8]); 2] = [("config.toml", &[0xff, 0xfe]), ("apps/My App.toml", b"")];
        for file in files {
            let check = judged(&[file]);
            assert!(!check.ok && check.remedy.unwrap().contains("UTF-8"));
        }
    }

    #[test]
    fn no_files_are_fine() {
        assert!(judged(&[]).ok);
    }
}
