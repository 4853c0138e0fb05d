//! A temporary host: a root folder with a daemon of its own, and nothing left of either afterwards.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::app::TestApp;
use crate::client::Client;
use crate::ports::PortBlock;
use crate::wait::wait_for;
use crate::{config, epmd, processes, programs};

/// Hosts of one test program at the same time: what two cores bear.
static HOSTS: Semaphore = Semaphore::const_new(MOST_HOSTS as usize);

/// See [`HOSTS`].
const MOST_HOSTS: u32 = 4;

/// Stands in each daemon's environment and must never be found in anything that it starts.
pub const SECRET: &str = "DAEMONS_OWN_SECRET=8b0f4f0e";

/// Where hosts' folders are: short, and every user gets through.
const HOME: &str = "/tmp";

/// How long a daemon may take until it answers, or ends.
const DAEMON: Duration = Duration::from_secs(30);

/// How long killed processes may take to be gone.
const END: Duration = Duration::from_secs(20);

/// What a host is made of.
#[derive(Debug, Clone, Default)]
pub struct HostPlan {
    /// Laid over the tests' host settings.
    pub config: String,
    /// Below the host's folder; lets tests have long paths.
    pub folder: Option<String>,
    /// A root that outlives the test, perhaps of an earlier boot of this machine. It stays.
    pub root: Option<PathBuf>,
    /// Put before `bellrockd`, e.g. `unshare --net`.
    pub wrapper: Vec<String>,
    /// Whether no other host of this test program runs beside it.
    pub alone: bool,
}

impl HostPlan {
    /// Makes the host and starts its daemon.
    pub async fn start(self) -> TempHost {
        let host = self.make().await;
        host.start_daemon().await;
        host
    }

    /// Makes the host without starting its daemon.
    pub async fn make(self) -> TempHost {
        let permits = if self.alone { MOST_HOSTS } else { 1 };
        let permit = HOSTS.acquire_many(permits).await.expect("nobody closes it");
        epmd::ensure();
        let mut ports = PortBlock::take(sweep);
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.next(1)));
        let folder = self.root.is_none().then(|| new_folder(ports.number()));
        let top = folder.as_ref().map(|folder| folder.path().to_owned()).or(self.root).expect("one of both");
        let root = self.folder.map_or_else(|| top.clone(), |below| top.join(below));
        let etc = root.join("etc/bellrock");
        fs_err::create_dir_all(etc.join("apps")).expect("the folder is ours");
        fs_err::create_dir_all(root.join("run/bellrock")).expect("the folder is ours");
        fs_err::write(etc.join("config.toml"), config::host(http, &self.config)).expect("the folder is ours");
        TempHost {
            root,
            wrapper: self.wrapper,
            number: ports.number(),
            http,
            ports: Mutex::new(ports),
            daemon: Mutex::new(None),
            folder,
            _permit: permit,
        }
    }
}

/// A temporary host. Dropped, it ends everything that belongs to it and removes its folder; when the test
/// fails it prints the daemon's log first, and with `BELLROCK_KEEP=1` the folder stays.
#[derive(Debug)]
pub struct TempHost {
    root: PathBuf,
    wrapper: Vec<String>,
    number: u16,
    http: SocketAddr,
    ports: Mutex<PortBlock>,
    daemon: Mutex<Option<Child>>,
    folder: Option<TempDir>,
    _permit: SemaphorePermit<'static>,
}

impl TempHost {
    /// A host with a running daemon and the tests' settings.
    pub async fn start() -> Self {
        HostPlan::default().start().await
    }

    /// `--root`
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A number that no other living host has; it is part of its apps' names.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Where its proxy speaks HTTP, unless a plan's settings say otherwise.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// A path below the root.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.root.join(below)
    }

    /// So many ports in a row that nobody else uses; returns the first.
    ///
    /// # Panics
    /// When the host's ports are used up.
    pub fn ports(&self, count: u16) -> u16 {
        self.ports.lock().expect("nobody panics while holding it").next(count)
    }

    /// The client of its daemon.
    pub fn client(&self) -> Client {
        Client::new(&self.path("run/bellrock"))
    }

    /// An app with its settings in `etc/bellrock/apps`: quick ones, and `settings` laid over them. Its name is
    /// `base` with the host's number, since node names are known to the whole machine's epmd.
    pub fn app(&self, base: &str, settings: &str) -> TestApp<'_> {
        TestApp::new(self, base, settings)
    }

    /// What the daemon has written so far.
    pub fn daemon_log(&self) -> String {
        fs_err::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.root.join("daemon.log")
    }

    /// Starts the daemon and waits until it answers.
    ///
    /// # Panics
    /// When it ends instead, or does not answer in time.
    pub async fn start_daemon(&self) {
        self.spawn_daemon();
        self.wait_until_ready().await;
    }

    /// Starts the daemon; its environment is nothing but a path and a secret.
    ///
    /// # Panics
    /// When the program is missing.
    pub fn spawn_daemon(&self) {
        let child = self.daemon_command().spawn().unwrap_or_else(|error| panic!("bellrockd: {error}"));
        let before = self.daemon.lock().expect("nobody panics while holding it").replace(child);
        assert!(before.is_none(), "the daemon was started twice");
    }

    /// The command that starts a daemon on this root, its output added to the daemon's log.
    ///
    /// # Panics
    /// When the program is missing.
    pub fn daemon_command(&self) -> Command {
        let log = fs_err::OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.unwrap_or_else(|error| panic!("{error}")).into_parts().0;
        let daemon = programs::program("bellrockd");
        let words: Vec<_> = self.wrapper.iter().map(Into::into).chain([daemon.into_os_string()]).collect();
        let mut command = Command::new(&words[0]);
        let (name, value) = SECRET.split_once('=').expect("it has a value");
        command
            .args(&words[1..])
            .arg("--root")
            .arg(&self.root)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env(name, value)
            .env(crate::wanted::VARIABLE, self.wanted_faults())
            .stdin(Stdio::null())
            .stderr(log.try_clone().expect("a file can be duplicated"))
            .stdout(log);
        if let Some(filter) = std::env::var_os("BELLROCK_LOG") {
            command.env("BELLROCK_LOG", filter);
        }
        command
    }

    /// Waits until the daemon answers.
    ///
    /// # Panics
    /// When it ends instead, or does not answer in time.
    pub async fn wait_until_ready(&self) {
        let client = self.client();
        wait_for("the daemon answers", DAEMON, async || {
            self.check_daemon();
            client.daemon().await.ok()
        })
        .await;
    }

    /// The daemon's process id.
    ///
    /// # Panics
    /// When none was started.
    pub fn daemon_pid(&self) -> u32 {
        let daemon = self.daemon.lock().expect("nobody panics while holding it");
        daemon.as_ref().expect("the daemon was started").id()
    }

    /// Ends a test that waits for a daemon that will never answer.
    ///
    /// # Panics
    /// When the daemon has ended by itself.
    pub(crate) fn check_daemon(&self) {
        if let Some(status) = self.try_daemon_status() {
            panic!("the daemon ended with {status}");
        }
    }

    pub(crate) fn try_daemon_status(&self) -> Option<ExitStatus> {
        let mut daemon = self.daemon.lock().expect("nobody panics while holding it");
        daemon.as_mut()?.try_wait().expect("it is our child")
    }

    /// SIGKILL to the daemon; its end is waited for. Does nothing when there is none.
    pub fn kill_daemon(&self) {
        let daemon = self.daemon.lock().expect("nobody panics while holding it").take();
        if let Some(mut daemon) = daemon {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// SIGTERM to the daemon; returns how it ended.
    ///
    /// # Panics
    /// When there is none, or it does not end in time.
    pub async fn stop_daemon(&self) -> ExitStatus {
        let pid = i32::try_from(self.daemon_pid()).expect("a pid is positive");
        assert!(processes::signal(pid, &self.root, Signal::TERM), "the daemon is there");
        let status = self.daemon_ends().await;
        self.kill_daemon();
        status
    }

    /// Waits until the daemon has ended by itself.
    ///
    /// # Panics
    /// When it has not in time.
    pub async fn daemon_ends(&self) -> ExitStatus {
        wait_for("the daemon ends", DAEMON, async || self.try_daemon_status()).await
    }

    /// SIGKILL and a new start.
    pub async fn restart_daemon(&self) {
        self.kill_daemon();
        self.start_daemon().await;
    }

    fn end_everything(&self) {
        self.kill_daemon();
        let left = processes::end_all(&self.root, END);
        if !left.is_empty() {
            eprintln!("still there after SIGKILL: {left:?}");
        }
        remove_cgroups(&self.root, END);
    }

    fn tell_failure(&self) {
        eprintln!("--- daemon of {} ---\n{}", self.root.display(), self.daemon_log());
    }
}

impl Drop for TempHost {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell_failure();
        }
        self.end_everything();
        if let Some(folder) = self.folder.take() {
            if std::env::var_os("BELLROCK_KEEP").is_some() {
                keep(folder);
            } else if let Err(error) = remove(folder.path()) {
                eprintln!("could not remove {}: {error}", folder.path().display());
            }
        }
    }
}

/// A temporary folder that every user gets through: apps run as another one, when we are root.
fn new_folder(number: u16) -> TempDir {
    let folder = tempfile::Builder::new().prefix(&prefix(number)).tempdir_in(HOME).expect("/tmp is writable");
    let passable = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(folder.path(), passable).expect("the folder is ours");
    folder
}

/// What the names of a block's hosts begin with.
fn prefix(number: u16) -> String {
    format!("br-{number}-")
}

/// Ends and removes the hosts of a block that is nobody's any more: their test program was killed.
fn sweep(number: u16) {
    let prefix = prefix(number);
    let entries = fs_err::read_dir(HOME).into_iter().flatten().flatten();
    let stale = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    for root in stale.map(|entry| entry.path()) {
        processes::end_all(&root, END);
        remove_cgroups(&root, END);
        if let Err(error) = remove(&root) {
            eprintln!("could not remove what a killed test left: {error}");
        }
    }
}

/// Puts a host's folder where no sweep looks.
fn keep(folder: TempDir) {
    let path = folder.keep();
    let kept =
        Path::new(HOME).join(format!("kept-{}", path.file_name().unwrap_or_default().to_string_lossy()));
    match fs_err::rename(&path, &kept) {
        Ok(()) => eprintln!("kept: {}", kept.display()),
        Err(error) => eprintln!("kept: {} ({error})", path.display()),
    }
}

/// Removes a host's folder; unpacked versions are read-only, which only root ignores.
fn remove(folder: &Path) -> std::io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        let _ = Command::new("chmod").args(["-R", "u+w"]).arg(folder).status();
    }
    let deadline = Instant::now() + END;
    loop {
        match fs_err::remove_dir_all(folder) {
            // A dying process may have made a file behind our back.
            Err(error)
                if error.kind() == std::io::ErrorKind::DirectoryNotEmpty && Instant::now() < deadline => {}
            done => return done,
        }
    }
}

/// The instances' cgroups, wherever the hierarchy is mounted: a killed member leaves its cgroup a little later.
fn remove_cgroups(root: &Path, within: Duration) {
    let deadline = Instant::now() + within;
    let name: String =
        root.to_string_lossy().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
    for group in
        mounts.map(|mount| mount.join(format!("bellrock{name}"))).iter().filter(|group| group.is_dir())
    {
        while fs_err::remove_dir(group).is_err() && Instant::now() < deadline {
            for below in fs_err::read_dir(group).into_iter().flatten().flatten() {
                let _ = fs_err::write(below.path().join("cgroup.kill"), "1");
                let _ = fs_err::remove_dir(below.path());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// How a process ended, in one word for assertions: its status, or minus the signal.
pub fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| -signal)).unwrap_or(i32::MAX)
}
