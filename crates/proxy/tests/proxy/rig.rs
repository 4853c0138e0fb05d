//! A proxy in this process, with its folders and the daemon's side of its control socket.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proxy::{Listener, Options, Proxy};
use tempfile::TempDir;
use wire::proxy::{Backend, BackendMode, Front, Limits, Route, TABLE_FILE, Table};

use crate::client::Client;
use crate::daemon::Daemon;

/// Everything that is waited for comes long before.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Rig {
    proxy: Option<Proxy>,
    pub(crate) daemon: Daemon,
    pub(crate) folder: TempDir,
    /// Kept open, as a shim does.
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    pub(crate) table: Table,
}

impl Rig {
    /// A proxy with two cores and nothing to serve.
    pub(crate) fn new() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// The same, on this socket.
    pub(crate) fn on(listener: TcpListener) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let proxy = start(folder.path().into(), listener.try_clone().unwrap());
        let address = proxy.addresses()[0];
        let daemon = Daemon::connect(folder.path(), 1);
        let table = Table { epoch: 1, ..Table::default() };
        Self { proxy: Some(proxy), daemon, folder, listener, address, table }
    }

    /// Serves the app `beacon` by these instances.
    pub(crate) fn serving(instances: &[SocketAddr]) -> Self {
        let mut rig = Self::new();
        rig.table.routes = vec![route(instances)];
        rig.apply();
        rig
    }

    /// Applies `table` with the next revision.
    pub(crate) fn apply(&mut self) {
        self.table.revision += 1;
        self.daemon.set_table(&self.table).unwrap();
    }

    /// Changes the only route, and applies.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Route)) {
        change(&mut self.table.routes[0]);
        self.apply();
    }

    /// The proxy itself, for a test of its end.
    pub(crate) fn take_proxy(&mut self) -> Proxy {
        self.proxy.take().unwrap()
    }

    /// Another proxy on the same listening socket, with folders of its own and the same table saved there.
    pub(crate) fn successor(&self) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(self.folder.path().join(TABLE_FILE), folder.path().join(TABLE_FILE)).unwrap();
        let proxy = start(folder.path().into(), self.listener.try_clone().unwrap());
        let daemon = Daemon::connect(folder.path(), 1);
        let listener = self.listener.try_clone().unwrap();
        Rig { proxy: Some(proxy), daemon, folder, listener, address: self.address, table: self.table.clone() }
    }

    /// Tells the proxy to end; the thread returns when it has.
    pub(crate) fn end(&mut self, within: Duration) -> JoinHandle<()> {
        let proxy = self.take_proxy();
        std::thread::spawn(move || proxy.shut_down(within))
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// The counts of an instance of `beacon`.
    pub(crate) fn backend(&mut self, instance: u64) -> wire::proxy::BackendReport {
        let report = self.daemon.report();
        report.backends.into_iter().find(|backend| backend.instance == instance).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            proxy.shut_down(Duration::ZERO);
        }
    }
}

fn start(folder: PathBuf, socket: TcpListener) -> Proxy {
    let listeners = vec![Listener { socket, tls: false }];
    Proxy::start(Options { run: folder.clone(), state: folder, listeners, cores: 2 }).unwrap()
}

/// The route of `beacon`, for any host, with instances numbered from 1.
pub(crate) fn route(instances: &[SocketAddr]) -> Route {
    let backends = instances.iter().zip(1..).map(|(address, number)| backend(number, *address)).collect();
    Route {
        app: "beacon".into(),
        drain_ms: 10_000,
        hold_ms: 0,
        limits: Limits::default(),
        backends,
        ..Route::default()
    }
}

pub(crate) fn backend(number: u64, address: SocketAddr) -> Backend {
    Backend {
        instance: number,
        place: number as u32,
        version: format!("v{number}"),
        address: address.to_string(),
        mode: BackendMode::Active,
        run: 1,
        health_port: None,
        canary: false,
    }
}

pub(crate) fn front(change: impl FnOnce(&mut Front)) -> Front {
    let mut front = Front::default();
    change(&mut front);
    front
}

/// Waits until it holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < until, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// An address at which nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
