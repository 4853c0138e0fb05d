//! Bringing packages of a store to this host.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use host::disk::check_room;
use model::settings::{AppSettings, HostConfig};
use model::{AppName, VersionLabel};
use package::Sha256Digest;
use package::copy::copy_package;
use package::store::LocalStore;
use tempfile::TempPath;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::control::{Arrival, Control, WishError};

/// How long somebody who asks for a version waits for the store.
const PATIENCE: Duration = Duration::from_secs(300);

/// The store of an app: its own, else the host's, else the folder below our state.
pub fn store_of(control: &Control, config: &HostConfig, settings: &AppSettings) -> LocalStore {
    let root = settings.store.clone().or_else(|| config.settings.store.clone());
    LocalStore::new(root.unwrap_or_else(|| control.paths.store()))
}

/// Copies a package of a store into the uploads, leaving at least `least` bytes of the disk free. Blocks.
pub fn fetch(
    store: &LocalStore,
    app: &AppName,
    version: &str,
    expected: Option<&Sha256Digest>,
    uploads: &Path,
    least: u64,
) -> Result<TempPath, String> {
    let (from, file) = store.open_package(app.as_str(), version).map_err(|problem| host::chain(&problem))?;
    let size_bytes = file.metadata().map_err(|error| error.to_string())?.len();
    check_room(uploads, size_bytes, least).map_err(|error| host::chain(&error))?;
    let to = tempfile::Builder::new().prefix("store-").tempfile_in(uploads);
    let to = to.map_err(|error| error.to_string())?.into_temp_path();
    copy_package(&from, &to, expected, package::Limits::default().archive_bytes)
        .map_err(|error| host::chain(&error))?;
    Ok(to)
}

impl Control {
    /// The package of a version that lies in the app's store and is not registered yet, for `bellrock deploy APP VERSION`.
    ///
    /// # Errors
    /// [`WishError::Package`] when the store does not have it.
    pub async fn fetch_stored(
        &self,
        app: &AppName,
        version: &VersionLabel,
        settings: Option<String>,
    ) -> Result<Arrival, WishError> {
        let config = self.settings_files.load()?;
        let of_app = config.app_settings(app, None, None);
        let of_app = of_app.map_err(|problems| WishError::Settings(problems.to_string()))?;
        let store = store_of(self, &config, &of_app);
        let (uploads, least) = (self.paths.uploads(), self.site.settings.min_free_disk.bytes());
        let (name, label) = (app.clone(), version.clone());
        let fetching = spawn_blocking(move || fetch(&store, &name, label.as_str(), None, &uploads, least));
        let fetched = timeout(PATIENCE, fetching).await;
        let fetched = fetched.map_err(|_| WishError::Host("the store does not answer".into()))?;
        let package = fetched.map_err(|error| WishError::Host(error.to_string()))?.map_err(|problem| {
            WishError::Package(format!(
                "version {version} is not registered, and the store does not give it: {problem}"
            ))
        })?;
        let file_name = Some(format!("{app}-{version}.tar.gz"));
        Ok(Arrival { package, file_name, settings, meta: BTreeMap::new(), build_log: None })
    }
}
