//! Our own links to the nodes of this host's instances.
//!
//! One [`dist::Node`] for each run of an instance: made when the run begins, dropped when it ends. A reconciler for each
//! app compares what a snapshot says with the links there are; nobody waits for a link, so that a node that cannot be reached
//! (or a release that starts none) holds up nothing, and costs one question to epmd every few seconds. Why there is no
//! connection is told.
//!
//! ```text
//! App snapshots ─▶ Nodes::follow ─▶ target (name, cookie, epmd) ─▶ dist::Node ─▶ Nodes::get ─▶ API, checks, stops
//!                                     admit: is it a process of this instance?
//! Nodes::keep_epmd ─▶ EpmdKeeper: while there are nodes there is an epmd
//!                                   attendant of each link ─▶ facts, mesh ─▶ Seen ─▶ Nodes::look ─▶ status
//! ```

mod attendant;
mod facts;
mod halt;
mod mesh;
mod seen;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dist::{Node, Status};
use model::app::{App, Instance, Target};
use model::settings::Distribution;
use model::{AppName, InstanceId};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::warn;

use crate::epmd::EpmdKeeper;
use crate::site::Site;
use crate::usage::Family;
use attendant::Attendant;
pub use facts::NodeFacts;
pub(crate) use halt::Halting;
use mesh::Mesh;
pub use seen::{Look, MeshSeen, Missing, Seen};
use target::TargetError;

/// The links of this host. A cheap copy leads to the same ones.
#[derive(Clone)]
pub struct Nodes {
    site: Arc<Site>,
    epmd: Arc<EpmdKeeper>,
    links: Arc<Mutex<Links>>,
    /// Rises with each node that comes or goes, and with each pair that was connected.
    changes: watch::Sender<u64>,
}

type Links = BTreeMap<Key, Linked>;
type Key = (AppName, InstanceId);

/// The link of one run of an instance.
struct Linked {
    run: u32,
    /// What runs there.
    of: (Arc<App>, Target),
    /// The node's name.
    name: String,
    link: Result<Link, Arc<TargetError>>,
}

struct Link {
    node: Node,
    mesh: Option<Mesh>,
    seen: watch::Receiver<Seen>,
    _attendant: AbortOnDropHandle<()>,
}

impl Nodes {
    /// None yet; [`Nodes::follow`] makes them.
    pub fn new(site: Arc<Site>, epmd: Arc<EpmdKeeper>) -> Self {
        Nodes { site, epmd, links: Arc::default(), changes: watch::Sender::new(0) }
    }

    /// The epmd that knows where the nodes listen.
    pub(crate) fn epmd(&self) -> &EpmdKeeper {
        &self.epmd
    }

    /// Has an epmd that is gone replaced while there are nodes, until told to stop.
    pub async fn keep_epmd(self, stop: CancellationToken) {
        let nodes = || self.links().values().map(|linked| linked.of.clone()).collect();
        stop.run_until_cancelled(self.epmd.keep(nodes)).await;
    }

    /// The node of an instance that runs, connected or not; `None` when it does not run or its node cannot be addressed.
    /// A connected one is a process of this very instance.
    pub fn get(&self, app: &AppName, instance: InstanceId) -> Option<Node> {
        let links = self.links();
        let linked = links.get(&(app.clone(), instance))?;
        linked.link.as_ref().ok().map(|link| link.node.clone())
    }

    /// The node of an instance that runs, connected.
    ///
    /// # Errors
    /// Why there is no connection within that time, in words.
    pub async fn connected(
        &self,
        app: &AppName,
        instance: InstanceId,
        within: Duration,
    ) -> Result<Node, String> {
        let Some(node) = self.get(app, instance) else {
            return Err("its process has just been started, or has no node that can be addressed".to_owned());
        };
        if node.up(within).await.is_some() {
            return Ok(node);
        }
        Err(match &*node.status().borrow() {
            Status::Down(why) => crate::chain(&**why),
            Status::Connecting | Status::Up(_) => "it is being made; try again".to_owned(),
        })
    }

    /// The node of an instance and what is seen of the link to it; `None` when it does not run, or has no node
    /// (`distribution = "off"`).
    pub fn look(&self, app: &AppName, instance: InstanceId) -> Option<Look> {
        let links = self.links();
        let linked = links.get(&(app.clone(), instance))?;
        let mut seen = match &linked.link {
            Ok(link) => link.seen.borrow().clone(),
            Err(why) => Seen { why_not: Some(crate::chain(&**why)), ..Seen::default() },
        };
        if let (Some(why_not), Some(no_epmd)) = (&mut seen.why_not, self.epmd.why_not()) {
            *why_not += &format!("; Bellrock could not start an epmd: {no_epmd}");
        }
        Some(Look { node: linked.name.clone(), seen })
    }

    /// Names of the nodes of a mesh that are connected with us, without the one of this instance.
    fn mesh(&self, mesh: &Mesh, without: &Key) -> BTreeSet<String> {
        let links = self.links();
        let others = links.iter().filter(|(key, _)| *key != without);
        let of_mesh = others.filter(|(_, linked)| {
            let link = linked.link.as_ref().ok().filter(|link| link.mesh.as_ref() == Some(mesh));
            link.is_some_and(|link| link.seen.borrow().facts.is_some())
        });
        of_mesh.map(|(_, linked)| linked.name.clone()).collect()
    }

    fn something_changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Follows an app's snapshots until told to stop; no link of the app outlives it.
    pub async fn follow(
        self,
        mut snapshots: watch::Receiver<Arc<App>>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) {
        let name = snapshots.borrow().name.clone();
        let _none_outlives = Forget { nodes: &self, app: name };
        loop {
            let app = snapshots.borrow_and_update().clone();
            self.reconcile(&app, &tasks, &stop).await;
            tokio::select! {
                () = stop.cancelled() => return,
                changed = snapshots.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn reconcile(&self, app: &Arc<App>, tasks: &TaskTracker, stop: &CancellationToken) {
        let has_node = |it: &Instance| {
            app.revision(it.target).is_some_and(|it| it.settings.distribution != Distribution::Off)
        };
        let runs = |it: &Instance| it.pid.is_some() && !it.is_gone() && has_node(it);
        self.links().retain(|(name, id), linked| {
            let instance = app.instances.get(id);
            *name != app.name || instance.is_some_and(|it| runs(it) && it.run == linked.run)
        });
        let fresh: Vec<&Instance> =
            app.instances.values().filter(|it| runs(it) && self.get(&app.name, it.id).is_none()).collect();
        for instance in fresh {
            let linked = Linked {
                run: instance.run,
                of: (app.clone(), instance.target),
                name: self.site.node(&app.name, instance),
                link: self.open(app, instance, tasks, stop).await,
            };
            self.links().insert((app.name.clone(), instance.id), linked);
        }
    }

    async fn open(
        &self,
        app: &Arc<App>,
        instance: &Instance,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Link, Arc<TargetError>> {
        let (site, of_app, of_instance) = (self.site.clone(), app.clone(), instance.clone());
        let epmd = self.epmd.address();
        let made = spawn_blocking(move || target::of(&site, &of_app, &of_instance, epmd)).await;
        let target = made.unwrap_or_else(|fault| Err(fault.into())).map_err(|error| {
            let (app, instance) = (&app.name, instance.id);
            warn!(%app, %instance, error = crate::chain(&error), "no link to its node can be made");
            Arc::new(error)
        })?;
        let family = Family::of(instance.pid.unwrap_or_default());
        let node = Node::open_if(target, Arc::new(move |node| target::admit(node, family)), tasks, stop);
        let mesh = app.revision(instance.target).and_then(|it| Mesh::of(&app.name, &it.settings.mesh));
        let (tell, seen) = watch::channel(Seen::default());
        let attendant = Attendant {
            nodes: self.clone(),
            key: (app.name.clone(), instance.id),
            mesh: mesh.clone(),
            node: node.clone(),
            seen: tell,
        };
        let attendant = AbortOnDropHandle::new(tasks.spawn(attendant.attend()));
        Ok(Link { node, mesh, seen, _attendant: attendant })
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().expect("nobody panics while holding it")
    }
}

/// Drops the links of an app.
struct Forget<'a> {
    nodes: &'a Nodes,
    app: AppName,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.nodes.links().retain(|(app, _), _| *app != self.app);
    }
}
