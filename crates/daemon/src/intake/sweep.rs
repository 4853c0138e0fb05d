//! Removing what belongs to no version: of packages that were refused, dropped from the queue, or caught by a crash.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::Paths;
use model::app::{App, Command, NewVersion};
use model::{AppName, VersionLabel};
use package::tree::remove_tree;
use tracing::{info, warn};

/// The package that waits in an app's queue; its version is not registered yet.
pub(super) fn queued(app: &App) -> Option<&NewVersion> {
    match &app.queued.as_ref()?.command {
        Command::Deploy { version, .. } => Some(version),
        _ => None,
    }
}

/// Removes the folders of an app that belong to none of its versions. Nothing may be taken in meanwhile.
pub(super) fn sweep(paths: &Paths, name: &AppName, app: Option<&App>) {
    // A ghost stays listed after its own files are gone.
    let stored = app.iter().flat_map(|app| app.versions.iter().filter(|version| version.stored));
    let registered = stored.map(|version| &version.label);
    let waiting = app.and_then(queued).map(|version| &version.label);
    let labels: BTreeSet<&VersionLabel> = registered.chain(waiting).collect();
    let kept: BTreeSet<PathBuf> = labels
        .into_iter()
        .flat_map(|label| [paths.version(name, label), paths.papers(name, label)])
        .collect();
    for folder in folders(&paths.versions(name)).chain(folders(&paths.all_papers(name))) {
        if kept.contains(&folder) {
            continue;
        }
        match remove_tree(&folder) {
            Ok(()) => info!(folder = %folder.display(), "removed: it belonged to no version"),
            Err(error) => {
                warn!(folder = %folder.display(), %error, "could not remove what belongs to no version");
            }
        }
    }
}

/// The same for all apps, and for folders of apps that were never registered.
pub fn sweep_all(paths: &Paths, apps: &[Arc<App>]) {
    let tops = [paths.state().join("versions"), paths.state().join("papers")];
    let found = tops.iter().flat_map(|top| folders(top)).filter_map(|folder| {
        let name = folder.file_name()?.to_str()?;
        name.parse::<AppName>().ok()
    });
    for name in found.collect::<BTreeSet<AppName>>() {
        sweep(paths, &name, apps.iter().find(|app| app.name == name).map(|app| &**app));
    }
}

/// The folders in a folder, but not those that somebody is just making or removing.
fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let own = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    own.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}
