//! Files that the proxy gives where an instance says 404: hard links to those of the versions, in folders below
//! `assets/` that hold nothing else.
//!
//! They are links for two reasons. The proxy may run as a user who must not see the packages' other files. And a version
//! may be removed while its pages are still open: its files stay as long as they are linked here.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use model::app::{AssetsOf, AssetsRoute};
use model::{AppName, EffectId};
use package::Sha256Digest;
use package::tree::{StaticFiles, remove_tree, share_static_files};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::paths::Paths;

/// The folders of all apps.
#[derive(Debug)]
pub(crate) struct AssetFolders {
    paths: Paths,
    /// What each app's newest route wants; held while folders are made or removed.
    wanted: Mutex<HashMap<AppName, (EffectId, Vec<PathBuf>)>>,
}

/// Where a version's files lie. The name follows from all that decides which files these are, so that what is there is
/// never something else.
pub(crate) fn folder(paths: &Paths, app: &AppName, route: &AssetsRoute, of: &AssetsOf) -> PathBuf {
    let prefixes = route.prefixes.join("\n");
    let name = Sha256Digest::of(format!("{}\n{}\n{prefixes}", of.digest, route.folder).as_bytes());
    paths.assets(app).join(&name.to_string()[..32])
}

impl AssetFolders {
    pub(crate) fn new(paths: Paths) -> Self {
        AssetFolders { paths, wanted: Mutex::default() }
    }

    /// Makes what a route wants and is not there. What cannot be made is told and not given: a route is worth more than
    /// these files.
    pub(crate) async fn make(&self, app: &AppName, effect: EffectId, route: Option<&AssetsRoute>) {
        let mut wanted = self.wanted.lock().await;
        if wanted.get(app).is_some_and(|(newest, _)| *newest > effect) {
            return;
        }
        let Some(route) = route else {
            wanted.insert(app.clone(), (effect, Vec::new()));
            return;
        };
        let folders = route.versions.iter().map(|of| folder(&self.paths, app, route, of)).collect();
        wanted.insert(app.clone(), (effect, folders));
        let (paths, app, route) = (self.paths.clone(), app.clone(), route.clone());
        // Nothing is to be done about a thread that panicked: what it made is whole or not there.
        let _ = spawn_blocking(move || make_all(&paths, &app, &route)).await;
    }

    /// Removes what the newest route of an app does not want, once the proxy serves by it.
    pub(crate) async fn tidy(&self, app: &AppName, effect: EffectId) {
        let wanted = self.wanted.lock().await;
        let Some((_, folders)) = wanted.get(app).filter(|(newest, _)| *newest == effect) else { return };
        let (all, folders) = (self.paths.assets(app), folders.clone());
        let _ = spawn_blocking(move || remove_others(&all, &folders)).await;
    }
}

fn make_all(paths: &Paths, app: &AppName, route: &AssetsRoute) {
    let files = StaticFiles { folder: route.folder.clone(), prefixes: route.prefixes.clone() };
    for of in &route.versions {
        let dest = folder(paths, app, route, of);
        if dest.is_dir() {
            continue;
        }
        if let Err(why) = make_one(paths, app, &files, of, &dest) {
            warn!(
                app = app.as_str(),
                version = of.label.as_str(),
                why,
                "the assets of a version are not given by the proxy"
            );
        }
    }
}

fn make_one(
    paths: &Paths,
    app: &AppName,
    files: &StaticFiles,
    of: &AssetsOf,
    dest: &Path,
) -> Result<(), String> {
    let all = paths.assets(app);
    // The proxy's user must get through, and nobody need see what there is.
    fs_err::create_dir_all(&all)
        .and_then(|()| fs_err::set_permissions(&all, std::fs::Permissions::from_mode(0o711)))
        .map_err(|error| error.to_string())?;
    let package = of.digest.parse().map_err(|error| crate::chain(&error))?;
    let shared = share_static_files(&paths.version(app, &of.label), &package, files, dest);
    shared.map(drop).map_err(|error| crate::chain(&error))
}

fn remove_others(all: &Path, wanted: &[PathBuf]) {
    let Ok(entries) = fs_err::read_dir(all) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| !wanted.contains(path)) {
        if let Err(error) = remove_tree(&path) {
            warn!(path = %path.display(), %error, "could not remove assets that nobody asks for any more");
        }
    }
    if wanted.is_empty() {
        // Left where something could not be removed.
        let _ = fs_err::remove_dir(all);
    }
}
