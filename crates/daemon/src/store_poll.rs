//! Following the store: what its version file names is deployed, for apps in automatic mode.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use model::app::{Mode, Origin};
use model::settings::{AppSettings, HostConfig, PreCommand};
use model::{AppName, VersionLabel};
use package::copy::copy_package;
use package::store::{Current, Hash, LocalStore};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::control::{Arrival, Control, WishError};
use crate::intake::Announced;

/// Polls the stores of all apps. What was found wrong is said once, not at each poll.
pub struct StorePoll {
    control: Arc<Control>,
    /// The last problem said, by app.
    said: BTreeMap<AppName, String>,
    /// The offer that was refused, by app: not tried again until the store says something else.
    refused: BTreeMap<AppName, Current>,
}

impl StorePoll {
    /// A poller for the apps of the settings and those that are registered.
    pub fn new(control: Arc<Control>) -> Self {
        StorePoll { control, said: BTreeMap::new(), refused: BTreeMap::new() }
    }

    /// Polls until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let wait = self.poll().await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn poll(&mut self) -> std::time::Duration {
        let config = match self.control.settings_files.load() {
            Ok(config) => config,
            Err(error) => {
                self.say_about_settings(error.to_string());
                return self.control.site.settings.poll_interval;
            }
        };
        let mut apps: Vec<AppName> = config.apps().cloned().collect();
        apps.extend(self.control.apps().iter().map(|app| app.name.clone()));
        apps.sort();
        apps.dedup();
        for app in apps {
            match self.poll_app(&config, &app).await {
                Ok(()) => {
                    self.said.remove(&app);
                }
                Err(problem) => {
                    if self.said.get(&app) != Some(&problem) {
                        warn!(%app, "store: {problem}");
                        self.said.insert(app, problem);
                    }
                }
            }
        }
        config.settings.poll_interval
    }

    fn say_about_settings(&mut self, problem: String) {
        let name: AppName = "settings".parse().expect("it is plain");
        if self.said.get(&name) != Some(&problem) {
            warn!("the settings cannot be used, the store is not followed: {problem}");
            self.said.insert(name, problem);
        }
    }

    async fn poll_app(&mut self, config: &HostConfig, app: &AppName) -> Result<(), String> {
        let known = self.control.app(app).ok();
        if known.as_ref().is_some_and(|app| app.mode != Mode::Automatic || !app.running) {
            return Ok(());
        }
        let settings = config.app_settings(app, None, None).map_err(|problems| problems.to_string())?;
        let store = self.store(config, &settings);
        let env = settings.env.clone().unwrap_or_else(|| config.settings.env.clone());
        let name = app.clone();
        let (asked, env_name) = (store.clone(), env.clone());
        let current = tokio::task::spawn_blocking(move || asked.current(name.as_str(), &env_name)).await;
        let current = current.map_err(|error| error.to_string())?.map_err(|problem| host::chain(&problem))?;
        let Some(current) = current else { return Ok(()) };
        if self.refused.get(app) == Some(&current) {
            return Ok(());
        }
        let label: VersionLabel = current.version.parse().map_err(|error| format!("{error}"))?;
        if let Some(known) = &known {
            let version = known.version_called(&label);
            let runs = known.active().or(known.deployment.as_ref().and_then(|it| it.to));
            let under_way = known.deployment.as_ref().and_then(|it| it.to);
            let is = |target: Option<model::app::Target>| {
                target.is_some() && target.map(|it| it.version) == version.map(|it| it.id)
            };
            let queued = known.queued.as_ref().is_some_and(|queued| queued.command.version() == Some(&label));
            if queued || is(runs) || is(under_way) || version.is_some_and(|version| version.ghost.is_some()) {
                return Ok(());
            }
        }
        self.deploy(app, &store, current, label).await
    }

    fn store(&self, config: &HostConfig, settings: &AppSettings) -> LocalStore {
        let root = settings.store.clone().or_else(|| config.settings.store.clone());
        LocalStore::new(root.unwrap_or_else(|| self.control.paths.store()))
    }

    async fn deploy(
        &mut self,
        app: &AppName,
        store: &LocalStore,
        current: Current,
        label: VersionLabel,
    ) -> Result<(), String> {
        info!(%app, version = %label, "the store names a version that does not run");
        let announced = announced(&current, &label)?;
        let (path, source) = (self.upload_path(app), store.clone());
        let (name, version, to, expected) = (app.clone(), label.clone(), path.clone(), announced.digest);
        let copied = tokio::task::spawn_blocking(move || {
            let (from, _file) = source
                .open_package(name.as_str(), version.as_str())
                .map_err(|problem| host::chain(&problem))?;
            copy_package(&from, &to, expected.as_ref(), package::Limits::default().archive_bytes)
                .map_err(|error| host::chain(&error))
        });
        copied.await.map_err(|error| error.to_string())??;
        let arrival = Arrival {
            path,
            file_name: Some(format!("{app}-{label}.tar.gz")),
            settings: None,
            meta: BTreeMap::new(),
            build_log: None,
        };
        match self.control.take_announced(Some(app), arrival, announced, Origin::Store).await {
            Ok(_) => Ok(()),
            // It may be granted later; the store is asked again at the next poll.
            Err(error @ (WishError::Refused(_) | WishError::Host(_) | WishError::Journal(_))) => {
                Err(error.to_string())
            }
            Err(error) => {
                self.refused.insert(app.clone(), current);
                Err(format!("version {label} is not taken: {error}"))
            }
        }
    }

    fn upload_path(&self, app: &AppName) -> PathBuf {
        self.control.paths.uploads().join(format!("store-{app}.tar.gz"))
    }
}

/// What the version file says about the package.
fn announced(current: &Current, label: &VersionLabel) -> Result<Announced, String> {
    let digest = match &current.hash {
        Hash::Sha256(digest) => Some(*digest),
        _ => None,
    };
    let pre_commands: Result<Vec<PreCommand>, String> = current
        .pre_commands
        .iter()
        .map(|text| PreCommand::parse(text).map_err(|error| format!("pre_commands: {text:?}: {error}")))
        .collect();
    Ok(Announced { digest, version: Some(label.clone()), pre_commands: pre_commands? })
}
