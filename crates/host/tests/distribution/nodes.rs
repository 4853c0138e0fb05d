//! Real nodes with an epmd of their own, which end with their test.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use beam::Term;
use dist::{
    Address, ConnectError, Cookie, Down, HostPort, Limits, Node, OwnName, Status, Target, Timing,
    TransportError,
};
use host::Paths;
use host::certificates::Certificates;
use jiff::Timestamp;
use tempfile::TempDir;
use testkit::ports::PortBlock;
use testkit::wait_for;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::SOON;

const COOKIE: &str = "cookie_of_a_test";

/// A process that ends with its owner.
pub(crate) struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("Debian's erlang is installed"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// A root with an authority of its own, and what it has signed for some apps.
pub(crate) struct Root {
    paths: Paths,
    pub(crate) certificates: Certificates,
}

/// An epmd, and nodes of apps at a host.
pub(crate) struct Nodes {
    home: TempDir,
    host: String,
    epmd: HostPort,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stopped: DropGuard,
    _running_epmd: Running,
    _ports: PortBlock,
}

impl Nodes {
    pub(crate) async fn new(host: &str) -> Self {
        let mut ports = PortBlock::take(|_| ());
        let port = ports.next(1);
        let mut command = Command::new("epmd");
        let running_epmd =
            Running::start(command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]));
        let epmd = HostPort::new("127.0.0.1", port);
        wait_for("epmd answers", SOON, async || dist::epmd::names(&epmd, SOON).await.ok()).await;
        let stop = CancellationToken::new();
        Nodes {
            home: tempfile::tempdir().unwrap(),
            host: host.to_owned(),
            epmd,
            tasks: TaskTracker::new(),
            _stopped: stop.clone().drop_guard(),
            stop,
            _running_epmd: running_epmd,
            _ports: ports,
        }
    }

    /// Another root.
    pub(crate) fn root(&self, name: &str) -> Root {
        // whatever stands in its path
        let paths = Paths::new(self.home.path().join(format!("{name} \"ü\"")));
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
        let name = if self.host.contains('.') { "-name" } else { "-sname" };
        let options = root.paths.distribution_options(&app.parse().unwrap());
        let mut command = Command::new("erl");
        command
            .args(["-noinput", "-start_epmd", "false", name, &format!("{app}@{}", self.host)])
            .args(["-setcookie", COOKIE, "-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
            .args(["-proto_dist", "inet_tls", "-ssl_dist_optfile"])
            .arg(options)
            .env("LANG", "C.UTF-8")
            .env("HOME", self.home.path())
            .env("ERL_EPMD_PORT", self.epmd.port.to_string())
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .current_dir(self.home.path());
        Running::start(&mut command)
    }

    /// Connects to an app's node as Bellrock does.
    pub(crate) fn open(&self, app: &str, root: &Root) -> Node {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let own = format!("bellrock{}@{}", NEXT.fetch_add(1, Ordering::Relaxed), self.host);
        let target = Target {
            node: format!("{app}@{}", self.host).parse().unwrap(),
            address: Address::Epmd(self.epmd.clone()),
            cookie: Cookie::new(COOKIE).unwrap(),
            tls: Some(root.certificates.identity().unwrap()),
            own_name: OwnName::Fixed(own.parse().unwrap()),
            timing: Timing { connect: SOON, longest_wait: Duration::from_millis(500), ..Timing::default() },
            limits: Limits::default(),
        };
        Node::open(target, &self.tasks, &self.stop)
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
    let prepared = node.prepare(text, SOON).await.unwrap();
    let value: Term = node.eval(&prepared, [], SOON).await.unwrap();
    beam::print::Erlang::default().print_flat(&value)
}
