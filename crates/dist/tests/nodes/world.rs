//! Real nodes with an epmd of their own, which end with their test.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use dist::{
    Address, Call, Cookie, HostPort, Limits, Node, NodeName, OwnName, Target, Timing, TlsIdentity, Up,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::ports::PortBlock;
use testkit::wait::LONG;
use testkit::wait_for;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The nodes' cookie.
pub(crate) const COOKIE: &str = "cookie_of_a_test";
/// For what is to happen, however busy the machine is.
pub(crate) const SOON: Duration = LONG;

/// A process that ends with its owner.
pub(crate) struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self(command.spawn().expect("Debian's erlang is installed"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An epmd and the nodes that register with it.
pub(crate) struct World {
    home: TempDir,
    pub(crate) epmd: HostPort,
    running_epmd: Running,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl World {
    pub(crate) async fn new() -> Self {
        let port = free_port();
        let mut command = Command::new("epmd");
        command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
        let running_epmd = Running::start(command);
        let epmd = HostPort::new("127.0.0.1", port);
        wait_for("epmd answers", SOON, async || dist::epmd::names(&epmd, SOON).await.ok()).await;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        Self { home: tempfile::tempdir().unwrap(), epmd, running_epmd, tasks, stop }
    }

    /// A folder for files of the test.
    pub(crate) fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Starts a node `name@localhost` with more arguments.
    pub(crate) fn start(&self, name: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new("erl");
        command
            .args(["-noinput", "-start_epmd", "false", "-sname", &format!("{name}@localhost")])
            .args(["-setcookie", COOKIE, "-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
            .args(arguments)
            .env("HOME", self.home.path())
            .env("ERL_EPMD_PORT", self.epmd.port.to_string())
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .current_dir(self.home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running::start(command)
    }

    /// How the node of this name is reached, as a hidden node with a name of its own.
    pub(crate) fn target(&self, name: &str) -> Target {
        Target {
            node: format!("{name}@localhost").parse().unwrap(),
            address: Address::Epmd(self.epmd.clone()),
            cookie: Cookie::new(COOKIE).unwrap(),
            tls: None::<TlsIdentity>,
            own_name: OwnName::Fixed(unique_name()),
            timing: Timing { connect: SOON, longest_wait: Duration::from_millis(500), ..Timing::default() },
            limits: Limits::default(),
        }
    }

    pub(crate) fn open(&self, target: Target) -> Node {
        Node::open(target, &self.tasks, &self.stop)
    }

    /// Starts a node and connects to it.
    pub(crate) async fn connected(&self, name: &str, arguments: &[&str]) -> (Running, Node) {
        let running = self.start(name, arguments);
        let node = self.open(self.target(name));
        up(&node).await;
        (running, node)
    }

    /// Ends epmd.
    pub(crate) fn kill_epmd(&mut self) {
        self.running_epmd.kill();
    }
}

/// A port that no other test has.
pub(crate) fn free_port() -> u16 {
    static PORTS: OnceLock<Mutex<PortBlock>> = OnceLock::new();
    let ports = PORTS.get_or_init(|| Mutex::new(PortBlock::take(|_| ())));
    ports.lock().unwrap().next(1)
}

/// A name that no other connection of the test program has.
pub(crate) fn unique_name() -> NodeName {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("bellrock{}@localhost", NEXT.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}

/// The connection, when there is one.
pub(crate) async fn up(node: &Node) -> std::sync::Arc<Up> {
    node.up(SOON).await.unwrap_or_else(|| panic!("not connected: {:?}", node.status().borrow()))
}

/// The value of a text.
pub(crate) async fn eval(node: &Node, text: &str) -> beam::Term {
    eval_with(node, text, []).await
}

/// The value of a text with variables.
pub(crate) async fn eval_with<'a>(
    node: &Node,
    text: &str,
    variables: impl IntoIterator<Item = (&'a str, beam::Term)>,
) -> beam::Term {
    let prepared = node.prepare(text, SOON).await.unwrap();
    node.eval(&prepared, variables, SOON).await.unwrap()
}

/// `erlang:Function()`.
pub(crate) async fn erlang(node: &Node, function: &str) -> beam::Term {
    node.call(&Call::new("erlang", function, []), SOON).await.unwrap()
}

/// An address of this machine.
pub(crate) fn local(port: u16) -> HostPort {
    HostPort::new(Ipv4Addr::LOCALHOST.to_string(), port)
}
