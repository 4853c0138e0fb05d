//! An app with two versions, one instance of it under its shim, and what upgrades it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use host::Paths;
use host::certificates::Certificates;
use host::configuration::Evaluator;
use host::epmd::EpmdKeeper;
use host::hot_upgrades::{HotUpgrades, Wish};
use host::instances::Instances;
use host::nodes::Nodes;
use host::site::Site;
use host::{Tell, Untold};
use model::app::{App, Event, Instance, Outcome, ShimFact, Status, Target, Version};
use model::settings::{AppSettings, HostSettings, VariableValue};
use model::{AppName, Place, VersionId};
use package::HostPlatform;
use rustix::process::{Pid, Signal, kill_process};
use testkit::nodes::{SOON, World, eval, free_port};
use testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use upgrade::policy::Policy;

use crate::commands::{INSTANCE, app};
use crate::support::Host;

pub(crate) const OLD: Target = Target { version: VersionId(1), revision: 0 };
pub(crate) const NEW: Target = Target { version: VersionId(2), revision: 0 };

/// See the module. What ends first stands first.
pub(crate) struct Stand {
    _stopped: DropGuard,
    pub(crate) upgrades: HotUpgrades<Book>,
    pub(crate) instances: Arc<Instances<Book>>,
    pub(crate) nodes: Nodes,
    pub(crate) site: Arc<Site>,
    pub(crate) book: Arc<Book>,
    pub(crate) port: u16,
    _world: World,
    _host: Host,
}

/// What the engine would know.
pub(crate) struct Book(watch::Sender<Arc<App>>);

impl Tell for Book {
    fn tell(&self, _: &AppName, event: Event) -> impl Future<Output = Result<(), Untold>> + Send {
        if let Event::Shim { instance, fact, .. } = event {
            self.0.send_modify(|app| {
                let Some(instance) = Arc::make_mut(app).instances.get_mut(&instance) else { return };
                match fact {
                    ShimFact::Started { run, pid, .. } => (instance.run, instance.pid) = (run, Some(pid)),
                    ShimFact::Exited { .. } => instance.pid = None,
                    _ => {}
                }
            });
        }
        std::future::ready(Ok(()))
    }
}

impl Stand {
    /// With the packages of both versions; the first is started. Variables are those of the new one.
    pub(crate) async fn new(packages: [&Path; 2], variables: &[(&str, String)]) -> Self {
        let (world, host) = (World::new().await, Host::new());
        let paths = Paths::new(host.path("root"));
        for folder in [paths.run(), paths.cookies(), paths.logs(&"beacon".parse().unwrap())] {
            fs_err::create_dir_all(folder).unwrap();
        }
        let site = Arc::new(Site {
            certificates: Arc::new(Certificates::new(paths.clone(), "localhost")),
            paths,
            settings: HostSettings::default(),
            platform: HostPlatform::detect(),
            node_host: "localhost".into(),
        });
        let port = free_port();
        let mut app = app();
        install(&site, &mut app, packages, |settings, version| {
            settings.port = port;
            let epmd = ("ERL_EPMD_PORT", world.epmd.port.to_string());
            let more = if version == NEW.version { variables } else { &[] };
            settings.variables = more
                .iter()
                .chain([&epmd])
                .map(|(name, value)| (name.parse().unwrap(), VariableValue::Text(value.clone())))
                .collect();
        });
        let instance = app.instances.get_mut(&INSTANCE).unwrap();
        instance.status = Status::Starting;
        let book = Arc::new(Book(watch::Sender::new(Arc::new(app))));
        let keeper = EpmdKeeper::new(site.clone(), host.shims.clone(), world.epmd.port);
        let nodes = Nodes::new(site.clone(), Arc::new(keeper));
        let instances =
            Arc::new(Instances::new(host.shims.clone(), site.clone(), book.clone(), nodes.clone()));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(nodes.clone().follow(book.0.subscribe(), tasks.clone(), stop.clone()));
        let upgrades = HotUpgrades::new(instances.clone(), Evaluator::new(&instances, tasks));
        let _stopped = stop.drop_guard();
        let stand =
            Stand { _stopped, upgrades, instances, nodes, site, book, port, _world: world, _host: host };
        stand.start().await;
        stand
    }

    async fn start(&self) {
        let (app, instance) = (self.app(), self.instance());
        for outcome in
            [self.instances.create(&app, &instance).await, self.instances.launch(&app, &instance).await]
        {
            assert!(matches!(outcome, Outcome::Ok { .. }), "{outcome:?}");
        }
        self.serves(0).await;
    }

    /// Waits until a later run than this one serves; which.
    pub(crate) async fn serves(&self, after: u32) -> u32 {
        let serves = async || {
            let run = Some(self.instance().run).filter(|run| *run > after)?;
            self.node().await?;
            self.ask("/health").await.filter(|told| told.starts_with("HTTP/1.1 200")).map(|_| run)
        };
        wait_for("it serves", SOON, serves).await
    }

    pub(crate) fn app(&self) -> Arc<App> {
        self.book.0.borrow().clone()
    }

    pub(crate) fn instance(&self) -> Instance {
        self.app().instances[&INSTANCE].clone()
    }

    async fn node(&self) -> Option<dist::Node> {
        self.nodes.connected(&self.app().name, INSTANCE, Duration::from_millis(100)).await.ok()
    }

    /// What a text comes to in the node.
    pub(crate) async fn told(&self, text: &str) -> String {
        let node = wait_for("a link to the node", SOON, async || self.node().await).await;
        dist::shown(&eval(&node, text).await)
    }

    async fn ask(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    }

    /// The version that answers requests.
    pub(crate) async fn version(&self) -> String {
        let answer = self.ask("/").await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let told: serde_json::Value = serde_json::from_str(body).unwrap();
        told["version"].as_str().unwrap().to_owned()
    }

    pub(crate) fn wish(&self, id: &str) -> Wish {
        Wish { id: id.to_owned(), to: NEW, policy: Policy::default(), within: SOON }
    }

    /// Sends its VM a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.instance().pid.unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Kills the VM, and waits until its shim has started it again.
    pub(crate) async fn starts_anew(&self) {
        let run = self.instance().run;
        self.signal(Signal::KILL);
        self.serves(run).await;
    }
}

fn install(site: &Site, app: &mut App, packages: [&Path; 2], with: impl Fn(&mut AppSettings, VersionId)) {
    let template = serde_json::to_value(&app.versions[0]).unwrap();
    app.versions.clear();
    for (package, target) in packages.into_iter().zip([OLD, NEW]) {
        let folder = site.paths.version(&app.name, &format!("{}.0.0", target.version.0).parse().unwrap());
        fs_err::create_dir_all(folder.parent().unwrap()).unwrap();
        let (platform, limits) = (&site.platform, package::Limits::default());
        let unpacked =
            package::tree::install_version(package, None, None, &folder, platform, &limits).unwrap();
        let mut version: Version = serde_json::from_value(template.clone()).unwrap();
        version.id = target.version;
        version.label = format!("{}.0.0", target.version.0).parse().unwrap();
        version.digest = unpacked.digest.to_string();
        let revision = version.revisions.get_mut(&0).unwrap();
        with(std::sync::Arc::make_mut(&mut revision.settings), target.version);
        app.versions.push(version);
    }
    app.instances.get_mut(&INSTANCE).unwrap().place = Place(1);
}

/// What a source becomes.
type Edit = dyn Fn(&str) -> String;

/// A sample of beacon with modules changed (by the names of their sources) and lines added to its `runtime.exs`, packed
/// below a folder.
pub(crate) fn edited(sample: &str, below: &Path, edits: &[(&str, &Edit)], runtime: &str) -> PathBuf {
    let sample = testkit::sample(sample);
    let (root, package) = (below.join("tree"), below.join("edited.tar.gz"));
    fs_err::create_dir_all(&root).unwrap();
    run(Command::new("tar").arg("xzf").arg(&sample.path).arg("-C").arg(&root));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/beacon/lib/beacon");
    let lib = |name: &str| {
        let mut folders = fs_err::read_dir(root.join("lib")).unwrap().map(|entry| entry.unwrap().path());
        folders
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name))
            .unwrap()
            .join("ebin")
    };
    let mut elixirc = Command::new("elixirc");
    elixirc.args(["--ignore-module-conflict", "-pa"]).arg(lib("beacon-")).arg("-pa").arg(lib("skiff-"));
    elixirc.arg("-o").arg(lib("beacon-"));
    for (name, edit) in edits {
        let (text, file) = (fs_err::read_to_string(sources.join(name)).unwrap(), below.join(name));
        let changed = edit(&text);
        assert_ne!(changed, text);
        fs_err::write(&file, changed).unwrap();
        elixirc.arg(file);
    }
    run(&mut elixirc);
    let config = root.join("releases").join(&sample.version).join("runtime.exs");
    fs_err::write(&config, fs_err::read_to_string(&config).unwrap() + runtime).unwrap();
    run(Command::new("tar").arg("czf").arg(&package).arg("-C").arg(&root).arg("."));
    package
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
