//! A daemon without its shims: real control, engines, journal and socket, apps brought up by the model itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cli::{Client, Failure};
use host::Paths;
use host::certificates::Certificates;
use host::checks::Probe;
use host::configuration::Evaluator;
use host::doer::HostDoer;
use host::instances::Instances;
use host::journal::Journal;
use host::proxy::Proxy;
use host::shim::ShimHost;
use host::site::Site;
use host::tasks::Tasks;
use jiff::Timestamp;
use model::app::{
    App, Command, Effect, Event, NewVersion, Origin, Outcome, ShimFact, Stepped, Verdict, Wish,
};
use model::settings::{AppSettings, HealthKind, HostSettings};
use model::{AppName, DeploymentId, InstanceId};
use package::HostPlatform;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wire::proxy::Front;

use crate::control::Control;
use crate::http::{self, Api};
use crate::partners::partners;
use crate::settings::SettingsFiles;

/// The daemon; it ends with the test.
pub(super) struct World {
    pub(super) control: Arc<Control>,
    pub(super) client: Client,
    pub(super) root: PathBuf,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) _folder: tempfile::TempDir,
}

impl World {
    /// A daemon that serves, without apps.
    pub(super) async fn new() -> Self {
        World::below("root").await
    }

    /// The same, below a folder of that name.
    pub(super) async fn below(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join(name);
        let paths = Paths::new(&root);
        for folder in [paths.state(), paths.uploads(), paths.run(), paths.shims_run(), paths.shims_state()] {
            fs_err::create_dir_all(folder).unwrap();
        }
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let control = control(&paths, &tasks, &stop);
        let world = World { control, client: Client::new(&root), root, stop, tasks, _folder: folder };
        world.serve();
        world
    }

    /// Opens the socket and answers on it.
    pub(super) fn serve(&self) {
        let listener = http::bind(&self.control.paths.api_socket(), None).unwrap();
        let api =
            Api { control: self.control.clone(), started_at: Timestamp::UNIX_EPOCH, stop: self.stop.clone() };
        let grace = Duration::from_secs(5);
        self.tasks.spawn(http::serve(listener, http::router(api), self.stop.clone(), grace));
    }

    /// An app whose versions were deployed one after another, two instances each.
    pub(super) async fn with_app(self, name: &str, versions: &[&str]) -> Self {
        let mut life = Life::begin(&self, name).await;
        for version in versions {
            life.deploy(version).await;
        }
        self.control.start_app(life.app, Vec::new());
        self
    }
}

fn control(paths: &Paths, tasks: &TaskTracker, stop: &CancellationToken) -> Arc<Control> {
    let site = Arc::new(Site {
        paths: paths.clone(),
        settings: HostSettings::default(),
        platform: HostPlatform::detect(),
        node_host: "localhost".into(),
        certificates: Arc::new(Certificates::new(paths.clone(), "localhost")),
    });
    let shims = ShimHost {
        run_root: paths.shims_run(),
        state_root: paths.shims_state(),
        shim_binary: "/nonexistent/bellrock-shim".into(),
        epoch: 1,
    };
    let journal = Journal::open(&paths.database()).unwrap();
    let proxy = Proxy::new(1, Front::default());
    proxy.open(Vec::new());
    let control = Arc::new(Control::new(
        site.clone(),
        SettingsFiles::new(paths, None),
        journal.clone(),
        proxy.clone(),
        shims.clone(),
    ));
    let instances = Arc::new(Instances::new(shims, site, control.clone(), control.nodes.clone()));
    let one_off = Arc::new(Tasks::new(&instances, journal.clone(), tasks.clone(), stop.clone()));
    let evaluator = Evaluator::new(&instances, tasks.clone());
    let doer = HostDoer::new(instances, journal.clone(), proxy, evaluator.clone());
    let partners = partners(journal, doer);
    let probe = Probe::new(control.nodes.clone()).unwrap();
    control.set_works(Arc::new(partners), probe, tasks.clone(), stop.clone(), one_off, evaluator);
    control
}

/// Brings an app up through the model's own steps: everything that it wants is done at once and well.
pub(super) struct Life {
    pub(super) app: App,
    journal: Journal,
    next: u64,
    watch_window: Duration,
}

impl Life {
    /// A new app in a world's journal; no engine runs for it.
    pub(super) async fn begin(world: &World, name: &str) -> Self {
        let app = App::new(name.parse().unwrap());
        world.control.journal.create(&app).await.unwrap();
        Life { app, journal: world.control.journal.clone(), next: 1, watch_window: Duration::ZERO }
    }

    pub(super) async fn deploy(&mut self, label: &str) {
        let deployment = self.ask_for(label).await;
        while let Some(event) = self.answer(deployment) {
            self.step(event).await;
        }
        assert_eq!(self.app.deployment, None, "v{label} was deployed");
    }

    /// The same, but the new version is still being watched: whatever comes now waits in the queue.
    pub(super) async fn deploy_watched(&mut self, label: &str) {
        self.watch_window = Duration::from_secs(3600);
        let deployment = self.ask_for(label).await;
        while let Some(event) = self.answer(deployment).filter(|event| *event != Event::Tick) {
            self.step(event).await;
        }
        assert!(self.app.deployment.is_some(), "v{label} is watched");
    }

    /// Stops every instance.
    pub(super) async fn stop(&mut self) {
        let deployment = self.journal.next_deployment(&self.app.name).await.unwrap();
        self.step(Event::Command { command: Command::Stop { deployment }, by: operator() }).await;
        while let Some(event) = self.answer(deployment) {
            self.step(event).await;
        }
        assert!(!self.app.running, "it was stopped");
    }

    /// Asks for a version; nothing else happens.
    pub(super) async fn ask_for(&mut self, label: &str) -> DeploymentId {
        let mut settings = AppSettings { replicas: 2, ..AppSettings::default() };
        settings.watch_window = self.watch_window;
        settings.health.kind = Some(HealthKind::Off);
        settings.ports = BTreeMap::from([("METRICS_PORT".parse().unwrap(), 9100)]);
        let version = NewVersion {
            label: label.parse().unwrap(),
            digest: format!("{:064x}", self.next),
            size_bytes: 31_450_000,
            settings,
            meta: BTreeMap::from([("commit".into(), "3f2a".into())]),
            pre_commands: Vec::new(),
        };
        let deployment = self.journal.next_deployment(&self.app.name).await.unwrap();
        self.next += 1;
        let command = Command::Deploy { version: Box::new(version), wish: Wish::default(), deployment };
        self.step(Event::Command { command, by: operator() }).await;
        deployment
    }

    /// What the world tells next.
    fn answer(&self, deployment: DeploymentId) -> Option<Event> {
        if let Some((id, _)) =
            self.app.outbox.iter().find(|(_, effect)| !matches!(effect, Effect::Halt { .. }))
        {
            return Some(Event::Done { effect: *id, outcome: Outcome::Ok { detail: None } });
        }
        let starting = self.app.instances.values().find(|it| it.is_launched() && !it.is_ready());
        if let Some(instance) = starting {
            let started = ShimFact::Started { run: 1, pid: 4000, at: Timestamp::now() };
            return Some(match instance.run {
                0 => Event::Shim { instance: instance.id, seq: 1, fact: started },
                run => Event::Check { instance: instance.id, run, verdict: Verdict::Ready },
            });
        }
        self.app.deployment.as_ref().filter(|it| it.id == deployment).map(|_| Event::Tick)
    }

    pub(super) async fn step(&mut self, event: Event) {
        let at = Timestamp::now();
        let stepped: Stepped = self.app.step(at, event.clone()).unwrap();
        self.journal.commit(at, &event, &stepped).await.unwrap();
        self.app = stepped.app;
    }
}

/// Who asks.
pub(super) fn operator() -> Origin {
    Origin::Operator { uid: 1000, user: Some("ulf".into()) }
}

/// The problem's slug and status of a request that was not carried out.
pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T, Failure>) -> (String, u16) {
    match answer {
        Err(Failure::Problem(problem)) => (problem.slug().to_owned(), problem.status),
        other => panic!("not a problem: {other:?}"),
    }
}

/// An app's name.
pub(super) fn name(text: &str) -> AppName {
    text.parse().unwrap()
}

/// The newest instance of an app in a place.
pub(super) fn newest(app: &App, place: u16) -> InstanceId {
    app.instances.values().filter(|it| it.place.0 == place).map(|it| it.id).max().unwrap()
}
