//! The settings files, and the ports of all apps together.

use std::path::Path;

use api::doctor::Check;
use model::AppName;
use model::settings::ports::overlaps;
use model::settings::{Source, load_host};

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "settings";

/// One mistake.
struct Mistake {
    what: String,
    remedy: String,
}

pub(super) fn check(scene: &Scene) -> Check {
    let paths = &scene.site.paths;
    let mut mistakes = in_files(&paths.config_file(), &paths.app_settings());
    mistakes.extend(between_apps(scene));
    judge(&mistakes)
}

fn in_files(config: &Path, apps: &Path) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let config = read(config, &mut mistakes).unwrap_or_else(|| Source::new("config.toml", ""));
    let mut named = Vec::new();
    for path in toml_files(apps, &mut mistakes) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        match stem.parse::<AppName>() {
            Ok(app) => named.extend(read(&path, &mut mistakes).map(|source| (app, source))),
            Err(error) => mistakes.push(Mistake {
                what: format!("{}: {error}", path.display()),
                remedy: "rename the file to its app's name, NAME.toml".to_owned(),
            }),
        }
    }
    if let Err(problems) = load_host(&config, &named) {
        mistakes.extend(problems.iter().map(|problem| {
            Mistake {
                what: model::settings::Problem { remedy: String::new(), ..problem.clone() }
                    .to_string()
                    .trim_end_matches("; ")
                    .to_owned(),
                remedy: problem.remedy.clone(),
            }
        }));
    }
    mistakes
}

/// A file that is not there says nothing.
fn read(path: &Path, mistakes: &mut Vec<Mistake>) -> Option<Source> {
    match fs_err::read_to_string(path) {
        Ok(text) => Some(Source::new(path.display().to_string(), text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            mistakes.push(unreadable(path, &error));
            None
        }
    }
}

fn toml_files(folder: &Path, mistakes: &mut Vec<Mistake>) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    match fs_err::read_dir(folder) {
        Ok(entries) => files.extend(
            entries
                .flatten()
                .map(|entry| entry.path())
                .filter(|path| path.extension().is_some_and(|it| it == "toml")),
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => mistakes.push(unreadable(folder, &error)),
    }
    files.sort();
    files
}

fn unreadable(path: &Path, error: &std::io::Error) -> Mistake {
    Mistake {
        what: error.to_string(),
        remedy: format!("see that bellrockd's user may read {} and that it is UTF-8 text", path.display()),
    }
}

/// Ports of registered apps: a package's own settings say some, which no file of the host has.
fn between_apps(scene: &Scene) -> Vec<Mistake> {
    let apps: Vec<_> = scene.settings().map(|(app, settings)| (&app.name, settings)).collect();
    let tell = |(app, overlap): (AppName, model::settings::ports::Overlap)| Mistake {
        what: format!("{app}.{}: {}", overlap.name, overlap.message()),
        remedy: overlap.remedy(),
    };
    overlaps(&apps).into_iter().map(tell).collect()
}

fn judge(mistakes: &[Mistake]) -> Check {
    let mut findings = Findings::new(NAME);
    for Mistake { what, remedy } in mistakes {
        findings.wrong(what, remedy);
    }
    findings.or_fine("all files can be read, and no two apps have the same ports")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs_err::create_dir(folder.path().join("apps")).unwrap();
            for (name, text) in files {
                fs_err::write(folder.path().join(name), text).unwrap();
            }
            Files(folder)
        }

        fn judged(&self) -> Check {
            judge(&in_files(&self.0.path().join("config.toml"), &self.0.path().join("apps")))
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_remedy() {
        let check = Files::new(&[("config.toml", "\npol_interval = \"5s\"\n")]).judged();
        assert!(!check.ok && check.detail.contains("config.toml:2: pol_interval"), "{check:?}");
        assert!(check.remedy.unwrap().contains("poll_interval"));
    }

    #[test]
    fn ports_of_two_apps_that_overlap() {
        let check = Files::new(&[("apps/a.toml", "port = 4000"), ("apps/b.toml", "port = 4001")]).judged();
        assert!(!check.ok && check.detail.contains("overlaps \"a\""), "{check:?}");
        assert!(check.remedy.unwrap().contains("choose"));
    }

    #[test]
    fn a_file_that_is_no_apps() {
        let check = Files::new(&[("apps/My App.toml", "")]).judged();
        assert!(!check.ok && check.remedy.unwrap().contains("rename the file"));
    }

    #[test]
    fn a_file_that_is_no_text() {
        let files = Files::new(&[]);
        fs_err::write(files.0.path().join("config.toml"), [0xff, 0xfe]).unwrap();
        let check = files.judged();
        assert!(!check.ok && check.remedy.unwrap().contains("UTF-8"));
    }

    #[test]
    fn no_files_are_fine() {
        assert!(Files::new(&[]).judged().ok);
    }
}
