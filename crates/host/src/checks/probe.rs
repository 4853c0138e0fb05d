//! One attempt to find out how an instance is.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use model::settings::{Check, Command, PortName, Scheme};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::environment::Environment;
use crate::users::Account;

/// What a check needs to know of its instance.
#[derive(Debug, Clone)]
pub struct ProbeTarget {
    /// Its ports by the name of their variable.
    pub ports: Vec<(String, u16)>,
    /// Its tree, where an `exec` check runs.
    pub tree: PathBuf,
    /// Its environment, which an `exec` check gets.
    pub environment: Environment,
    /// Whom an `exec` check runs as; `None`: as we do.
    pub account: Option<Account>,
    /// When its current run began.
    pub up_since: jiff::Timestamp,
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
}

impl Probe {
    /// A prober with its own HTTP client, which keeps no connections.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new() -> Result<Self, reqwest::Error> {
        // Whoever came first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .no_proxy()
            .danger_accept_invalid_certs(true)
            .user_agent(concat!("bellrock-check/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Probe { http })
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
            Err(error) => Err(NotPassed::NoAnswer(format!("GET {url}: {}", root_cause(&error)))),
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
    let up = Duration::try_from(jiff::Timestamp::now().duration_since(target.up_since)).unwrap_or_default();
    if up >= time {
        return Ok(());
    }
    Err(NotPassed::NoAnswer(format!("it has run for {}", model::human::duration(up))))
}

async fn exec(command: &Command, target: &ProbeTarget, within: Duration) -> Result<(), NotPassed> {
    let program = crate::program::find(command.executable(), &target.tree, &target.environment);
    let mut child = tokio::process::Command::new(&program);
    child
        .args(command.arguments())
        .current_dir(&target.tree)
        .env_clear()
        .envs(&target.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(account) = &target.account {
        child.uid(account.uid).gid(account.gid);
    }
    let no_answer = |why: String| NotPassed::Answered(format!("`{command}` {why}"));
    let spawned = child.spawn().map_err(|error| no_answer(format!("could not be started: {error}")))?;
    match timeout(within, spawned.wait_with_output()).await {
        Err(_) => Err(no_answer(format!("took longer than {}", model::human::duration(within)))),
        Ok(Err(error)) => Err(no_answer(error.to_string())),
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.trim().lines().last().unwrap_or_default().chars().take(200).collect::<String>();
            Err(no_answer(format!(
                "ended with {}{}{said}",
                output.status,
                if said.is_empty() { "" } else { ": " }
            )))
        }
    }
}
