//! Bringing packages of a store to this host.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use host::disk::{DiskError, check_room};
use model::app::{Refused, Wish};
use model::settings::{AppSettings, HostConfig};
use model::{AppName, VersionLabel};
use package::Sha256Digest;
use package::copy::{CopyError, copy_package};
use package::store::{LocalStore, StoreProblem};
use tempfile::TempPath;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::control::{Arrival, Control, WishError};

/// How long somebody who asks for a version waits for the store.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why a package could not be brought here.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store does not give it.
    #[error(transparent)]
    Store(#[from] StoreProblem),
    /// The disk has no room for it.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A file could not be handled.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

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
) -> Result<TempPath, FetchError> {
    let (from, file) = store.open_package(app.as_str(), version)?;
    check_room(uploads, file.metadata()?.len(), least)?;
    let to = tempfile::Builder::new().prefix("store-").tempfile_in(uploads)?.into_temp_path();
    copy_package(&from, &to, expected, package::Limits::default().archive_bytes)?;
    Ok(to)
}

impl Control {
    /// The package of a version that lies in the app's store and is not registered yet, for `bellrock deploy APP VERSION`.
    ///
    /// # Errors
    /// [`Refused::NoVersion`] when the store does not have it.
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
        let fetched = fetched.map_err(|error| WishError::Host(error.to_string()))?;
        let package = fetched.map_err(|error| match error {
            FetchError::Store(StoreProblem::NoPackage { .. } | StoreProblem::NoStore { .. }) => {
                match self.app(app) {
                    Ok(_) => WishError::Refused(Refused::NoVersion { version: version.clone() }),
                    Err(unknown) => unknown,
                }
            }
            other => WishError::Host(host::chain(&other)),
        })?;
        let file_name = Some(format!("{app}-{version}.tar.gz"));
        Ok(Arrival {
            package,
            file_name,
            settings,
            meta: BTreeMap::new(),
            build_log: None,
            wish: Wish::default(),
        })
    }
}
