//! The control plane's front: what the API (and the store's poller) may ask for. Reads come from snapshots and
//! the journal; wishes become events for the app's engine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use engine::{AppHandle, Unreached};
use host::Paths;
use host::journal::{Journal, JournalError};
use jiff::Timestamp;
use model::app::{App, Command, Event, NotTaken, Origin, Refused};
use model::settings::HostSettings;
use model::{AppName, DeploymentId, VersionLabel};
use tokio::sync::watch;

/// What became of a wish.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The deployment that carries it out (or waits in the queue); `None` where the wish needed none.
    pub deployment: Option<DeploymentId>,
    /// The app after it.
    pub app: Arc<App>,
}

/// Why a wish was not granted; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum WishError {
    /// No app of that name.
    #[error("there is no app {0}; bellrock status lists the apps")]
    NoApp(AppName),
    /// The model refused it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The package is not acceptable.
    #[error("{0}")]
    Package(String),
    /// The settings are not acceptable; one line for each problem.
    #[error("{0}")]
    Settings(String),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Something on this host failed.
    #[error("{0}")]
    Host(String),
}

impl From<Unreached> for WishError {
    fn from(error: Unreached) -> Self {
        match error {
            Unreached::NotTaken(NotTaken::Refused(refused)) => WishError::Refused(refused),
            other => WishError::Host(other.to_string()),
        }
    }
}

/// A package that arrived and lies in the uploads folder.
#[derive(Debug)]
pub struct Arrival {
    /// Where it lies; removed when it was taken or refused.
    pub path: PathBuf,
    /// The name that the sender gave the file, if any.
    pub file_name: Option<String>,
    /// `--settings FILE`: TOML text, the last layer.
    pub settings: Option<String>,
    /// `--meta k=v`.
    pub meta: BTreeMap<String, String>,
    /// `--build-log FILE`.
    pub build_log: Option<Vec<u8>>,
}

/// The front.
pub struct Control {
    /// Every path.
    pub paths: Paths,
    /// The host's settings.
    pub settings: HostSettings,
    /// The journal.
    pub journal: Journal,
    apps: RwLock<BTreeMap<AppName, AppHandle>>,
    changed: watch::Sender<u64>,
}

impl Control {
    /// Every app, by name.
    pub fn apps(&self) -> Vec<Arc<App>> {
        self.handles().values().map(AppHandle::snapshot).collect()
    }

    /// One app.
    ///
    /// # Errors
    /// [`WishError::NoApp`].
    pub fn app(&self, name: &AppName) -> Result<Arc<App>, WishError> {
        self.handle(name).map(|handle| handle.snapshot())
    }

    fn handles(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<AppName, AppHandle>> {
        self.apps.read().expect("nobody panics while holding it")
    }

    fn handle(&self, name: &AppName) -> Result<AppHandle, WishError> {
        self.handles().get(name).cloned().ok_or_else(|| WishError::NoApp(name.clone()))
    }

    /// Changes (its value rises) whenever an app is added; each app's own snapshots are watched by its handle.
    pub fn watch_apps(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Asks an app for something; `wish` gets the number of the deployment that may result.
    ///
    /// # Errors
    /// [`WishError`]; nothing has changed then.
    pub async fn ask(&self, name: &AppName, by: Origin, wish: impl FnOnce(DeploymentId) -> Command) -> Result<Accepted, WishError> {
        let handle = self.handle(name)?;
        let deployment = self.journal.next_deployment(name).await?;
        handle.tell(Event::Command { command: wish(deployment), by }).await?;
        let app = handle.snapshot();
        let known = app.deployment.as_ref().map(|it| it.id) == Some(deployment)
            || app.queued.as_ref().map(|it| it.deployment) == Some(deployment)
            || self.journal.deployment(deployment).await?.is_some();
        Ok(Accepted { deployment: known.then_some(deployment), app })
    }
}
