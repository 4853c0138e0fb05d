//! What all checks look at.

use std::path::PathBuf;
use std::sync::Arc;

use host::journal::Journal;
use host::proxy::Proxy;
use host::site::Site;
use model::app::{App, Target};
use model::settings::AppSettings;

use crate::settings::SettingsFiles;

/// This host and its apps, for as long as the checks run.
pub(crate) struct Scene {
    /// The host.
    pub(crate) site: Arc<Site>,
    /// The journal.
    pub(crate) journal: Journal,
    /// Where the settings are.
    pub(crate) settings_files: SettingsFiles,
    /// The way to the proxy.
    pub(crate) proxy: Proxy,
    /// The program `bellrock-shim`.
    pub(crate) shim: PathBuf,
    /// The apps as they are now.
    pub(crate) apps: Vec<Arc<App>>,
}

impl Scene {
    /// Each app with the settings that hold for it; an app without a version has none.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&App, &AppSettings)> {
        self.apps.iter().filter_map(|app| Some((&**app, settings_of(app)?)))
    }

    /// Waits for something; only from the thread of a check.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::runtime::Handle::current().block_on(future)
    }
}

/// The settings of the active version, else of the newest one.
fn settings_of(app: &App) -> Option<&AppSettings> {
    let active = app.active().and_then(|target| app.revision(target));
    active
        .or_else(|| app.versions.last().map(|version| version.current()))
        .map(|revision| &*revision.settings)
}

/// What an app runs or will run again: the active version, and those of its living instances.
pub(super) fn targets(app: &App) -> Vec<Target> {
    let living = app.instances.values().filter(|instance| !instance.is_gone());
    let mut targets: Vec<Target> = living.map(|instance| instance.target).chain(app.active()).collect();
    targets.sort();
    targets.dedup();
    targets
}
