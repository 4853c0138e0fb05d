//! The control plane's front: what the API (and the store's poller) may ask for. Reads come from snapshots and
//! the journal; wishes become events for the app's engine.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, RwLock};

use engine::{AppHandle, Unreached};
use host::checks::{Checker, Probe};
use host::configuration::Evaluator;
use host::disk::DiskError;
use host::epmd::{EPMD_PORT, EpmdKeeper};
use host::journal::{Journal, JournalError};
use host::nodes::Nodes;
use host::proxy::{ErrorWatch, HealthWatch, Proxy};
use host::shim::ShimHost;
use host::site::Site;
use host::tasks::Tasks;
use host::{Paths, Tell, Untold};
use model::app::{App, Command, Event, NotTaken, Origin, Refused, Wish};
use model::{AppName, DeploymentId};
use tempfile::TempPath;
use tokio::sync::{Mutex, SetOnce};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::autoscaler::{Autoscaler, Loads};
use crate::config_reload::Reloading;
use crate::doctor::{self, Scene};
use crate::health_restarts::HealthRestarts;
use crate::node_watch::NodeWatch;
use crate::partners::HostPartners;
use crate::settings::{SettingsError, SettingsFiles};

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
    /// What was wished for could not be journalled.
    #[error("{0}")]
    NotJournalled(String),
    /// The disk is too full.
    #[error(transparent)]
    Room(#[from] DiskError),
    /// Something on this host failed.
    #[error("{0}")]
    Host(String),
}

impl From<Unreached> for WishError {
    fn from(error: Unreached) -> Self {
        match error {
            Unreached::NotTaken(NotTaken::Refused(refused)) => WishError::Refused(refused),
            Unreached::Journal(why) => WishError::NotJournalled(why),
            other => WishError::Host(other.to_string()),
        }
    }
}

impl From<SettingsError> for WishError {
    fn from(error: SettingsError) -> Self {
        WishError::Settings(error.to_string())
    }
}

/// A package that arrived and lies in the uploads folder.
#[derive(Debug)]
pub struct Arrival {
    /// Where it lies; it is removed unless it is moved to where it belongs.
    pub package: TempPath,
    /// The name that the sender gave the file, if any.
    pub file_name: Option<String>,
    /// `--settings FILE`: TOML text, the last layer.
    pub settings: Option<String>,
    /// `--meta k=v`.
    pub meta: BTreeMap<String, String>,
    /// `--build-log FILE`.
    pub build_log: Option<Vec<u8>>,
    /// `--hot`, `--full`, `--auto`, `--force`.
    pub wish: Wish,
}

/// The front.
pub struct Control {
    /// Every path.
    pub paths: Paths,
    /// This host, as far as instances are concerned.
    pub site: Arc<Site>,
    /// Where the settings are.
    pub settings_files: SettingsFiles,
    /// The journal.
    pub journal: Journal,
    /// The way to the proxy.
    pub proxy: Proxy,
    /// Our links to the instances' nodes.
    pub nodes: Nodes,
    /// The figures by which places follow the load.
    pub loads: Loads,
    /// Apps whose configuration is being reloaded.
    pub reloading: Reloading,
    /// What instances run under.
    shims: ShimHost,
    apps: RwLock<BTreeMap<AppName, AppHandle>>,
    /// See [`Registering`](crate::intake::Registering). One for all apps: ports are reserved among them.
    pub(crate) registration: Mutex<()>,
    works: OnceLock<Works>,
    /// Set when the engine of every app in the journal runs: news of a shim that came earlier would find nobody,
    /// and be taken for news of an unknown app.
    all_started: SetOnce<()>,
}

/// What engines are started with; known only once the doer is.
struct Works {
    partners: Arc<HostPartners>,
    probe: Probe,
    tasks: TaskTracker,
    stop: CancellationToken,
    one_off: Arc<Tasks>,
    evaluator: Evaluator,
}

impl Control {
    /// A front without apps.
    pub fn new(
        site: Arc<Site>,
        settings_files: SettingsFiles,
        journal: Journal,
        proxy: Proxy,
        shims: ShimHost,
    ) -> Self {
        let epmd = EpmdKeeper::new(site.clone(), shims.clone(), EPMD_PORT);
        Control {
            paths: site.paths.clone(),
            nodes: Nodes::new(site.clone(), Arc::new(epmd)),
            site,
            settings_files,
            journal,
            proxy,
            loads: Loads::default(),
            reloading: Reloading::default(),
            shims,
            apps: RwLock::default(),
            registration: Mutex::default(),
            works: OnceLock::new(),
            all_started: SetOnce::new(),
        }
    }

    /// Tells what engines are started with; before that no app can be added.
    pub fn set_works(
        &self,
        partners: Arc<HostPartners>,
        probe: Probe,
        tasks: TaskTracker,
        stop: CancellationToken,
        one_off: Arc<Tasks>,
        evaluator: Evaluator,
    ) {
        if self.works.set(Works { partners, probe, tasks, stop, one_off, evaluator }).is_err() {
            unreachable!("start-up sets this once");
        }
    }

    /// Starts an app's engine and checker; `first` are events that it takes before anything else.
    pub fn start_app(self: &Arc<Self>, app: App, first: Vec<Event>) -> AppHandle {
        let works = self.works.get().expect("start-up sets this before it starts apps");
        let name = app.name.clone();
        let handle = engine::start(app, first, works.partners.clone(), &works.tasks, works.stop.clone());
        let checker = Checker::new(self.site.clone(), works.probe.clone(), self.clone());
        works.tasks.spawn(checker.follow(handle.watch(), works.stop.clone()));
        let errors = ErrorWatch::new(self.proxy.clone(), self.clone());
        works.tasks.spawn(errors.follow(handle.watch(), works.stop.clone()));
        let health = HealthWatch::new(self.proxy.clone(), self.clone());
        works.tasks.spawn(health.follow(handle.watch(), works.stop.clone()));
        let links = self.nodes.clone().follow(handle.watch(), works.tasks.clone(), works.stop.clone());
        works.tasks.spawn(links);
        let autoscaler = Autoscaler::new(self.clone());
        works.tasks.spawn(autoscaler.follow(handle.watch(), works.stop.clone()));
        let nodes = NodeWatch::new(self.clone());
        works.tasks.spawn(nodes.follow(handle.watch(), works.stop.clone()));
        let ailing = HealthRestarts::new(self.clone());
        works.tasks.spawn(ailing.follow(handle.watch(), works.stop.clone()));
        self.proxy.register(&name);
        self.apps.write().expect("nobody panics while holding it").insert(name, handle.clone());
        handle
    }

    /// Tells that the engine of every app in the journal runs; what shims tell waits for this.
    pub fn all_started(&self) {
        if self.all_started.set(()).is_err() {
            unreachable!("start-up says this once");
        }
    }

    /// Whatever outlives who asked for it; waited for when the daemon stops.
    pub fn tasks(&self) -> &TaskTracker {
        &self.works.get().expect("start-up sets this before anybody asks for anything").tasks
    }

    /// One-off tasks of all apps.
    pub fn one_off(&self) -> &Arc<Tasks> {
        &self.works.get().expect("start-up sets this before anybody asks for anything").one_off
    }

    /// Tells with what releases would configure their applications.
    pub fn evaluator(&self) -> &Evaluator {
        &self.works.get().expect("start-up sets this before anybody asks for anything").evaluator
    }

    /// Asks instances how they are.
    pub fn probe(&self) -> &Probe {
        &self.works.get().expect("start-up sets this before anybody asks for anything").probe
    }

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

    pub(crate) fn handle(&self, name: &AppName) -> Result<AppHandle, WishError> {
        self.handles().get(name).cloned().ok_or_else(|| WishError::NoApp(name.clone()))
    }

    /// Asks an app for something; `wish` gets the number of the deployment that may result.
    ///
    /// # Errors
    /// [`WishError`]; nothing has changed then.
    pub async fn ask(
        self: &Arc<Self>,
        name: &AppName,
        by: Origin,
        wish: impl FnOnce(DeploymentId) -> Command,
    ) -> Result<Accepted, WishError> {
        let handle = self.handle(name)?;
        let deployment = self.journal.next_deployment(name).await?;
        let something_waited = handle.snapshot().queued.is_some();
        let command = wish(deployment);
        let reserved = self.reserve_again(&handle, &command).await?;
        handle.tell(Event::Command { command, by }).await?;
        drop(reserved);
        if something_waited {
            self.sweep_soon(name);
        }
        let app = handle.snapshot();
        let known = app.deployment.as_ref().map(|it| it.id) == Some(deployment)
            || app.queued.as_ref().map(|it| it.deployment) == Some(deployment)
            || self.journal.deployment(deployment).await?.is_some();
        Ok(Accepted { deployment: known.then_some(deployment), app })
    }
}

impl Control {
    /// Looks at everything that an operator would look at.
    pub async fn doctor(&self) -> Vec<api::doctor::Check> {
        doctor::examine(Scene {
            site: self.site.clone(),
            journal: self.journal.clone(),
            settings_files: self.settings_files.clone(),
            proxy: self.proxy.clone(),
            shim: self.shims.shim_binary.clone(),
            apps: self.apps(),
        })
        .await
    }
}

impl Tell for Control {
    async fn tell(&self, app: &AppName, event: Event) -> Result<(), Untold> {
        self.all_started.wait().await;
        let handle = self.handle(app).map_err(|error| Untold::NotTaken(error.to_string()))?;
        handle.tell(event).await.map_err(|error| match error {
            Unreached::NotTaken(not_taken) => Untold::NotTaken(not_taken.to_string()),
            Unreached::Journal(_) | Unreached::ShuttingDown => Untold::GoingDown,
        })
    }
}
