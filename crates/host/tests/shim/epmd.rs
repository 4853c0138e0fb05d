//! An epmd that was there before Bellrock and dies: its nodes are reached again, also by a daemon that starts anew.

use std::sync::Arc;

use host::Paths;
use host::certificates::Certificates;
use host::epmd::EpmdKeeper;
use host::nodes::{Nodes, Seen};
use host::shim::ShimId;
use host::site::Site;
use model::app::{App, Status};
use model::settings::HostSettings;
use package::HostPlatform;
use testkit::nodes::{COOKIE, SOON, World};
use testkit::wait_for;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::commands::{INSTANCE, app};
use crate::support::Host;

/// A node of an app's instance, and the epmd that it registers with.
struct Scene {
    world: World,
    host: Host,
    site: Arc<Site>,
    app: watch::Sender<Arc<App>>,
    _node: testkit::nodes::Running,
}

/// A daemon, as far as links go.
struct Daemon {
    nodes: Nodes,
    stop: CancellationToken,
    tasks: TaskTracker,
    _stopped: DropGuard,
}

impl Scene {
    async fn new() -> Self {
        let (world, host) = (World::new().await, Host::new());
        let paths = Paths::new(host.path("root"));
        fs_err::create_dir_all(paths.run()).unwrap();
        fs_err::create_dir_all(paths.cookies()).unwrap();
        fs_err::write(paths.cookies().join("beacon"), COOKIE).unwrap();
        let site = Arc::new(Site {
            certificates: Arc::new(Certificates::new(paths.clone(), "localhost")),
            paths,
            settings: HostSettings::default(),
            platform: HostPlatform::detect(),
            node_host: "localhost".into(),
        });
        let mut app = app();
        let instance = app.instances.get_mut(&INSTANCE).unwrap();
        let name = site.node(&"beacon".parse().unwrap(), instance);
        let node = world.start(name.split('@').next().unwrap(), &[]);
        (instance.status, instance.run, instance.pid) = (Status::Ready, 1, Some(node.pid()));
        Scene { world, host, site, app: watch::Sender::new(Arc::new(app)), _node: node }
    }

    fn daemon(&self) -> Daemon {
        let keeper = EpmdKeeper::new(self.site.clone(), self.host.shims.clone(), self.world.epmd.port);
        let nodes = Nodes::new(self.site.clone(), Arc::new(keeper));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(nodes.clone().follow(self.app.subscribe(), tasks.clone(), stop.clone()));
        Daemon { nodes, _stopped: stop.clone().drop_guard(), stop, tasks }
    }
}

impl Daemon {
    async fn sees(&self, what: &str, is: impl Fn(&Seen) -> bool) {
        let name = "beacon".parse().unwrap();
        wait_for(what, SOON, async || {
            self.nodes.look(&name, INSTANCE).filter(|look| is(&look.seen)).map(|_| ())
        })
        .await;
    }

    fn keeps_epmd(&self) {
        self.tasks.spawn(self.nodes.clone().keep_epmd(self.stop.clone()));
    }

    async fn ends(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[tokio::test]
async fn an_epmd_of_somebody_else_that_dies_is_replaced_and_nodes_register_again() {
    let mut scene = Scene::new().await;
    let first = scene.daemon();
    first.sees("the node is linked", |seen| seen.facts.is_some()).await;
    first.keeps_epmd();
    first.ends().await;
    let shim = ShimId::new("epmd").unwrap();
    assert!(!scene.host.shims.is_alive(&shim).unwrap(), "there was one");

    scene.world.kill_epmd();
    let next = scene.daemon();
    let no_epmd = |seen: &Seen| seen.why_not.as_ref().is_some_and(|why| why.contains("could not ask epmd"));
    next.sees("the next daemon finds no epmd", no_epmd).await;
    next.keeps_epmd();
    next.sees("it has linked again", |seen| seen.facts.is_some() && seen.why_not.is_none()).await;
    assert!(scene.host.shims.is_alive(&shim).unwrap(), "it is ours");
    let names = dist::epmd::names(&scene.world.epmd, SOON).await.unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    next.ends().await;
}

#[tokio::test]
async fn why_there_is_none_is_told() {
    let mut scene = Scene::new().await;
    scene.host.shims.shim_binary = "/nonexistent/bellrock-shim".into();
    scene.world.kill_epmd();
    let daemon = scene.daemon();
    daemon.keeps_epmd();
    let told = |seen: &Seen| {
        let why = seen.why_not.as_deref().unwrap_or_default();
        why.contains("could not ask epmd") && why.contains("Bellrock could not start an epmd: ")
    };
    daemon.sees("status says why", told).await;
    daemon.ends().await;
}
