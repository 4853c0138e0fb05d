//! Releases made of sources, and nodes that run them.

use std::path::Path;

use host::lowering::{Told, live, lower};
use hot::{Installed, Installer, Instructions, Outcome, Undo};
use probe::Probe;
use testkit::made;
use testkit::nodes::{Running, SOON, World, eval};
use testkit::release_handler::ReleaseHandler;
use upgrade::plan::{Direction, Plan, Verdict};
use upgrade::policy::Policy;

use crate::unpacked::Unpacked;

/// A node, and who installs in it.
pub(crate) struct Lab {
    pub(crate) node: dist::Node,
    pub(crate) installer: Installer,
    _running: Running,
}

/// A node for `release_handler` and one for us, which run the first of some releases.
pub(crate) struct Beside {
    pub(crate) naive: Lab,
    pub(crate) ours: Lab,
    pub(crate) releases: Vec<Unpacked>,
    pub(crate) handler: ReleaseHandler,
    _world: World,
}

/// A way from one release to another.
pub(crate) struct Way {
    pub(crate) plan: Plan,
    pub(crate) instructions: Instructions,
}

impl Beside {
    pub(crate) async fn new(releases: &[made::Release]) -> Self {
        let world = World::new().await;
        let (naive, ours) = tokio::join!(Lab::new(&world, "naive", &[]), Lab::new(&world, "ours", &[]));
        let mut unpacked = Vec::new();
        for release in releases {
            unpacked.push(naive.make(release, world.folder()).await);
        }
        Self::of(world, naive, ours, unpacked).await
    }

    /// Of releases that are made already.
    pub(crate) async fn of(world: World, naive: Lab, ours: Lab, releases: Vec<Unpacked>) -> Self {
        tokio::join!(naive.boot(&releases[0]), ours.boot(&releases[0]));
        let handler = ReleaseHandler::start(&naive.node, world.folder(), &releases[0].root).await;
        Self { naive, ours, releases, handler, _world: world }
    }

    /// The same in both nodes, which say the same.
    pub(crate) async fn both(&self, text: &str) -> String {
        let (naive, ours) = tokio::join!(self.naive.text(text), self.ours.text(text));
        assert_eq!(naive, ours, "nothing differs yet");
        ours
    }

    /// Offers `release_handler` what our planner writes for it.
    pub(crate) async fn offer_equal(&self, to: usize) {
        let (mut old, new) = (self.releases[to - 1].release.clone(), &self.releases[to].release);
        let plan = |one, other, way| upgrade::plan(one, other, &Policy { way, ..Policy::default() });
        let (up, down) = (plan(&old, new, Direction::Up), plan(new, &old, Direction::Down));
        if to == 1 {
            old.version.clone_from(&self.handler.booted);
        }
        let written = upgrade::relup::write(&old, new, &up, &down).unwrap();
        self.handler.offer(&self.releases[to].root, &new.version, &written.relup).await;
    }

    /// Offers it these instructions, Erlang text.
    pub(crate) async fn offer(&self, to: usize, up: &str) {
        let from = if to == 1 { &self.handler.booted } else { &self.releases[to - 1].release.version };
        let new = &self.releases[to];
        let version = &new.release.version;
        let relup = format!("{{\"{version}\", [{{\"{from}\", [], {up}}}], []}}.\n");
        self.handler.offer(&new.root, version, &relup).await;
    }

    /// Our way to a release from the one before it.
    pub(crate) fn way(&self, to: usize) -> Way {
        Way::new(&self.releases[to - 1], &self.releases[to], Direction::Up, &Told::default())
    }
}

impl Way {
    pub(crate) fn new(old: &Unpacked, new: &Unpacked, way: Direction, told: &Told) -> Self {
        let plan = upgrade::plan(&old.release, &new.release, &Policy { way, ..Policy::default() });
        let id = format!("{} to {}", old.release.version, new.release.version);
        let instructions = lower(&id, &plan, old.version(), new.version(), told).unwrap();
        Self { plan, instructions }
    }

    /// The codes that make it full.
    pub(crate) fn blocks(&self) -> Vec<String> {
        let blocks = self.plan.findings.iter().filter(|it| it.severity == upgrade::finding::Severity::Block);
        blocks.map(|it| it.code.to_string()).collect()
    }
}

impl Lab {
    pub(crate) async fn new(world: &World, name: &str, arguments: &[&str]) -> Self {
        let (running, node) = world.connected(name, arguments).await;
        let installer = Installer::new(Probe::new(node.clone()));
        Self { node, installer, _running: running }
    }

    pub(crate) async fn make(&self, release: &made::Release, below: &Path) -> Unpacked {
        Unpacked::of(release.write(&self.node, below).await)
    }

    pub(crate) async fn boot(&self, release: &Unpacked) {
        made::boot(&self.node, &release.root, &release.release.version).await;
    }

    pub(crate) async fn text(&self, text: &str) -> String {
        dist::shown(&eval(&self.node, text).await)
    }

    pub(crate) async fn install(&self, instructions: &Instructions) -> Outcome {
        self.installer.begin(instructions, SOON).await.unwrap();
        let progress = self.installer.wait(&instructions.id, SOON).await.unwrap();
        self.installer.acknowledge(&instructions.id, SOON).await.unwrap();
        progress.outcome.unwrap()
    }

    /// The codes that a look at the node adds.
    pub(crate) async fn looked(&self, way: &Way) -> Vec<String> {
        let preflight = self.installer.preflight(&way.instructions, SOON).await.unwrap();
        let found = live(&preflight, &way.instructions.bounds, &way.plan);
        found.iter().map(|finding| finding.code.to_string()).collect()
    }

    /// What is planned as hot is done, whole.
    pub(crate) async fn becomes(&self, way: &Way) -> Installed {
        assert_ne!(way.plan.verdict, Verdict::Full, "{:?}", way.plan.findings);
        let outcome = self.install(&way.instructions).await;
        let Outcome::Installed(installed) = outcome else { panic!("{outcome:?}") };
        assert_eq!((&installed.failure, &installed.complaints[..]), (&None, &[][..]));
        installed
    }

    /// As [`Self::becomes`], and nobody uses the code before.
    pub(crate) async fn becomes_hot(&self, way: &Way) -> Installed {
        let installed = self.becomes(way).await;
        assert_eq!(installed.undo, Undo::Hot);
        installed
    }
}
