//! Checks follow the snapshots: those that are wanted run, and none else.

use std::collections::BTreeMap;
use std::sync::Arc;

use host_fixture::Fixture;
use jiff::Timestamp;
use model::app::{App, Event, Status, Verdict};
use model::settings::CheckKind;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::super::Checker;
use super::server::{Answer, Server};
use super::watching::Told;
use super::*;
use crate::checks::tests::follow::host_fixture::INSTANCE;

mod host_fixture {
    //! An app with one version on disk and one instance that runs.

    use super::*;
    use crate::Paths;
    use crate::certificates::Certificates;
    use crate::site::Site;
    use model::app::{Instance, NewVersion, Origin, Revision, Target, Version};
    use model::settings::{AppSettings, HostSettings};
    use model::{InstanceId, Place, Slot, VersionId};
    use package::{Facts, HostPlatform, Kind};

    pub(super) const INSTANCE: InstanceId = InstanceId(4);

    pub(super) struct Fixture {
        _root: tempfile::TempDir,
        pub(super) site: Arc<Site>,
        pub(super) app: App,
    }

    impl Fixture {
        pub(super) fn new(port: u16) -> Self {
            let root = tempfile::tempdir().unwrap();
            let site = Site {
                paths: Paths::new(root.path()),
                settings: HostSettings::default(),
                platform: HostPlatform::detect(),
                node_host: "localhost".into(),
                certificates: Arc::new(Certificates::new(Paths::new(root.path()), "localhost")),
            };
            let app = app(port);
            unpack(&site.paths.version(&app.name, &app.versions[0].label));
            Fixture { _root: root, site: Arc::new(site), app }
        }

        /// The app as it is with its instance in this status and run.
        pub(super) fn with(&self, run: u32, status: Status) -> Arc<App> {
            let mut app = self.app.clone();
            let instance = app.instances.get_mut(&INSTANCE).unwrap();
            (instance.run, instance.status) = (run, status);
            Arc::new(app)
        }
    }

    fn app(port: u16) -> App {
        let mut settings = AppSettings { port, replicas: 1, ..AppSettings::default() };
        settings.user = crate::users::name_of(rustix::process::geteuid().as_raw());
        settings.readiness.kind = CheckKind::HttpGet;
        settings.readiness.retry_period = Duration::from_millis(5);
        settings.health.interval = Duration::from_millis(5);
        let new = NewVersion {
            label: "1.0.0".parse().unwrap(),
            digest: "00".repeat(32),
            size_bytes: 1,
            settings: settings.clone(),
            meta: BTreeMap::new(),
            pre_commands: Vec::new(),
        };
        let mut app = App::new("beacon".parse().unwrap());
        let mut version = serde_json::to_value(&new).unwrap();
        let rest = serde_json::json!({
            "id": VersionId(1), "registered_at": Timestamp::now(), "origin": Origin::Store,
            "revisions": { "0": Revision { settings: settings.into(), variables: Default::default() } },
            "revision": 0, "ghost": null, "pinned": false, "stored": true,
        });
        version.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        app.versions.push(serde_json::from_value::<Version>(version).unwrap());
        let instance = Instance {
            id: INSTANCE,
            place: Place(1),
            slot: Slot::A,
            target: Target { version: VersionId(1), revision: 0 },
            born: None,
            hot: None,
            upgrades: 0,
            status: Status::Starting,
            created_at: Timestamp::now(),
            run: 1,
            pid: None,
            up_since: Some(Timestamp::now()),
            ready_at: None,
            crashes: 0,
            seq: 0,
            last_exit: None,
            exposed: false,
            down: None,
        };
        app.instances.insert(INSTANCE, instance);
        app
    }

    fn unpack(folder: &Path) {
        fs_err::create_dir_all(folder).unwrap();
        let manifest = serde_json::json!({ "schema": 1, "package": "00".repeat(32), "entries": [] });
        fs_err::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        let facts = crate::environment::tests::facts(Kind::MixRelease);
        let facts: &Facts = &facts;
        fs_err::write(folder.join("facts.json"), serde_json::to_vec(facts).unwrap()).unwrap();
    }
}

struct Followed {
    fixture: Fixture,
    server: Server,
    snapshots: watch::Sender<Arc<App>>,
    verdicts: mpsc::UnboundedReceiver<Event>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Followed {
    async fn start(answer: Answer) -> Self {
        let server = Server::start([answer]).await;
        let fixture = Fixture::new(server.port);
        let (tell, verdicts) = mpsc::unbounded_channel();
        let checker = Checker::new(fixture.site.clone(), super::probe(), Arc::new(Told(tell)));
        let snapshots = watch::Sender::new(fixture.with(1, Status::Starting));
        let stop = CancellationToken::new();
        let task = tokio::spawn(checker.follow(snapshots.subscribe(), stop.clone()));
        Followed { fixture, server, snapshots, verdicts, stop, task }
    }

    fn show(&self, run: u32, status: Status) {
        self.snapshots.send_replace(self.fixture.with(run, status));
    }

    async fn verdict(&mut self) -> (u32, Verdict) {
        let event = timeout(SOON, self.verdicts.recv()).await.expect("a verdict comes").unwrap();
        let Event::Check { instance: INSTANCE, run, verdict } = event else { panic!("{event:?}") };
        (run, verdict)
    }

    /// Waits until it has been asked so often.
    async fn asked(&self, times: usize) {
        let asked = async {
            while self.server.asked().len() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, asked).await.expect("it is asked");
    }

    /// Waits until nobody asks any more.
    async fn quiet(&self) {
        let quiet = async {
            loop {
                let before = self.server.asked().len();
                tokio::time::sleep(Duration::from_millis(200)).await;
                if self.server.asked().len() == before {
                    return;
                }
            }
        };
        timeout(SOON, quiet).await.expect("the checks end");
    }
}

#[tokio::test]
async fn readiness_first_then_health() {
    let mut followed = Followed::start(Answer::Status(200)).await;
    assert_eq!(followed.verdict().await, (1, Verdict::Ready));
    let asked = followed.server.asked().len();
    followed.show(1, Status::Ready);
    followed.asked(asked + 3).await;
    followed.server.answer(Answer::Status(500));
    assert!(matches!(followed.verdict().await, (1, Verdict::Unhealthy { .. })));
}

#[tokio::test]
async fn a_new_run_is_checked_anew_and_the_old_one_no_more() {
    let mut followed = Followed::start(Answer::Status(503)).await;
    followed.asked(2).await;
    followed.show(2, Status::Starting);
    followed.asked(followed.server.asked().len() + 2).await;
    followed.server.answer(Answer::Status(200));
    assert_eq!(followed.verdict().await, (2, Verdict::Ready));
    followed.quiet().await;
    assert!(followed.verdicts.try_recv().is_err(), "run 1 is not told of");
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_not_asked() {
    let followed = Followed::start(Answer::Status(503)).await;
    followed.asked(2).await;
    followed.show(1, Status::BackingOff { until: Timestamp::now() });
    followed.quiet().await;
}

#[tokio::test]
async fn nothing_asks_on_when_told_to_stop() {
    let followed = Followed::start(Answer::Status(503)).await;
    followed.asked(2).await;
    followed.stop.cancel();
    followed.quiet().await;
    timeout(SOON, followed.task).await.expect("it ends").unwrap();
}

#[tokio::test]
async fn nothing_asks_on_when_it_is_aborted_or_the_app_is_gone() {
    let followed = Followed::start(Answer::Status(503)).await;
    followed.asked(2).await;
    followed.task.abort();
    followed.quiet().await;

    let Followed { snapshots, task, .. } = Followed::start(Answer::Status(503)).await;
    drop(snapshots);
    timeout(SOON, task).await.expect("it ends with the app's engine").unwrap();
}
