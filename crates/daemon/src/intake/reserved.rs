//! No port is reserved by two apps, and no host and path led to two.

use std::sync::Arc;

use model::AppName;
use model::app::{App, Command};
use model::settings::AppSettings;
use model::settings::ports::overlaps;
use model::settings::routes::{Clash, clashes};

/// What is wrong with the ports and routes of an app's new settings, one line for each.
pub(super) fn conflicts(apps: &[Arc<App>], app: &AppName, settings: &AppSettings) -> Vec<String> {
    let all = with_others(apps, app, settings);
    let ports = overlaps(&all).into_iter().filter(|(name, _)| name == app);
    let ports = ports.map(|(_, overlap)| (overlap.message(), overlap.remedy()));
    let routes = clashes_of(app, &all).filter(Clash::is_explicit);
    let routes = routes.map(|clash| (clash.message(), clash.remedy()));
    ports.chain(routes).map(|(message, remedy)| format!("apps.{app}: {message}; {remedy}")).collect()
}

/// What another app takes of an app's requests though neither names them, one line for each.
pub(crate) fn taken_routes(apps: &[Arc<App>], app: &App) -> Vec<String> {
    let Some(settings) = app.versions.last().map(|version| &version.current().settings) else {
        return Vec::new();
    };
    let all = with_others(apps, &app.name, settings);
    let taken = clashes_of(&app.name, &all).filter(|clash| !clash.is_explicit());
    taken.map(|clash| format!("{}; {}", clash.message(), clash.remedy())).collect()
}

/// An app's settings behind those of all others: who has something keeps it.
fn with_others<'a>(
    apps: &'a [Arc<App>],
    app: &'a AppName,
    settings: &'a AppSettings,
) -> Vec<(&'a AppName, &'a AppSettings)> {
    let others = apps.iter().filter(|other| other.name != *app);
    let others = others.flat_map(|other| reserving(other).map(|settings| (&other.name, settings)));
    others.chain([(app, settings)]).collect()
}

fn clashes_of(app: &AppName, all: &[(&AppName, &AppSettings)]) -> impl Iterator<Item = Clash> {
    clashes(all)
        .into_iter()
        .filter(|(name, _)| name == app)
        .map(|(_, clash)| clash)
        .collect::<Vec<_>>()
        .into_iter()
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

/// The settings whose ports and routes an app holds: of what is active, of both ends of its deployment, and of what is queued.
fn reserving(app: &App) -> impl Iterator<Item = &AppSettings> {
    let deployment = app.deployment.iter().flat_map(|it| [it.from, it.to]).flatten();
    let targets = app.active().into_iter().chain(deployment);
    let of_targets = targets.filter_map(|target| app.revision(target)).map(|revision| &*revision.settings);
    of_targets.chain(app.queued.as_ref().and_then(|queued| match &queued.command {
        Command::Deploy { version, .. } => Some(&version.settings),
        Command::Activate { settings: Some(settings), .. } => Some(&**settings),
        other => app.version_called(other.version()?).map(|version| &*version.current().settings),
    }))
}
