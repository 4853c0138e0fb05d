//! The host's epmd: one that is there already, or ours under a shim of its own, never started by a node.
//!
//! An instance is not started without one. While nodes run it is looked at again and again, so that one that has died,
//! whoever had started it, is replaced: nodes register again by themselves (`erl_epmd` does so every 2 s since OTP 23.3),
//! and can be found by those that are not connected with them yet.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dist::HostPort;
use model::app::{App, Target};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use wire::shim::{Kind, LogFile, Owner, RestartPolicy, Start, State, Variable};

use crate::shim::{ShimError, ShimHost, ShimId};
use crate::site::{Site, SiteError};
use crate::users::Account;

/// How long an epmd may take to accept a connection.
const ANSWERS: Duration = Duration::from_secs(1);

/// How long a started epmd may take to listen.
const LISTENS: Duration = Duration::from_secs(5);

/// How long the clean-up after a dead shim of it may take.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Between two looks at it.
const LOOK: Duration = Duration::from_secs(3);

/// Looks in a row that find none before ours is started: who restarts theirs gets the port.
const LOOKS: u32 = 2;

/// Where a system that has Erlang has its epmd.
const SYSTEMS_OWN: [&str; 2] = ["/usr/bin/epmd", "/usr/local/bin/epmd"];

/// Why there is no epmd.
#[derive(Debug, thiserror::Error)]
pub enum NoEpmd {
    /// Something about the app whose program it would be could not be told.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// Neither the system nor the app's runtime has the program.
    #[error("{} is not there; install Erlang, or start epmd yourself", .0.display())]
    NoProgram(PathBuf),
    /// The program could not be copied to where it outlives the app's version.
    #[error("could not copy its program")]
    Copy(#[from] std::io::Error),
    /// Its shim could not be used.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// It was started and does not listen.
    #[error("it was started and does not listen on port {0}; see bellrock doctor")]
    Silent(u16),
    /// A worker thread panicked.
    #[error("a worker ended unexpectedly")]
    Worker(#[from] tokio::task::JoinError),
}

/// Sees to it that an epmd runs.
#[derive(Debug)]
pub struct EpmdKeeper {
    site: Arc<Site>,
    shims: ShimHost,
    port: u16,
    one_at_a_time: tokio::sync::Mutex<()>,
    /// What came of the last attempt to replace one, unless it was well.
    why_not: Mutex<Option<String>>,
}

impl EpmdKeeper {
    /// For the epmd on this port ([`EPMD_PORT`](super::EPMD_PORT), as every node has it that is not told another one).
    pub fn new(site: Arc<Site>, shims: ShimHost, port: u16) -> Self {
        EpmdKeeper {
            site,
            shims,
            port,
            one_at_a_time: tokio::sync::Mutex::default(),
            why_not: Mutex::default(),
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> HostPort {
        HostPort::new(Ipv4Addr::LOCALHOST.to_string(), self.port)
    }

    /// Names of the nodes that are registered, without their host; none when no epmd answers.
    pub(crate) async fn names(&self) -> Vec<String> {
        let names = dist::epmd::names(&self.address(), ANSWERS).await.unwrap_or_default();
        names.into_iter().map(|node| node.name).collect()
    }

    /// Sees that an epmd runs: one that is there already, or ours, by the system's program or the app's.
    ///
    /// # Errors
    /// [`NoEpmd`].
    pub(crate) async fn ensure(&self, app: &Arc<App>, target: Target) -> Result<(), NoEpmd> {
        let _one_at_a_time = self.one_at_a_time.lock().await;
        if self.connect().await.is_ok() {
            return Ok(());
        }
        let (site, of_app, port) = (self.site.clone(), app.clone(), self.port);
        let start = spawn_blocking(move || start(&site, &of_app, target, port)).await??;
        let connected = self.shims.spawn_afresh(&ShimId::new("epmd".to_owned())?, CLEAN_UP).await?;
        if connected.welcome.status.state == State::Waiting {
            connected.handle.start(start).await?;
        }
        let deadline = Instant::now() + LISTENS;
        while self.connect().await.is_err() {
            if Instant::now() >= deadline {
                return Err(NoEpmd::Silent(self.port));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Replaces one that is gone, for ever. `nodes` names those that need it; without any nothing is done.
    pub(crate) async fn keep(&self, nodes: impl Fn() -> Vec<(Arc<App>, Target)>) {
        let mut looks_without = 0;
        loop {
            sleep(LOOK).await;
            let nodes = nodes();
            if nodes.is_empty() || !self.is_gone().await {
                looks_without = 0;
                self.say(None);
                continue;
            }
            looks_without += 1;
            if looks_without >= LOOKS {
                self.replace(&nodes).await;
            }
        }
    }

    /// Why the one that is gone could not be replaced, if so.
    pub(crate) fn why_not(&self) -> Option<String> {
        self.why_not.lock().expect("nobody panics while holding it").clone()
    }

    /// By the first app that has a program for it.
    async fn replace(&self, nodes: &[(Arc<App>, Target)]) {
        let mut why_not = None;
        for (app, target) in nodes {
            match self.ensure(app, *target).await {
                Ok(()) => {
                    info!(port = self.port, "epmd was gone: there is one again, and nodes register with it");
                    why_not = None;
                    break;
                }
                Err(error) => why_not = Some(crate::chain(&error)),
            }
        }
        self.say(why_not);
    }

    fn say(&self, why_not: Option<String>) {
        let mut said = self.why_not.lock().expect("nobody panics while holding it");
        if let Some(why) = why_not.as_ref().filter(|why| said.as_ref() != Some(why)) {
            warn!(port = self.port, why, "epmd is gone and could not be started again; tried again");
        }
        *said = why_not;
    }

    /// Whether nobody listens there. One that is too busy to answer is there.
    async fn is_gone(&self) -> bool {
        self.connect().await.is_err_and(|kind| kind == ErrorKind::ConnectionRefused)
    }

    async fn connect(&self) -> Result<(), ErrorKind> {
        match timeout(ANSWERS, TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))).await {
            Ok(connected) => connected.map(|_| ()).map_err(|error| error.kind()),
            Err(_) => Err(ErrorKind::TimedOut),
        }
    }
}

/// What its shim is told; reads files and asks for the app's user: it blocks.
fn start(site: &Site, app: &App, target: Target, port: u16) -> Result<Start, NoEpmd> {
    let settings = &app.revision(target).ok_or(SiteError::NoVersion)?.settings;
    // A program of a package never gets more rights than the package's app.
    let account = site.account(settings)?;
    let program = program(site, app, target)?;
    Ok(start_of(program, account, &site.paths.run(), port))
}

/// The system's epmd, else a copy of a release's: the release may be deleted while it runs.
fn program(site: &Site, app: &App, target: Target) -> Result<PathBuf, NoEpmd> {
    if let Some(program) = SYSTEMS_OWN.map(PathBuf::from).into_iter().find(|program| program.is_file()) {
        return Ok(program);
    }
    let folder = site.paths.state().join("epmd");
    let own = folder.join("epmd");
    if own.is_file() {
        return Ok(own);
    }
    let settings = &app.revision(target).ok_or(SiteError::NoVersion)?.settings;
    let from = site.erlang_bin(&site.unpacked(app, target)?, settings)?.join("epmd");
    if !from.is_file() {
        return Err(NoEpmd::NoProgram(from));
    }
    fs_err::create_dir_all(&folder)?;
    let new = folder.join("epmd.new");
    fs_err::copy(&from, &new)?;
    fs_err::rename(&new, &own)?;
    Ok(own)
}

fn start_of(program: PathBuf, account: Option<Account>, cwd: &Path, port: u16) -> Start {
    let log = LogFile { path: PathBuf::new(), max_bytes: 0, max_age_ms: 0, keep: 0 };
    let variable = |name: &str, value: String| Variable { name: name.into(), value: value.into() };
    Start {
        id: "epmd".into(),
        kind: Kind::Service,
        argv: vec![program.into_os_string()],
        cwd: cwd.to_owned(),
        env: vec![
            variable("ERL_EPMD_ADDRESS", Ipv4Addr::LOCALHOST.to_string()),
            variable("ERL_EPMD_PORT", port.to_string()),
        ],
        owner: account.map(|it| Owner { uid: it.uid, gid: it.gid, groups: it.groups }),
        no_new_privs: true,
        stdout: log.clone(),
        stderr: log,
        restart: RestartPolicy::standard(),
        stop_timeout_ms: 1_000,
        ..Start::default()
    }
}
