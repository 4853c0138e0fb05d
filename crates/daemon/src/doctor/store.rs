//! The store: reachable, readable, and what it says about each app.

use std::path::PathBuf;

use api::doctor::Check;
use model::app::{App, Mode};
use model::settings::AppSettings;
use package::store::{LocalStore, StoreProblem};

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "store";

struct Facts {
    apps: Vec<OfApp>,
}

/// What the store says about an app: the version that should run, if it names one.
struct OfApp {
    app: String,
    automatic: bool,
    current: Result<Option<String>, StoreProblem>,
}

pub(super) fn check(scene: &Scene) -> Check {
    let default = AppSettings::default();
    let mut apps: Vec<OfApp> = scene.settings().map(|(app, settings)| of_app(scene, app, settings)).collect();
    let without_version = scene.apps.iter().filter(|app| app.versions.is_empty());
    apps.extend(without_version.map(|app| of_app(scene, app, &default)));
    judge(&Facts { apps })
}

fn of_app(scene: &Scene, app: &App, settings: &AppSettings) -> OfApp {
    let host = &scene.site.settings;
    let root: PathBuf =
        settings.store.clone().or_else(|| host.store.clone()).unwrap_or_else(|| scene.site.paths.store());
    let env = settings.env.as_deref().unwrap_or(&host.env);
    OfApp {
        app: app.name.to_string(),
        automatic: app.mode == Mode::Automatic,
        current: current(&LocalStore::new(root), app, env),
    }
}

/// Reads the version file, and sees that its package is there unless it is registered already.
fn current(store: &LocalStore, app: &App, env: &str) -> Result<Option<String>, StoreProblem> {
    let Some(current) = store.current(app.name.as_str(), env)? else { return Ok(None) };
    let registered = app.versions.iter().any(|it| it.stored && it.label.as_str() == current.version);
    if !registered {
        store.open_package(app.name.as_str(), &current.version)?;
    }
    Ok(Some(current.version))
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let mut said = Vec::new();
    for OfApp { app, automatic, current } in &facts.apps {
        match current {
            Ok(Some(version)) => said.push(format!("{app} should run {version}")),
            Ok(None) => said.push(format!("nothing about {app}")),
            Err(problem) => {
                let what = format!("{app}: {}", host::chain(problem));
                match automatic {
                    true => findings.wrong(what, remedy(problem)),
                    // Nobody reads it now; it is in the way when the app shall follow the store again.
                    false => findings.advise(format!("{what} (the app is in manual mode)"), remedy(problem)),
                }
            }
        }
    }
    findings.or_fine(if said.is_empty() { "no app follows it".to_owned() } else { said.join(", ") })
}

fn remedy(problem: &StoreProblem) -> String {
    match problem {
        StoreProblem::NoStore { path } => {
            format!("mount or make {}, or name another folder: store = \"…\" in config.toml", path.display())
        }
        StoreProblem::Unreadable { path, .. } => {
            format!("see that bellrockd's user may read {}", path.display())
        }
        StoreProblem::HalfWritten { path, .. } | StoreProblem::NotUnderstood { path, .. } => format!(
            "write {} again: to a file beside it, then mv it into its place, so that it is never seen half-written",
            path.display()
        ),
        StoreProblem::NoPackage { path } => {
            format!("put the package there before the version file names it: {}", path.display())
        }
        StoreProblem::Name { .. } => "correct the name: it becomes part of a path".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(automatic: bool, current: Result<Option<String>, StoreProblem>) -> Check {
        judge(&Facts { apps: vec![OfApp { app: "beacon".into(), automatic, current }] })
    }

    fn read(current_json: Option<&str>) -> Result<Option<String>, StoreProblem> {
        let folder = tempfile::tempdir().unwrap();
        let app = App::new("beacon".parse().unwrap());
        if let Some(text) = current_json {
            let path = folder.path().join("versions/beacon/production");
            fs_err::create_dir_all(&path).unwrap();
            fs_err::write(path.join("current.json"), text).unwrap();
        }
        current(&LocalStore::new(folder.path()), &app, "production")
    }

    #[test]
    fn every_problem_names_its_path_and_a_remedy() {
        let missing = LocalStore::new("/no/such/store").current("beacon", "production").unwrap_err();
        let problems = [
            ("mount or make /no/such/store", missing),
            ("write ", read(Some("{\"version\": \"1.")).unwrap_err()),
            ("write ", read(Some("[]")).unwrap_err()),
            ("put the package there", read(Some("{\"version\": \"1.0.0\"}")).unwrap_err()),
            ("correct the name", read(Some("{\"version\": \"../1\"}")).unwrap_err()),
        ];
        for (remedy, problem) in problems {
            let check = judged(true, Err(problem));
            assert!(!check.ok && check.detail.starts_with("beacon: "), "{check:?}");
            assert!(check.remedy.as_ref().unwrap().starts_with(remedy), "{check:?}");
        }
    }

    #[test]
    fn in_manual_mode_it_is_only_worth_a_look() {
        let check = judged(false, read(Some("")));
        assert!(check.ok && check.detail.contains("manual mode") && check.remedy.is_some());
    }

    #[test]
    fn a_store_that_says_nothing_is_fine() {
        let check = judged(true, read(None));
        assert!(check.ok && check.remedy.is_none());
        assert_eq!(check.detail, "nothing about beacon");
    }
}
