//! No port is reserved by two apps, and no host with a path leads to two.

use std::sync::Arc;

use model::AppName;
use model::app::{App, Command};
use model::settings::AppSettings;
use model::settings::ports::overlaps;
use model::settings::routes::clashes;

/// What is wrong with the ports and routes of an app's new settings, one line for each.
pub(super) fn conflicts(apps: &[Arc<App>], app: &AppName, settings: &AppSettings) -> Vec<String> {
    let others = apps.iter().filter(|other| other.name != *app);
    let mut all: Vec<(&AppName, &AppSettings)> =
        others.flat_map(|other| reserving(other).map(|settings| (&other.name, settings))).collect();
    all.push((app, settings));
    let mine = overlaps(&all).into_iter().filter(|(name, _)| name == app);
    let ports =
        mine.map(|(name, overlap)| format!("apps.{name}: {}; {}", overlap.message(), overlap.remedy()));
    // Of apps that all say nothing the first gets the requests, as the others are told.
    let routes = clashes(&all).into_iter().filter(|(name, clash)| name == app && clash.is_explicit());
    ports
        .chain(routes.map(|(name, clash)| format!("apps.{name}: {}; {}", clash.message(), clash.remedy())))
        .collect()
}

/// The settings of a version that a command brings back as they were: others may have taken their ports meanwhile.
pub(super) fn brought_back<'a>(app: &'a App, command: &Command) -> Option<&'a AppSettings> {
    match command {
        Command::Activate { version, settings: None, .. } | Command::PinTo { version, .. } => {
            Some(&app.version_called(version)?.current().settings)
        }
        // A running deployment turns round, to what is reserved.
        Command::Rollback { .. } if app.deployment.is_none() => {
            Some(&app.revision(app.rollback_target()?)?.settings)
        }
        _ => None,
    }
}

/// The settings whose ports an app holds: of what is active, of both ends of its deployment, and of what is queued.
fn reserving(app: &App) -> impl Iterator<Item = &AppSettings> {
    let deployment = app.deployment.iter().flat_map(|it| [it.from, it.to]).flatten();
    let targets = app.active().into_iter().chain(deployment);
    let of_targets = targets.filter_map(|target| app.revision(target)).map(|revision| &revision.settings);
    of_targets.chain(app.queued.as_ref().and_then(|queued| match &queued.command {
        Command::Deploy { version, .. } => Some(&version.settings),
        Command::Activate { settings: Some(settings), .. } => Some(&**settings),
        other => app.version_called(other.version()?).map(|version| &version.current().settings),
    }))
}
