//! One attempt to find out how an instance is.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use model::settings::{Check, Command, PortName, Scheme};
use model::{AppName, InstanceId};
use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Confinement, node};
use crate::environment::Environment;
use crate::nodes::Nodes;

/// Bytes of an `exec` check's standard error that are looked at.
const MOST_SAID: u64 = 8 << 10;

/// What a process wrote just before its end may take a moment to be read.
const LAST_WORDS: Duration = Duration::from_millis(10);

/// What a check needs to know of its instance.
#[derive(Debug, Clone)]
pub struct ProbeTarget {
    /// Its app.
    pub app: AppName,
    /// Its number.
    pub instance: InstanceId,
    /// Its ports by the name of their variable.
    pub ports: Vec<(String, u16)>,
    /// Its tree, where an `exec` check runs.
    pub tree: PathBuf,
    /// Its environment, which an `exec` check gets.
    pub environment: Environment,
    /// What holds an `exec` check like the instance.
    pub confinement: Confinement,
    /// When its current run began; no change of the wall's clock moves it.
    pub up_since: Instant,
    /// Its main process, while that is known.
    pub pid: Option<u32>,
}

/// An attempt that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPassed {
    /// Nothing answered: it may not be listening yet.
    NoAnswer(String),
    /// It answered that it is not well.
    Answered(String),
}

impl NotPassed {
    /// What was found.
    pub fn why(&self) -> &str {
        match self {
            NotPassed::NoAnswer(why) | NotPassed::Answered(why) => why,
        }
    }
}

/// Makes attempts.
#[derive(Clone)]
pub struct Probe {
    http: reqwest::Client,
    nodes: Nodes,
}

impl Probe {
    /// A prober with its own HTTP client, which keeps no connections, and with these links to nodes.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(nodes: Nodes) -> Result<Self, reqwest::Error> {
        // Whoever came first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .no_proxy()
            .danger_accept_invalid_certs(true)
            .user_agent(concat!("bellrock-check/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Probe { http, nodes })
    }

    /// Makes one attempt.
    ///
    /// # Errors
    /// [`NotPassed`] says what was found.
    pub async fn attempt(
        &self,
        check: &Check,
        target: &ProbeTarget,
        within: Duration,
    ) -> Result<(), NotPassed> {
        match check {
            Check::HttpGet { scheme, port, path } => {
                self.http_get(*scheme, find(port, target)?, path, within).await
            }
            Check::Tcp { port } => tcp(find(port, target)?, within).await,
            Check::Exec { command } => exec(command, target, within).await,
            Check::RunsFor { time } => runs_for(*time, target),
            Check::Node => node::booted(&self.nodes, target, within).await,
            Check::Mfa { function } => node::function(function, &self.nodes, target, within).await,
        }
    }

    async fn http_get(
        &self,
        scheme: Scheme,
        port: u16,
        path: &str,
        within: Duration,
    ) -> Result<(), NotPassed> {
        let scheme = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let url = format!("{scheme}://127.0.0.1:{port}{path}");
        match self.http.get(&url).timeout(within).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(NotPassed::Answered(format!("GET {url} answered {}", response.status()))),
            Err(error) => {
                let why = format!("GET {url}: {}", root_cause(&error));
                // Who takes the connection listens, even if no good answer comes of it.
                Err(if error.is_connect() { NotPassed::NoAnswer(why) } else { NotPassed::Answered(why) })
            }
        }
    }
}

fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn find(port: &PortName, target: &ProbeTarget) -> Result<u16, NotPassed> {
    let name = port.to_string();
    let found = target.ports.iter().find(|(known, _)| *known == name).map(|(_, port)| *port);
    found.ok_or_else(|| NotPassed::Answered(format!("the app has no port {name}")))
}

async fn tcp(port: u16, within: Duration) -> Result<(), NotPassed> {
    match timeout(within, TcpStream::connect(("127.0.0.1", port))).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(NotPassed::NoAnswer(format!("port {port}: {error}"))),
        Err(_) => Err(NotPassed::NoAnswer(format!("port {port}: no answer in time"))),
    }
}

fn runs_for(time: Duration, target: &ProbeTarget) -> Result<(), NotPassed> {
    let up = target.up_since.elapsed();
    if up >= time {
        return Ok(());
    }
    Err(NotPassed::NoAnswer(format!("it has run for {}", model::human::duration(up))))
}

async fn exec(command: &Command, target: &ProbeTarget, within: Duration) -> Result<(), NotPassed> {
    let failed = |why: String| NotPassed::Answered(format!("`{command}` {why}"));
    match timeout(within, run(command, target)).await {
        Err(_) => Err(failed(format!("took longer than {}", model::human::duration(within)))),
        Ok(Err(error)) => Err(failed(format!("could not be run: {error}"))),
        Ok(Ok((status, _))) if status.success() => Ok(()),
        Ok(Ok((status, said))) => {
            let said = said.trim().lines().last().unwrap_or_default().chars().take(200).collect::<String>();
            let colon = if said.is_empty() { "" } else { ": " };
            Err(failed(format!("ended with {status}{colon}{said}")))
        }
    }
}

/// Runs a command to its end and gives the beginning of what it wrote to standard error. Given up, its whole process
/// group is killed.
async fn run(command: &Command, target: &ProbeTarget) -> io::Result<(ExitStatus, String)> {
    let program = crate::program::find(command.executable(), &target.tree, &target.environment)
        .map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
    let mut child = tokio::process::Command::new(&program);
    child
        .args(command.arguments())
        .current_dir(&target.tree)
        .env_clear()
        .envs(&target.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    target.confinement.clone().hold(&mut child);
    let mut group = Group(child.spawn()?);
    let mut said = Vec::new();
    let stderr = group.0.stderr.take();
    let status = {
        let listen = async {
            if let Some(stderr) = stderr {
                let mut beginning = stderr.take(MOST_SAID);
                let _ = beginning.read_to_end(&mut said).await;
                // The rest is taken, so that nobody waits for room in the pipe.
                let _ = tokio::io::copy(&mut beginning.into_inner(), &mut tokio::io::sink()).await;
            }
            std::future::pending::<()>().await;
        };
        // Something that it leaves in the background may keep its standard error open for ever.
        let end = async {
            let status = group.0.wait().await;
            tokio::time::sleep(LAST_WORDS).await;
            status
        };
        tokio::select! {
            status = end => status?,
            () = listen => unreachable!("it listens for ever"),
        }
    };
    Ok((status, String::from_utf8_lossy(&said).into_owned()))
}

/// A process that leads a group; dropped before it has ended, the whole group is killed.
struct Group(tokio::process::Child);

impl Drop for Group {
    fn drop(&mut self) {
        // Not reaped yet (it has an id), so the number is still its own.
        let leader = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(leader) = leader {
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}
