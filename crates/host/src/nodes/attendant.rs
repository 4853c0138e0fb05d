//! One link's attendant: sees what becomes of the link, asks the node who it is, and keeps its part of the mesh.

use std::sync::Arc;
use std::time::Duration;

use dist::{Down, Identity, Node, Status};
use probe::Probe;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::debug;

use super::facts::NodeFacts;
use super::mesh::{Keeper, Mesh};
use super::seen::Seen;
use super::{Key, Nodes};

/// How long a node may take to say something of itself.
const ANSWER: Duration = Duration::from_secs(10);

/// Before a node is asked again that did not say.
const ASK_AGAIN: Duration = Duration::from_secs(10);

pub(super) struct Attendant {
    pub(super) nodes: Nodes,
    pub(super) key: Key,
    pub(super) mesh: Option<Mesh>,
    pub(super) node: Node,
    pub(super) seen: watch::Sender<Seen>,
}

impl Attendant {
    /// Until the link is given up.
    pub(super) async fn attend(self) {
        let mut status = self.node.status();
        loop {
            let now = status.borrow_and_update().clone();
            let changed = match now {
                Status::Up(up) => tokio::select! {
                    changed = status.changed() => changed,
                    () = self.stay(&up.identity) => return,
                },
                Status::Down(why) => {
                    self.lost(&why);
                    status.changed().await
                }
                Status::Connecting => status.changed().await,
            };
            if changed.is_err() {
                return;
            }
        }
    }

    fn lost(&self, why: &Arc<Down>) {
        let was_there = self.seen.borrow().facts.is_some();
        let why_not = Some(crate::chain(&**why));
        self.seen.send_replace(Seen { why_not, ..Seen::default() });
        if was_there {
            self.nodes.something_changed();
        }
    }

    /// For as long as there is a connection; it does not end by itself.
    async fn stay(&self, identity: &Identity) {
        let facts = NodeFacts::of(identity);
        self.seen.send_replace(Seen { facts: Some(facts), ..Seen::default() });
        self.nodes.something_changed();
        let mesh = async {
            match &self.mesh {
                Some(mesh) => Keeper::new(&self.nodes, &self.key, mesh, &self.node, &self.seen).keep().await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.learn(), mesh);
    }

    /// What the connection itself does not tell.
    async fn learn(&self) {
        let probe = Probe::new(self.node.clone());
        loop {
            match probe.facts(ANSWER).await {
                Ok(facts) => {
                    self.seen.send_modify(|seen| seen.facts = Some(NodeFacts::told(facts)));
                    return;
                }
                Err(error) => {
                    debug!(node = %self.node.name(), error = crate::chain(&error), "it did not say what it is");
                    sleep(ASK_AGAIN).await;
                }
            }
        }
    }
}
