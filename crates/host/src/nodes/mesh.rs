//! The mesh: instances are connected with one another and stay so.
//!
//! A reconciler for each node: it asks its node whom it is connected with, compares that with those it shall be connected
//! with, and has it connect (`net_kernel:connect_node/1`) where one is missing. Of two nodes the one whose name comes first
//! does it. Nothing is remembered: a daemon that starts anew, or a node that does, finds by the same way what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use beam::Term;
use dist::{Call, CallError, Node};
use futures_util::future::join_all;
use model::settings::MeshSettings;
use model::{AppName, MeshName};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info};

use super::seen::{MeshSeen, Missing, Seen};
use super::{Key, Nodes};

/// How often a node is asked whom it is connected with, while nothing is known to have changed.
const LOOK: Duration = Duration::from_secs(5);

/// What changes at once is looked at once.
const TOGETHER: Duration = Duration::from_millis(100);

/// How long that answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a node may take to connect with another: longer than `net_setuptime`, 7 s unless the release says more.
const CONNECT: Duration = Duration::from_secs(15);

/// Before the second attempt to connect two nodes; it doubles with each.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Before any attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Whose nodes are connected with one another: those that have one cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mesh {
    /// The instances of one app.
    App(AppName),
    /// Those of all apps that name it.
    Named(MeshName),
}

impl Mesh {
    /// The mesh that an app's settings ask for.
    pub(super) fn of(app: &AppName, settings: &MeshSettings) -> Option<Self> {
        settings.connect.then(|| match &settings.name {
            Some(name) => Mesh::Named(name.clone()),
            None => Mesh::App(app.clone()),
        })
    }
}

/// Keeps one node's part of its mesh.
pub(super) struct Keeper<'a> {
    nodes: &'a Nodes,
    key: &'a Key,
    mesh: &'a Mesh,
    node: &'a Node,
    seen: &'a watch::Sender<Seen>,
    attempts: BTreeMap<String, Attempt>,
}

/// The last attempt to connect with a node.
#[derive(Debug, Clone)]
struct Attempt {
    wait: Duration,
    next: Instant,
    why: String,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        nodes: &'a Nodes,
        key: &'a Key,
        mesh: &'a Mesh,
        node: &'a Node,
        seen: &'a watch::Sender<Seen>,
    ) -> Self {
        Keeper { nodes, key, mesh, node, seen, attempts: BTreeMap::new() }
    }

    /// Does so for ever.
    pub(super) async fn keep(mut self) {
        let mut changes = self.nodes.changes();
        loop {
            changes.mark_unchanged();
            let next = self.look().await;
            tokio::select! {
                () = sleep_until(next) => {}
                // its sender lives as long as we do
                _ = changes.changed() => sleep(TOGETHER).await,
            }
        }
    }

    /// Looks once and mends what is to be mended now; when to look again.
    async fn look(&mut self) -> Instant {
        let found = match self.neighbours().await {
            Ok(found) => found,
            Err(error) => {
                debug!(node = %self.node.name(), error = crate::chain(&error), "it does not say whom it is connected with");
                return Instant::now() + LOOK;
            }
        };
        let wanted = self.nodes.mesh(self.mesh, self.key);
        let (connected, missing): (Vec<String>, Vec<String>) =
            wanted.into_iter().partition(|peer| found.contains(peer));
        self.attempts.retain(|peer, _| missing.contains(peer));
        self.tell(&connected, &missing);
        let due: Vec<&String> = missing.iter().filter(|peer| self.is_due(peer)).collect();
        if due.is_empty() {
            let next = self.attempts.values().map(|attempt| attempt.next).min();
            return next.unwrap_or_else(|| Instant::now() + LOOK).min(Instant::now() + LOOK);
        }
        let made = join_all(due.into_iter().map(async |peer| (peer, self.connect(peer).await))).await;
        let made: Vec<(String, Result<(), String>)> =
            made.into_iter().map(|(peer, made)| (peer.clone(), made)).collect();
        for (peer, made) in made {
            self.attempted(peer, made);
        }
        // the others see it by this, and so do we
        self.nodes.something_changed();
        Instant::now()
    }

    fn tell(&self, connected: &[String], missing: &[String]) {
        let missing = missing.iter().map(|node| Missing {
            node: node.clone(),
            why: self.attempts.get(node).map(|attempt| attempt.why.clone()),
        });
        let mesh = MeshSeen { connected: connected.to_vec(), missing: missing.collect() };
        self.seen.send_if_modified(|seen| {
            let is_new = seen.mesh.as_ref() != Some(&mesh);
            seen.mesh = Some(mesh);
            is_new
        });
    }

    /// Whether it is our node's turn to connect with that one, and time.
    fn is_due(&self, peer: &str) -> bool {
        let is_time = |attempt: &Attempt| attempt.next <= Instant::now();
        self.node.name().as_str() < peer && self.attempts.get(peer).is_none_or(is_time)
    }

    /// Notes an attempt; it is forgotten as soon as the two are seen connected.
    fn attempted(&mut self, peer: String, made: Result<(), String>) {
        let before = self.attempts.get(&peer).map(|attempt| attempt.wait);
        let wait = before.map_or(SHORTEST_WAIT, |wait| (wait * 2).min(LONGEST_WAIT));
        match &made {
            Ok(()) => info!(node = %self.node.name(), peer, "connected with each other"),
            Err(why) if before.is_none() => {
                info!(node = %self.node.name(), peer, why, "could not be connected; tried again");
            }
            Err(_) => {}
        }
        let why = made.err().unwrap_or_else(|| "the connection was lost at once".to_owned());
        self.attempts.insert(peer, Attempt { wait, next: Instant::now() + wait, why });
    }

    async fn neighbours(&self) -> Result<BTreeSet<String>, CallError> {
        // all of them: a node that is hidden from the others (`-hidden`) is connected all the same
        let call = Call::new("erlang", "nodes", [Term::atom("connected")]);
        let nodes = self.node.call(&call, ANSWER).await?;
        let nodes = nodes.as_list().unwrap_or_default();
        Ok(nodes.iter().filter_map(|node| node.as_atom().map(str::to_owned)).collect())
    }

    async fn connect(&self, peer: &str) -> Result<(), String> {
        let call = Call::new("net_kernel", "connect_node", [Term::atom(peer)]);
        let answer = self.node.call(&call, CONNECT).await.map_err(|error| crate::chain(&error))?;
        match answer.as_atom() {
            Some("true") => Ok(()),
            _ => Err("it could not connect (its log says more)".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_of_one_name_are_one_mesh_and_others_are_not() {
        let (beacon, buoy): (AppName, AppName) = ("beacon".parse().unwrap(), "buoy".parse().unwrap());
        let own = MeshSettings::default();
        let shared = MeshSettings { name: Some("harbour".parse().unwrap()), ..MeshSettings::default() };
        assert_eq!(Mesh::of(&beacon, &shared), Mesh::of(&buoy, &shared));
        assert_ne!(Mesh::of(&beacon, &own), Mesh::of(&buoy, &own));
        assert_ne!(Mesh::of(&beacon, &own), Mesh::of(&beacon, &shared));
        assert_eq!(Mesh::of(&beacon, &MeshSettings { connect: false, ..shared }), None);
        let same_word = MeshSettings { name: Some("buoy".parse().unwrap()), ..MeshSettings::default() };
        assert_ne!(
            Mesh::of(&beacon, &same_word),
            Mesh::of(&buoy, &own),
            "a mesh and an app may share a name"
        );
    }
}
