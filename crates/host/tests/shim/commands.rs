//! Commands that are run once, under real runners: given up early, late, and by the next daemon; and one whose runner
//! is mute.

use crate::support::{Host, LONG, for_until, processes_with};
use host::certificates::Certificates;
use host::commands::Commands;
use host::epmd::{EPMD_PORT, EpmdKeeper};
use host::instances::Instances;
use host::nodes::Nodes;
use host::site::Site;
use host::{Paths, Tell, Untold};
use model::app::{
    App, CommandLine, Effect, Event, Instance, NewVersion, Origin, Outcome, Revision, Run, RunKind, Status,
    Target, Version,
};
use model::settings::{AppSettings, HostSettings};
use model::{AppName, EffectId, InstanceId, Place, Slot, VersionId};
use package::{Facts, HostPlatform};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

const EFFECT: EffectId = EffectId(7);
pub(crate) const INSTANCE: InstanceId = InstanceId(4);
const TARGET: Target = Target { version: VersionId(1), revision: 0 };

struct Nobody;

impl Tell for Nobody {
    async fn tell(&self, _: &AppName, _: Event) -> Result<(), Untold> {
        Ok(())
    }
}

/// A host with an app that has one version and one instance, whose tree is the commands' folder.
struct World {
    host: Host,
    site: Arc<Site>,
    app: App,
}

impl World {
    fn new() -> Self {
        let host = Host::new();
        let site = Arc::new(Site {
            paths: Paths::new(host.path("root")),
            settings: HostSettings::default(),
            platform: HostPlatform::detect(),
            node_host: "localhost".into(),
            certificates: Arc::new(Certificates::new(Paths::new(host.path("root")), "localhost")),
        });
        let app = app();
        let world = World { host, site, app };
        fs_err::create_dir_all(world.tree()).unwrap();
        let folder = world.site.paths.version(&world.app.name, &world.app.versions[0].label);
        fs_err::create_dir_all(&folder).unwrap();
        let manifest = json!({ "schema": 1, "package": "00".repeat(32), "entries": [] });
        fs_err::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        let facts: Facts = facts();
        fs_err::write(folder.join("facts.json"), serde_json::to_vec(&facts).unwrap()).unwrap();
        world
    }

    fn tree(&self) -> PathBuf {
        self.site.paths.tree(&self.app.name, Place(1), INSTANCE)
    }

    /// What a daemon with this epoch runs commands with.
    fn daemon(&self, epoch: u64) -> Arc<Commands<Nobody>> {
        let mut shims = self.host.shims.clone();
        shims.epoch = epoch;
        let epmd = EpmdKeeper::new(self.site.clone(), shims.clone(), EPMD_PORT);
        let nodes = Nodes::new(self.site.clone(), Arc::new(epmd));
        Arc::new(Commands::new(Arc::new(Instances::new(shims, self.site.clone(), Arc::new(Nobody), nodes))))
    }

    fn run(&self, script: &str) -> Run {
        let command = serde_json::from_value(json!(["/bin/sh", "-c", script])).unwrap();
        Run {
            kind: RunKind::Init { instance: INSTANCE },
            command: CommandLine::Program(command),
            target: TARGET,
            deployment: None,
        }
    }

    /// The app while the effect has no outcome.
    fn asked(&self, run: &Run) -> Arc<App> {
        let mut app = self.app.clone();
        app.outbox.insert(EFFECT, Effect::Run { run: run.clone() });
        Arc::new(app)
    }

    async fn is_there(&self, file: &str) {
        let path = self.tree().join(file);
        for_until(&format!("{} is there", path.display()), async || path.exists()).await;
    }
}

fn facts() -> Facts {
    Facts {
        kind: package::Kind::MixRelease,
        root: String::new(),
        release_name: "beacon".into(),
        main_application: None,
        version: "1.0.0".into(),
        erts: Some("13.1.5".into()),
        otp_release: None,
        compiled_with: None,
        start: package::recognise::StartScript { path: "bin/beacon".into(), arguments: vec!["start".into()] },
        applications: Vec::new(),
        has_debug_info: true,
        native_libraries: Vec::new(),
        boot_version: None,
        settings: None,
    }
}

pub(crate) fn app() -> App {
    let user = host::users::name_of(rustix::process::geteuid().as_raw());
    let settings = AppSettings { user, replicas: 1, ..AppSettings::default() };
    let new = NewVersion {
        label: "1.0.0".parse().unwrap(),
        digest: "00".repeat(32),
        size_bytes: 1,
        settings: settings.clone(),
        meta: Default::default(),
        pre_commands: Vec::new(),
    };
    let mut version = serde_json::to_value(&new).unwrap();
    let rest = json!({
        "id": VersionId(1), "registered_at": jiff::Timestamp::now(), "origin": Origin::Store,
        "revisions": { "0": Revision { settings: settings.into(), variables: Default::default() } },
        "revision": 0, "ghost": null, "pinned": false, "stored": true,
    });
    version.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let mut app = serde_json::to_value(App::new("beacon".parse().unwrap())).unwrap();
    app["next_effect"] = json!(EFFECT.0 + 1);
    let mut app: App = serde_json::from_value(app).unwrap();
    app.versions.push(serde_json::from_value::<Version>(version).unwrap());
    let instance = Instance {
        id: INSTANCE,
        place: Place(1),
        slot: Slot::A,
        target: TARGET,
        born: None,
        hot: None,
        upgrades: 0,
        status: Status::Initialising { effect: EFFECT, index: 0 },
        created_at: jiff::Timestamp::now(),
        run: 0,
        pid: None,
        up_since: None,
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

fn reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Failed { reason, .. } | Outcome::Unknown { reason } => reason,
        Outcome::Ok { .. } | Outcome::NoRoom { .. } | Outcome::Drained { .. } | Outcome::Upgraded { .. } => {
            "ok"
        }
    }
}

#[tokio::test]
async fn runs_once_and_tells_how_it_ended() {
    let world = World::new();
    let run = world.run("echo once >>out; exit 3");
    let app = world.asked(&run);
    let outcome = world.daemon(1).run(&app, EFFECT, &run).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains("exit 3"), "{outcome:?}");
    let again = world.daemon(2).run(&app, EFFECT, &run).await;
    assert!(reason(&again).contains("exit 3"), "{again:?}");
    assert_eq!(fs_err::read_to_string(world.tree().join("out")).unwrap(), "once\n");
}

#[tokio::test]
async fn given_up_before_it_begins_it_never_does() {
    let world = World::new();
    let run = world.run("touch began");
    let (app, daemon) = (world.asked(&run), world.daemon(1));
    assert!(matches!(daemon.halt(&app, EFFECT).await, Outcome::Ok { .. }));
    let outcome = daemon.run(&app, EFFECT, &run).await;
    assert!(reason(&outcome).contains("given up before it began"), "{outcome:?}");
    assert!(!world.tree().join("began").exists());
}

#[tokio::test]
async fn given_up_after_a_start_of_the_daemon_it_is_found_and_ended() {
    let world = World::new();
    let run = world.run("touch began; sleep 600");
    let app = world.asked(&run);
    let first = tokio::spawn({
        let (daemon, app, run) = (world.daemon(1), app.clone(), run.clone());
        async move { daemon.run(&app, EFFECT, &run).await }
    });
    world.is_there("began").await;
    first.abort();
    let next = world.daemon(2);
    // The outbox is performed in its order, both at once.
    let both = async { tokio::join!(next.run(&app, EFFECT, &run), next.halt(&app, EFFECT)) };
    let (outcome, _) = tokio::time::timeout(LONG, both).await.expect("it is ended");
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains("was ended after"), "{outcome:?}");
}

#[tokio::test]
async fn a_command_whose_runner_is_mute_is_unknown_and_left_to_end() {
    let world = World::new();
    let run = world.run("touch began; until [ -e go ]; do sleep 0.05; done; touch done");
    let app = world.asked(&run);
    let first = tokio::spawn({
        let (daemon, app, run) = (world.daemon(1), app.clone(), run.clone());
        async move { daemon.run(&app, EFFECT, &run).await }
    });
    world.is_there("began").await;
    first.abort();
    let runners = processes_with(b"run-beacon-e7", "cmdline");
    let ours = |pid: &&i32| {
        let line = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(world.host.folder.path().to_str().unwrap())
    };
    let runner = Pid::from_raw(*runners.iter().find(ours).expect("it has a runner")).unwrap();
    kill_process(runner, Signal::STOP).unwrap();
    let next = world.daemon(2);
    let outcome = next.run(&app, EFFECT, &run).await;
    kill_process(runner, Signal::CONT).unwrap();
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert!(reason(&outcome).contains("may still run"), "{outcome:?}");

    // The next effect dismisses runners, and trees last: when this one is gone, the runner has been looked at.
    let tree = world.site.paths.commands(&world.app.name).join("e6");
    fs_err::create_dir_all(&tree).unwrap();
    next.tidy_up(&Arc::new(world.app.clone())).await;
    assert!(!tree.exists());
    fs_err::write(world.tree().join("go"), "").unwrap();
    world.is_there("done").await;
    // It has ended: now its runner goes.
    let (shims, id) = (world.host.shims.clone(), host::shim::ShimId::new("run-beacon-e7").unwrap());
    for_until("its runner is dismissed", async || {
        next.tidy_up(&Arc::new(world.app.clone())).await;
        !shims.is_alive(&id).unwrap()
    })
    .await;
}
