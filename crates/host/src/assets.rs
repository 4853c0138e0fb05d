//! Files that the proxy gives where an instance says 404: hard links to those of the versions, in folders below
//! `assets/` that hold nothing else.
//!
//! They are links for two reasons. The proxy may run as a user who must not see the packages' other files. And a version
//! may be removed while its pages are still open: its files stay as long as they are linked here.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::app::{AssetsOf, AssetsRoute};
use model::{AppName, EffectId};
use package::Sha256Digest;
use package::tree::{StaticFiles, remove_tree, share_static_files};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::warn;

use crate::paths::Paths;

/// How long a route waits for its folders to be made, or others to be removed: links take milliseconds, and a disk that
/// hangs must not keep requests from who serves.
const LONGEST: Duration = Duration::from_secs(10);

/// The folders of all apps.
#[derive(Debug)]
pub(crate) struct AssetFolders {
    paths: Paths,
    wanted: Mutex<HashMap<AppName, Wanted>>,
}

/// What an app's newest route wants; held while folders of that app are made or removed, also when nobody waits for it any
/// more.
type Wanted = Arc<tokio::sync::Mutex<Option<(EffectId, Vec<PathBuf>)>>>;

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

    fn wanted(&self, app: &AppName) -> Wanted {
        let mut wanted = self.wanted.lock().expect("nobody panics while holding it");
        wanted.entry(app.clone()).or_default().clone()
    }

    /// Makes what a route wants and is not there. What cannot be made, or not soon, is told and not given: a route is
    /// worth more than these files.
    pub(crate) async fn make(&self, app: &AppName, effect: EffectId, route: Option<&AssetsRoute>) {
        let making = async {
            let mut wanted = self.wanted(app).lock_owned().await;
            if wanted.as_ref().is_some_and(|(newest, _)| *newest > effect) {
                return;
            }
            let Some(route) = route else {
                *wanted = Some((effect, Vec::new()));
                return;
            };
            let folders = route.versions.iter().map(|of| folder(&self.paths, app, route, of)).collect();
            *wanted = Some((effect, folders));
            let (paths, app, route) = (self.paths.clone(), app.clone(), route.clone());
            let work = move || {
                make_all(&paths, &app, &route);
                drop(wanted);
            };
            // Nothing is to be done about a thread that panicked: what it made is whole or not there.
            let _ = spawn_blocking(work).await;
        };
        if timeout(LONGEST, making).await.is_err() {
            warn!(app = app.as_str(), "the assets take long to be linked: the route does not wait for them");
        }
    }

    /// Removes what the newest route of an app does not want, once the proxy serves by it.
    pub(crate) async fn tidy(&self, app: &AppName, effect: EffectId) {
        let tidying = async {
            let wanted = self.wanted(app).lock_owned().await;
            let Some((_, folders)) = wanted.as_ref().filter(|(newest, _)| *newest == effect) else { return };
            let (all, folders) = (self.paths.assets(app), folders.clone());
            let work = move || {
                remove_others(&all, &folders);
                drop(wanted);
            };
            let _ = spawn_blocking(work).await;
        };
        if timeout(LONGEST, tidying).await.is_err() {
            warn!(app = app.as_str(), "assets that nobody asks for any more take long to be removed");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_holds_up_one_apps_routes_and_not_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let folders = AssetFolders::new(Paths::new(root.path()));
        let [hangs, other]: [AppName; 2] = ["beacon", "lantern"].map(|name| name.parse().unwrap());
        let held = folders.wanted(&hangs).lock_owned().await;
        let began = Instant::now();
        folders.make(&other, EffectId(1), None).await;
        folders.tidy(&other, EffectId(1)).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        folders.make(&hangs, EffectId(2), None).await;
        assert!((LONGEST..2 * LONGEST).contains(&began.elapsed()));
        drop(held);
        folders.make(&hangs, EffectId(3), None).await;
        assert_eq!(*folders.wanted(&hangs).lock().await, Some((EffectId(3), Vec::new())));
    }
}
