//! Real Erlang nodes with an epmd of their own, and our connections to them; all of it ends with its test.

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
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ports::PortBlock;
use crate::wait::LONG;
use crate::wait_for;

/// The nodes' cookie.
pub const COOKIE: &str = "cookie_of_a_test";
/// For what is to happen, however busy the machine is.
pub const SOON: Duration = LONG;

/// A process that ends with its owner.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self(command.spawn().expect("Debian's erlang is installed, and so is what starts it"))
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has ended and was waited for.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it is a child of ours");
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        self.0.wait().expect("it is a child of ours");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An epmd and the nodes that register with it.
#[derive(Debug)]
pub struct World {
    host: String,
    home: TempDir,
    /// Where its epmd listens.
    pub epmd: HostPort,
    running_epmd: Running,
    /// Among what connections run.
    pub tasks: TaskTracker,
    /// What ends them.
    pub stop: CancellationToken,
}

impl World {
    /// Starts an epmd for nodes at `localhost`.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn new() -> Self {
        Self::at("localhost").await
    }

    /// Starts an epmd for nodes that call the host so; a name with a dot makes their names long.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn at(host: &str) -> Self {
        let port = free_port();
        let mut command = Command::new("epmd");
        command.args(["-port", &port.to_string(), "-address", "127.0.0.1"]);
        let running_epmd = Running::start(command);
        let epmd = HostPort::new("127.0.0.1", port);
        wait_for("epmd answers", SOON, async || dist::epmd::names(&epmd, SOON).await.ok()).await;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let home = tempfile::tempdir().expect("/tmp can be written to");
        Self { host: host.to_owned(), home, epmd, running_epmd, tasks, stop }
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Starts a node of this name with more arguments.
    ///
    /// # Panics
    /// When Erlang is not installed.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new("erl");
        command
            .args(["-noinput", "-start_epmd", "false"])
            .args([if self.host.contains('.') { "-name" } else { "-sname" }, &self.called(name)])
            .args(["-setcookie", COOKIE, "-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
            .args(arguments)
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", self.epmd.port.to_string())
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .current_dir(self.home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running::start(command)
    }

    /// Starts a release of mix (`start`) or rebar3 (`foreground`) by its own script as the node `name@localhost`, with more
    /// variables in its environment.
    ///
    /// # Panics
    /// When there is no such script.
    pub fn release(&self, script: &Path, how: &str, name: &str, variables: &[(&str, &str)]) -> Running {
        let mut command = Command::new(script);
        command
            .arg(how)
            .env("RELEASE_NODE", format!("{name}@localhost"))
            .env("RELEASE_COOKIE", COOKIE)
            .env("RELEASE_DISTRIBUTION", "sname")
            .env("ERL_AFLAGS", "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}")
            .env("ERL_EPMD_PORT", self.epmd.port.to_string())
            .env("ERL_CRASH_DUMP_SECONDS", "0")
            .env("HOME", self.home.path())
            .envs(variables.iter().copied())
            .current_dir(self.home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running::start(command)
    }

    /// How the node of this name is reached, as a hidden node with a name of its own.
    ///
    /// # Panics
    /// When that is no name.
    pub fn target(&self, name: &str) -> Target {
        Target {
            node: self.called(name).parse().expect("a node's name"),
            address: Address::Epmd(self.epmd.clone()),
            cookie: Cookie::new(COOKIE).expect("a cookie"),
            tls: None::<TlsIdentity>,
            own_name: OwnName::Fixed(self.called(&unique()).parse().expect("a node's name")),
            timing: Timing { connect: SOON, longest_wait: Duration::from_millis(500), ..Timing::default() },
            limits: Limits::default(),
        }
    }

    fn called(&self, name: &str) -> String {
        format!("{name}@{}", self.host)
    }

    /// Keeps a connection to it.
    pub fn open(&self, target: Target) -> Node {
        Node::open(target, &self.tasks, &self.stop)
    }

    /// Starts a node and connects to it.
    ///
    /// # Panics
    /// When that takes longer than [`SOON`].
    pub async fn connected(&self, name: &str, arguments: &[&str]) -> (Running, Node) {
        let running = self.start(name, arguments);
        let node = self.open(self.target(name));
        up(&node).await;
        (running, node)
    }

    /// Ends epmd.
    pub fn kill_epmd(&mut self) {
        self.running_epmd.kill();
    }
}

/// A port that no other test has.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    static PORTS: OnceLock<Mutex<PortBlock>> = OnceLock::new();
    let ports = PORTS.get_or_init(|| Mutex::new(PortBlock::take(|_| ())));
    ports.lock().expect("no test panics while it takes a port").next(1)
}

/// A name that no other connection of the test program has.
///
/// # Panics
/// Never: it is a name.
pub fn unique_name() -> NodeName {
    format!("{}@localhost", unique()).parse().expect("a node's name")
}

fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("bellrock{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The connection, when there is one.
///
/// # Panics
/// When there is none within [`SOON`].
pub async fn up(node: &Node) -> std::sync::Arc<Up> {
    node.up(SOON).await.unwrap_or_else(|| panic!("not connected: {:?}", node.status().borrow()))
}

/// The value of a text.
///
/// # Panics
/// When it has none.
pub async fn eval(node: &Node, text: &str) -> beam::Term {
    eval_with(node, text, []).await
}

/// The value of a text with variables.
///
/// # Panics
/// When it has none.
pub async fn eval_with<'a>(
    node: &Node,
    text: &str,
    variables: impl IntoIterator<Item = (&'a str, beam::Term)>,
) -> beam::Term {
    let prepared = node.prepare(text, SOON).await.expect("Erlang text");
    node.eval(&prepared, variables, SOON).await.expect("it has a value")
}

/// Where the modules of Elixir and of IEx are; `None`, which is told, where this OTP is too new for the modules of the
/// Elixir that is installed.
///
/// # Panics
/// When Elixir is not installed.
pub fn elixir() -> Option<Vec<String>> {
    let text = "for app <- [:elixir, :iex], do: IO.puts(:code.lib_dir(app, :ebin))";
    let mut elixir = Command::new("elixir");
    elixir.args(["-e", text]).env("ERL_CRASH_DUMP_SECONDS", "0");
    let told = elixir.output().expect("Debian's elixir is installed");
    // the node's logger says it on stdout
    let complaint = String::from_utf8_lossy(&[&told.stdout[..], &told.stderr].concat()).into_owned();
    if complaint.contains("re-compile this module") {
        eprintln!("skipped: the installed Elixir does not run on this OTP");
        return None;
    }
    assert!(told.status.success(), "elixir ended with {}: {complaint}", told.status);
    Some(String::from_utf8_lossy(&told.stdout).lines().map(str::to_owned).collect())
}

/// `erlang:Function()`.
///
/// # Panics
/// When it fails.
pub async fn erlang(node: &Node, function: &str) -> beam::Term {
    node.call(&Call::new("erlang", function, []), SOON).await.expect("it returns")
}

/// An address of this machine.
pub fn local(port: u16) -> HostPort {
    HostPort::new(Ipv4Addr::LOCALHOST.to_string(), port)
}
