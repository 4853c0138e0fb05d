//! Real nodes with an epmd of their own, which end with their test.

use dist::{ConnectError, Down, Node, Status, Target, TransportError};
use host::Paths;
use host::certificates::Certificates;
use jiff::Timestamp;
use testkit::nodes::{Running, SOON, World};
use testkit::wait_for;

/// A root with an authority of its own, and what it has signed for some apps.
pub(crate) struct Root {
    paths: Paths,
    pub(crate) certificates: Certificates,
}

/// An epmd, and nodes of apps at a host.
pub(crate) struct Nodes {
    world: World,
    host: String,
}

impl Nodes {
    pub(crate) async fn new(host: &str) -> Self {
        Nodes { world: World::at(host).await, host: host.to_owned() }
    }

    /// Another root.
    pub(crate) fn root(&self, name: &str) -> Root {
        // whatever stands in its path
        let paths = Paths::new(self.world.folder().join(format!("{name} \"ü\"")));
        fs_err::create_dir_all(paths.state()).unwrap();
        let certificates = Certificates::new(paths.clone(), &self.host);
        let now = Timestamp::now();
        certificates.make(now).unwrap();
        for app in ["beacon", "buoy", "stranger"] {
            certificates.provide(&app.parse().unwrap(), None, now).unwrap();
        }
        Root { paths, certificates }
    }

    /// Starts an app's node with what Bellrock has provided it with.
    pub(crate) fn start(&self, app: &str, root: &Root) -> Running {
        let options = root.paths.distribution_options(&app.parse().unwrap());
        let options = options.to_str().expect("the folder's name is text");
        self.world.start(app, &["-proto_dist", "inet_tls", "-ssl_dist_optfile", options])
    }

    /// Connects to an app's node as Bellrock does.
    pub(crate) fn open(&self, app: &str, root: &Root) -> Node {
        let tls = Some(root.certificates.identity().unwrap());
        self.world.open(Target { tls, ..self.world.target(app) })
    }

    /// Waits until an app's node is reached with these certificates, and says no to TLS.
    pub(crate) async fn refuses(&self, app: &str, root: &Root) {
        let node = self.open(app, root);
        let mut status = node.status();
        let said_no = |status: &Status| {
            let Status::Down(down) = status else { return false };
            matches!(**down, Down::Connect(ConnectError::Transport(TransportError::Tls(..))))
        };
        tokio::time::timeout(SOON, status.wait_for(said_no)).await.expect("it is refused").unwrap();
    }

    /// What a node does every two minutes: it looks which files have changed.
    pub(crate) async fn read_again(&self, node: &Node) {
        eval(node, "ssl_pem_cache_dist ! clear_pem_cache").await;
    }

    /// Waits until one node has met another.
    pub(crate) async fn meets(&self, node: &Node, other: &str) {
        let text = format!("net_adm:ping('{other}')");
        wait_for("the nodes meet", SOON, async || (eval(node, &text).await == "pong").then_some(())).await;
    }
}

/// Whether it is connected soon.
pub(crate) async fn is_connected(node: &Node) -> bool {
    node.up(SOON).await.is_some()
}

/// The value of an Erlang text, as Erlang writes it.
pub(crate) async fn eval(node: &Node, text: &str) -> String {
    beam::print::Erlang::default().print_flat(&testkit::nodes::eval(node, text).await)
}
