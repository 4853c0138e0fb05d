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
//! ```

mod target;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use dist::Node;
use model::app::{App, Instance};
use model::{AppName, InstanceId};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::site::Site;
pub use target::TargetError;

/// The links of this host. A cheap copy leads to the same ones.
#[derive(Clone)]
pub struct Nodes {
    site: Arc<Site>,
    links: Arc<Mutex<Links>>,
}

type Links = BTreeMap<(AppName, InstanceId), Linked>;

/// The link of one run of an instance.
struct Linked {
    run: u32,
    node: Result<Node, Arc<TargetError>>,
}

/// How it is with the link to an instance's node.
#[derive(Debug, Clone)]
pub enum LinkState {
    /// Followed; its [`Node::status`] says the rest.
    Node(Node),
    /// It could not even be tried.
    Impossible(Arc<TargetError>),
}

impl Nodes {
    /// None yet; [`Nodes::follow`] makes them.
    pub fn new(site: Arc<Site>) -> Self {
        Nodes { site, links: Arc::default() }
    }

    /// The node of an instance that runs, connected or not; `None` when it does not run or its node cannot be addressed.
    /// A connected one is a process of this very instance.
    pub fn get(&self, app: &AppName, instance: InstanceId) -> Option<Node> {
        match self.state(app, instance)? {
            LinkState::Node(node) => Some(node),
            LinkState::Impossible(_) => None,
        }
    }

    /// How it is with the link to an instance's node; `None` when it does not run.
    pub fn state(&self, app: &AppName, instance: InstanceId) -> Option<LinkState> {
        let links = self.links();
        let linked = links.get(&(app.clone(), instance))?;
        Some(match &linked.node {
            Ok(node) => LinkState::Node(node.clone()),
            Err(why) => LinkState::Impossible(why.clone()),
        })
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
        let runs = |it: &Instance| it.pid.is_some() && !it.is_gone();
        self.links().retain(|(name, id), linked| {
            let instance = app.instances.get(id);
            *name != app.name || instance.is_some_and(|it| runs(it) && it.run == linked.run)
        });
        let fresh: Vec<&Instance> =
            app.instances.values().filter(|it| runs(it) && self.get(&app.name, it.id).is_none()).collect();
        for instance in fresh {
            let node = self.open(app, instance, tasks, stop).await;
            let linked = Linked { run: instance.run, node };
            self.links().insert((app.name.clone(), instance.id), linked);
        }
    }

    async fn open(
        &self,
        app: &Arc<App>,
        instance: &Instance,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Node, Arc<TargetError>> {
        let (site, of_app, of_instance) = (self.site.clone(), app.clone(), instance.clone());
        let made = spawn_blocking(move || target::of(&site, &of_app, &of_instance)).await;
        let target = made.unwrap_or_else(|fault| Err(fault.into())).map_err(|error| {
            let (app, instance) = (&app.name, instance.id);
            warn!(%app, %instance, error = crate::chain(&error), "no link to its node can be made");
            Arc::new(error)
        })?;
        let main = instance.pid.unwrap_or_default();
        Ok(Node::open_if(target, Arc::new(move |node| target::admit(node, main)), tasks, stop))
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
