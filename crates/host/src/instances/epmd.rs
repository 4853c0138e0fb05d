//! Erlang's port mapper: one per host, under a shim of its own, never started by a node.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Instance};
use package::tree::Unpacked;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use wire::shim::{Kind, LogFile, Owner, RestartPolicy, Start, State, Variable};

use super::{CLEAN_UP, Instances, LaunchError};
use crate::epmd::{MOST_NAMES_BYTES, parse_names};
use crate::shim::ShimId;
use crate::site::SiteError;
use crate::tell::Tell;
use crate::users::Account;

/// The port that every Erlang node asks (`ERL_EPMD_PORT` changes it; we do not).
const PORT: u16 = 4369;

/// How long an epmd may take to accept a connection.
const ANSWERS: Duration = Duration::from_secs(1);

/// How long a started epmd may take to listen.
const LISTENS: Duration = Duration::from_secs(5);

/// Where a system that has Erlang has its epmd.
const SYSTEMS_OWN: [&str; 2] = ["/usr/bin/epmd", "/usr/local/bin/epmd"];

impl<T: Tell> Instances<T> {
    /// Sees that an epmd runs: one that is there already, or ours.
    pub(super) async fn ensure_epmd(
        self: &Arc<Self>,
        app: &Arc<App>,
        instance: &Instance,
        unpacked: Unpacked,
    ) -> Result<(), LaunchError> {
        let _one_at_a_time = self.epmd.lock().await;
        if listens().await {
            return Ok(());
        }
        let (instances, app, target) = (self.clone(), app.clone(), instance.target);
        let start = spawn_blocking(move || {
            let settings = &app.revision(target).ok_or(SiteError::NoVersion)?.settings;
            let bin = instances.site.erlang_bin(&unpacked, settings)?;
            let program = instances.epmd_program(bin.join("epmd"))?;
            // A program of a package never gets more rights than the package's app.
            let account = instances.site.account(settings)?;
            Ok::<_, LaunchError>(start(program, account, &instances.site.paths.run()))
        })
        .await??;
        let id = ShimId::new("epmd".to_owned())?;
        let connected = self.shims.spawn_afresh(&id, CLEAN_UP).await?;
        if connected.welcome.status.state == State::Waiting {
            connected.handle.start(start).await?;
        }
        let deadline = Instant::now() + LISTENS;
        while !listens().await {
            if Instant::now() >= deadline {
                return Err(LaunchError::Epmd(format!(
                    "it does not listen on port {PORT}; see bellrock doctor"
                )));
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The system's epmd, else a copy of a release's: the release may be deleted while it runs.
    fn epmd_program(&self, from: PathBuf) -> Result<PathBuf, LaunchError> {
        if let Some(program) = SYSTEMS_OWN.map(PathBuf::from).into_iter().find(|program| program.is_file()) {
            return Ok(program);
        }
        let folder = self.site.paths.state().join("epmd");
        let own = folder.join("epmd");
        if own.is_file() {
            return Ok(own);
        }
        if !from.is_file() {
            return Err(LaunchError::Epmd(format!(
                "{} is not there; install Erlang, or start epmd yourself",
                from.display()
            )));
        }
        fs_err::create_dir_all(&folder)?;
        let new = folder.join("epmd.new");
        fs_err::copy(&from, &new)?;
        fs_err::rename(&new, &own)?;
        Ok(own)
    }
}

/// Names of the nodes that are registered, without their host; none when no epmd answers.
///
/// The request and the answer are those of the Erlang distribution protocol, `NAMES_REQ`: four bytes of epmd's own
/// port, then the names.
pub(super) async fn names() -> Vec<String> {
    let asked = timeout(ANSWERS, async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await?;
        stream.write_all(&[0, 1, b'n']).await?;
        let mut answer = Vec::new();
        stream.take(MOST_NAMES_BYTES).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    let Ok(Ok(answer)) = asked.await else { return Vec::new() };
    parse_names(answer.get(4..).unwrap_or_default())
}

async fn listens() -> bool {
    matches!(timeout(ANSWERS, TcpStream::connect((Ipv4Addr::LOCALHOST, PORT))).await, Ok(Ok(_)))
}

fn start(program: PathBuf, account: Option<Account>, cwd: &std::path::Path) -> Start {
    let log = LogFile { path: PathBuf::new(), max_bytes: 0, max_age_ms: 0, keep: 0 };
    Start {
        id: "epmd".into(),
        kind: Kind::Service,
        argv: vec![program.into_os_string()],
        cwd: cwd.to_owned(),
        env: vec![Variable { name: "ERL_EPMD_ADDRESS".into(), value: "127.0.0.1".into() }],
        owner: account.map(|it| Owner { uid: it.uid, gid: it.gid, groups: it.groups }),
        no_new_privs: true,
        stdout: log.clone(),
        stderr: log,
        restart: RestartPolicy::standard(),
        stop_timeout_ms: 1_000,
        ..Start::default()
    }
}
