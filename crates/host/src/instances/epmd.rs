//! Erlang's port mapper: one per host, under a shim of its own, never started by a node.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Instance};
use package::tree::Unpacked;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use wire::shim::{Kind, LogFile, RestartPolicy, Start, State, Variable};

use super::{CLEAN_UP, Instances, LaunchError};
use crate::shim::ShimId;
use crate::site::SiteError;
use crate::tell::Tell;

/// The port that every Erlang node asks (`ERL_EPMD_PORT` changes it; we do not).
const PORT: u16 = 4369;

/// How long a started epmd may take to listen.
const LISTENS: Duration = Duration::from_secs(5);

impl<T: Tell> Instances<T> {
    /// Sees that an epmd runs: one that is there already, or ours.
    pub(super) async fn ensure_epmd(
        self: &Arc<Self>,
        app: &App,
        instance: &Instance,
        unpacked: &Unpacked,
    ) -> Result<(), LaunchError> {
        let _one_at_a_time = self.epmd.lock().await;
        if listens().await {
            return Ok(());
        }
        let settings = &app.revision(instance.target).ok_or(SiteError::NoVersion)?.settings;
        let program = self.epmd_program(self.site.erlang_bin(unpacked, settings)?.join("epmd"))?;
        let id = ShimId::new("epmd".to_owned())?;
        let connected = self.shims.spawn_afresh(&id, CLEAN_UP).await?;
        if connected.welcome.status.state == State::Waiting {
            connected.handle.start(start(program, &self.site.paths.run())).await?;
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

    /// A copy of a release's epmd: the release may be deleted while it runs.
    fn epmd_program(&self, from: PathBuf) -> Result<PathBuf, LaunchError> {
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

async fn listens() -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await.is_ok()
}

fn start(program: PathBuf, cwd: &std::path::Path) -> Start {
    let log = LogFile { path: PathBuf::new(), max_bytes: 0, max_age_ms: 0, keep: 0 };
    Start {
        id: "epmd".into(),
        kind: Kind::Service,
        argv: vec![program.into_os_string()],
        cwd: cwd.to_owned(),
        env: vec![Variable { name: "ERL_EPMD_ADDRESS".into(), value: "127.0.0.1".into() }],
        no_new_privs: true,
        stdout: log.clone(),
        stderr: log,
        restart: RestartPolicy::standard(),
        stop_timeout_ms: 1_000,
        ..Start::default()
    }
}
