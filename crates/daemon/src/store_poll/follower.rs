//! Following the store for one app.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use model::app::{App, Mode, Origin, Refused, Target, Wish};
use model::settings::{AppSettings, HostConfig, PreCommand};
use model::{AppName, DeploymentId, VersionLabel};
use package::store::{Current, Hash, LocalStore};
use tempfile::TempPath;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::fetch::{fetch, store_of};
use crate::control::{Arrival, Control, WishError};
use crate::intake::{Announced, refuse_other_package};

/// A store that has not answered for so long is told of.
const PATIENCE: Duration = Duration::from_secs(30);

/// After something on this host failed, the package is not copied again before this time.
const RETRY: Duration = Duration::from_secs(60);

/// Looks at the store for one app. What is found wrong is said once, not at each look.
pub struct Follower {
    control: Arc<Control>,
    app: AppName,
    copies: u64,
    said: Option<String>,
    not_now: Option<NotNow>,
}

/// What the store offers, and all that decides whether it is taken.
#[derive(Clone, PartialEq)]
struct Offer {
    current: Current,
    label: VersionLabel,
    /// Length of the package and when it was changed.
    package: Option<(u64, SystemTime)>,
    config: Arc<HostConfig>,
    /// Digest of the version of that name.
    registered: Option<String>,
    /// What all apps run: ports that are taken may become free.
    running: Vec<(AppName, Option<Target>)>,
}

/// Why an offer is not tried again at each look.
enum NotNow {
    /// It was refused: not until something about it changes.
    Refused(Box<Offer>),
    /// Not before this deployment has ended.
    Busy(DeploymentId),
    /// Something failed: not before this time.
    Failed(Instant),
}

impl Follower {
    /// A follower that has seen nothing yet.
    pub fn new(control: Arc<Control>, app: AppName) -> Self {
        Follower { control, app, copies: 0, said: None, not_now: None }
    }

    /// Looks once, and tells how many packages it has copied so far.
    pub async fn poll(&mut self, config: Arc<HostConfig>) -> u64 {
        match self.look(config).await {
            Ok(()) => self.said = None,
            Err(problem) if self.said.as_ref() != Some(&problem) => {
                warn!(app = %self.app, "store: {problem}");
                self.said = Some(problem);
            }
            Err(_) => {}
        }
        self.copies
    }

    async fn look(&mut self, config: Arc<HostConfig>) -> Result<(), String> {
        let known = self.control.app(&self.app).ok();
        if known.as_ref().is_some_and(|app| app.mode != Mode::Automatic || !app.running) {
            return Ok(());
        }
        let settings = config.app_settings(&self.app, None, None).map_err(|problems| problems.to_string())?;
        let store = store_of(&self.control, &config, &settings);
        let Some(offer) = self.offer(config, &settings, &store, known.as_deref()).await? else {
            return Ok(());
        };
        if !self.is_wanted(known.as_deref(), &offer)? || self.not_now(known.as_deref(), &offer) {
            return Ok(());
        }
        if let Some(frozen) = known.as_ref().and_then(|app| app.frozen_at(host::clock::now())) {
            // Told once, and without a copy of the package.
            return Err(format!(
                "version {} waits: the app is frozen by {} ({})",
                offer.label, frozen.by, frozen.reason
            ));
        }
        self.take(&store, offer).await
    }

    /// Reads the version file and looks at the package that it names.
    async fn offer(
        &self,
        config: Arc<HostConfig>,
        settings: &AppSettings,
        store: &LocalStore,
        known: Option<&App>,
    ) -> Result<Option<Offer>, String> {
        let env = settings.env.clone().unwrap_or_else(|| config.settings.env.clone());
        let (store, name) = (store.clone(), self.app.to_string());
        let read = self.patiently(move || {
            let Some(current) = store.current(&name, &env).map_err(|problem| host::chain(&problem))? else {
                return Ok(None);
            };
            let path = store.package_path(&name, &current.version);
            let found = path.ok().and_then(|path| fs_err::metadata(path).ok());
            let package = found.and_then(|found| Some((found.len(), found.modified().ok()?)));
            Ok(Some((current, package)))
        });
        let Some((current, package)) = read.await? else { return Ok(None) };
        let label: VersionLabel = current.version.parse().map_err(|error| format!("{error}"))?;
        let registered = known.and_then(|app| app.version_called(&label)).map(|it| it.digest.clone());
        let running = self.control.apps().iter().map(|app| (app.name.clone(), app.active())).collect();
        Ok(Some(Offer { current, label, package, config, registered, running }))
    }

    /// Whether the offer differs from what runs, is about to run or has failed; an error when its name is taken.
    fn is_wanted(&self, known: Option<&App>, offer: &Offer) -> Result<bool, String> {
        let Some(app) = known else { return Ok(true) };
        if let Hash::Sha256(digest) = &offer.current.hash {
            refuse_other_package(Some(app), &offer.label, &digest.to_string())
                .map_err(|error| error.to_string())?;
        }
        let version = app.version_called(&offer.label);
        let under_way = app.deployment.as_ref().and_then(|it| it.to);
        let runs = app.active().or(under_way);
        let is = |target: Option<Target>| {
            target.is_some_and(|target| version.is_some_and(|version| version.id == target.version))
        };
        let queued = app.queued.as_ref().is_some_and(|it| it.command.version() == Some(&offer.label));
        Ok(!(queued || is(runs) || is(under_way) || version.is_some_and(|version| version.ghost.is_some())))
    }

    fn not_now(&self, known: Option<&App>, offer: &Offer) -> bool {
        match &self.not_now {
            None => false,
            Some(NotNow::Refused(refused)) => **refused == *offer,
            Some(NotNow::Busy(id)) => {
                known.is_some_and(|app| app.deployment.as_ref().is_some_and(|it| it.id == *id))
            }
            Some(NotNow::Failed(until)) => Instant::now() < *until,
        }
    }

    async fn take(&mut self, store: &LocalStore, offer: Offer) -> Result<(), String> {
        info!(app = %self.app, version = %offer.label, "the store names a version that does not run");
        let announced = announced(&offer)?;
        self.copies += 1;
        let package = self.copy(store, &offer, announced.digest).await?;
        let file_name = Some(format!("{}-{}.tar.gz", self.app, offer.label));
        let arrival = Arrival {
            package,
            file_name,
            settings: None,
            meta: BTreeMap::new(),
            build_log: None,
            wish: Wish::default(),
        };
        let taken = self.control.take_announced(&self.app, arrival, announced, Origin::Store).await;
        let Err(error) = taken else {
            self.not_now = None;
            return Ok(());
        };
        let problem = format!("version {} is not taken: {error}", offer.label);
        self.not_now = Some(match error {
            WishError::Refused(Refused::Busy { deployment }) => NotNow::Busy(deployment),
            WishError::Refused(Refused::BeingRemoved { .. })
            | WishError::Host(_)
            | WishError::NotJournalled(_)
            | WishError::Journal(_)
            | WishError::Room(_) => NotNow::Failed(Instant::now() + RETRY),
            _ => NotNow::Refused(Box::new(offer)),
        });
        Err(problem)
    }

    async fn copy(
        &self,
        store: &LocalStore,
        offer: &Offer,
        expected: Option<package::Sha256Digest>,
    ) -> Result<TempPath, String> {
        let (store, version) = (store.clone(), offer.current.version.clone());
        let (uploads, least) =
            (self.control.paths.uploads(), self.control.site.settings.min_free_disk.bytes());
        let app = self.app.clone();
        self.patiently(move || {
            fetch(&store, &app, &version, expected.as_ref(), &uploads, least)
                .map_err(|error| host::chain(&error))
        })
        .await
    }

    /// Works with the store however long it takes; says once when it takes long.
    async fn patiently<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let mut working = spawn_blocking(work);
        let done = match tokio::time::timeout(PATIENCE, &mut working).await {
            Ok(done) => done,
            Err(_) => {
                warn!(app = %self.app, "store: busy for {} s; is it there?", PATIENCE.as_secs());
                working.await
            }
        };
        done.map_err(|error| error.to_string())?
    }
}

/// What the version file says about the package.
fn announced(offer: &Offer) -> Result<Announced, String> {
    let digest = match &offer.current.hash {
        Hash::Sha256(digest) => Some(*digest),
        _ => None,
    };
    let pre_commands: Result<Vec<PreCommand>, String> = offer
        .current
        .pre_commands
        .iter()
        .map(|text| PreCommand::parse(text).map_err(|error| format!("pre_commands: {text:?}: {error}")))
        .collect();
    Ok(Announced { digest, version: Some(offer.label.clone()), pre_commands: pre_commands? })
}
