//! The daemon's life: settings, lock, journal, what runs already, engines, API; then a signal, then the end.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use host::Paths;
use host::backup::Manifest;
use host::certificates::Certificates;
use host::checks::Probe;
use host::configuration::Evaluator;
use host::doer::HostDoer;
use host::export::Exports;
use host::instances::{Adopted, Instances};
use host::journal::Journal;
use host::proxy::{Keeper, Proxy, ProxyPlan, page, was_of_another_boot};
use host::shim::ShimHost;
use host::site::{Site, node_host};
use host::tasks::Tasks;
use jiff::Timestamp;
use model::app::{App, Event};
use model::export::Upstream;
use package::HostPlatform;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::certificate_keeper;
use crate::control::Control;
use crate::http::{self, Api};
use crate::intake::sweep_all;
use crate::partners::partners;
use crate::root_lock::RootLock;
use crate::settings::SettingsFiles;
use crate::store_poll::StorePoll;

/// How long connections and tasks may take to end when the daemon is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// How long apps wait for the proxy; they run without it too.
const PROXY: Duration = Duration::from_secs(5);

/// What the command line says.
pub struct Plan {
    /// `--root`
    pub root: PathBuf,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--shim`
    pub shim: Option<PathBuf>,
    /// `--proxy`
    pub proxy: Option<PathBuf>,
}

/// Runs the daemon until a signal ends it.
pub async fn run(plan: Plan) -> anyhow::Result<()> {
    let root = absolute(&plan.root)?;
    let paths = Paths::new(root);
    raise_file_limit();
    make_folders(&paths)?;
    let _lock = RootLock::take(&paths.daemon_lock())?;
    let settings_files = SettingsFiles::new(&paths, plan.config);
    let config = settings_files.load()?;
    let journal = Journal::open(&paths.database())?;
    sweep(&paths);
    let node_host = node_host(&config.settings);
    let site = Arc::new(Site {
        certificates: Arc::new(Certificates::new(paths.clone(), node_host.as_str())),
        node_host,
        settings: config.settings,
        platform: HostPlatform::detect(),
        paths,
    });
    let shims = ShimHost {
        run_root: site.paths.shims_run(),
        state_root: site.paths.shims_state(),
        shim_binary: program("bellrock-shim", "--shim", plan.shim)?,
        epoch: journal.next_epoch(Timestamp::now()).await?,
    };
    let proxy = proxy_plan(&site, plan.proxy).await?;
    let daemon = Daemon::new(site, settings_files, journal, shims, proxy)?;
    let apps: Vec<Arc<App>> = daemon.control.journal.apps().await?.into_iter().map(Arc::new).collect();
    daemon.start_proxy(&apps).await;
    daemon.adopt(&apps).await?;
    daemon.serve().await
}

/// Restores a backup, and says what to do next.
pub fn restore(root: &Path, backup: &Path) -> anyhow::Result<String> {
    let paths = Paths::new(absolute(root)?);
    let Manifest { host, at, packages, files, .. } = host::backup::restore(&paths, backup)?;
    let mut told = format!(
        "restored {} files of {host}, saved {at}; start bellrockd: each app comes up at the version that should run",
        files.len()
    );
    if !packages {
        told += "\nthe backup has no packages: deploy each app's package again";
    }
    Ok(told)
}

struct Daemon {
    control: Arc<Control>,
    keeper: Keeper,
    exports: Arc<Exports>,
    instances: Arc<Instances<Control>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Daemon {
    fn new(
        site: Arc<Site>,
        files: SettingsFiles,
        journal: Journal,
        shims: ShimHost,
        plan: Option<ProxyPlan>,
    ) -> anyhow::Result<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let front = plan.as_ref().map(|plan| plan.front.clone()).unwrap_or_default();
        let proxy = Proxy::new(shims.epoch, front);
        let keeper = Keeper { plan, shims: shims.clone(), paths: site.paths.clone(), proxy: proxy.clone() };
        let control =
            Arc::new(Control::new(site.clone(), files, journal.clone(), proxy.clone(), shims.clone()));
        let instances = Arc::new(Instances::new(shims, site, control.clone(), control.nodes.clone()));
        let evaluator = Evaluator::new(&instances, tasks.clone());
        let doer = HostDoer::new(instances.clone(), journal.clone(), proxy, evaluator.clone());
        let exports = doer.exports();
        let one_off = Arc::new(Tasks::new(&instances, journal.clone(), tasks.clone(), stop.clone()));
        let partners = partners(journal, doer);
        let probe =
            Probe::new(control.nodes.clone()).context("could not build the client for health checks")?;
        control.set_works(Arc::new(partners), probe, tasks.clone(), stop.clone(), one_off, evaluator);
        Ok(Daemon { control, keeper, exports, instances, tasks, stop })
    }

    /// The proxy comes first: after a reboot it holds requests until instances are ready. Its first table is complete,
    /// and made before any effect is performed that could change it.
    async fn start_proxy(&self, apps: &[Arc<App>]) {
        let proxy = &self.control.proxy;
        let rebooted = was_of_another_boot(&self.keeper.shims).await.unwrap_or_else(|error| {
            warn!(
                error = host::chain(&error),
                "could not tell whether the proxy ran since the host was started"
            );
            false
        });
        proxy.open(apps.iter().map(|app| page(&self.control.paths, app, rebooted)).collect());
        self.tasks.spawn(self.keeper.clone().run(self.stop.clone()));
        proxy.settled(PROXY).await;
        let offered = |app: &Arc<App>| match rebooted {
            true => Upstream::of_route(&app.name, None),
            false => Upstream::of(app),
        };
        if let Err(error) = self.exports.open(apps.iter().map(offered).collect()).await {
            warn!(
                error = host::chain(&error),
                "another proxy was not told what is ready; the next change tells it"
            );
        }
    }

    /// Finds what an earlier daemon started, and starts the engines with what was found.
    async fn adopt(&self, apps: &[Arc<App>]) -> anyhow::Result<()> {
        certificate_keeper::make_again(&self.control, apps).await;
        sweep_all(&self.control.paths, apps);
        let adopted = self.instances.adopt(apps).await.context("could not look for running instances")?;
        for (app, Adopted { alive, unknown, mut news }) in adopted {
            info!(app = %app.name, alive = alive.len(), unknown = unknown.len(), "app found in the journal");
            news.push(Event::Adopted { alive, unknown });
            self.control.start_app(Arc::unwrap_or_clone(app), news);
        }
        self.control.all_started();
        self.control.one_off().recover().await?;
        let evaluator = self.control.evaluator().clone();
        self.tasks.spawn(async move { evaluator.sweep().await });
        Ok(())
    }

    async fn serve(self) -> anyhow::Result<()> {
        // Before anybody can see that it is ready, and end it.
        let mut signals = Signals::new()?;
        let paths = &self.control.paths;
        let listener = http::bind(&paths.api_socket(), self.control.site.settings.api_group.as_deref())?;
        let api =
            Api { control: self.control.clone(), started_at: Timestamp::now(), stop: self.stop.clone() };
        let router = http::router(api);
        self.tasks.spawn(http::serve(listener, router, self.stop.clone(), GRACE));
        self.tasks.spawn(StorePoll::new(self.control.clone()).run(self.stop.clone()));
        self.tasks.spawn(self.control.nodes.clone().keep_epmd(self.stop.clone()));
        self.tasks.spawn(certificate_keeper::keep(self.control.clone(), self.stop.clone()));
        info!(root = %paths.root().display(), pid = std::process::id(), version = env!("CARGO_PKG_VERSION"), "ready");
        let signal = signals.next().await;
        info!(signal, "stopping; instances go on");
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(GRACE, self.tasks.wait()).await.is_err() {
            warn!("not everything ended in time");
        }
        Ok(())
    }
}

/// The signals that end the daemon.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

pub(crate) fn absolute(root: &Path) -> anyhow::Result<PathBuf> {
    fs_err::create_dir_all(root)?;
    Ok(fs_err::canonicalize(root)?)
}

/// Folders that apps must get through on the way to their own are 0711; what holds secrets is ours alone.
fn make_folders(paths: &Paths) -> anyhow::Result<()> {
    let passable = ["", "service", "commands", "assets", "data"].map(|below| paths.state().join(below));
    let private = [paths.uploads(), paths.shims_state(), paths.cookies(), paths.state().join("versions")];
    let readable =
        [paths.run(), paths.logs_root(), paths.store().join("versions"), paths.store().join("dist")];
    let more_private = [paths.shims_run(), paths.state().join("papers")];
    let modes = [(passable.as_slice(), 0o711), (&readable, 0o755), (&private, 0o700), (&more_private, 0o700)];
    for (folders, mode) in modes {
        for folder in folders {
            if !folder.is_dir() {
                if let Some(parent) = folder.parent() {
                    fs_err::create_dir_all(parent)?;
                }
                std::fs::DirBuilder::new()
                    .mode(mode)
                    .create(folder)
                    .with_context(|| format!("could not make {}", folder.display()))?;
            }
            fs_err::set_permissions(folder, std::fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// Removes what a crash left unfinished: uploads and half-made folders.
fn sweep(paths: &Paths) {
    let uploads = fs_err::read_dir(paths.uploads()).into_iter().flatten().flatten().map(|entry| entry.path());
    for path in uploads {
        let removed =
            if path.is_dir() { package::tree::remove_tree(&path) } else { fs_err::remove_file(&path) };
        if let Err(error) = removed {
            warn!(path = %path.display(), %error, "could not remove an unfinished upload");
        }
    }
    for top in ["versions", "service", "commands", "assets"] {
        for folder in folders_below(&paths.state().join(top), 2) {
            if let Err(error) = package::tree::sweep(&folder) {
                warn!(folder = %folder.display(), %error, "could not remove what was left unfinished");
            }
        }
    }
}

fn folders_below(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    if depth > 0 {
        let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        found.extend(folders.flat_map(|entry| folders_below(&entry.path(), depth - 1)));
    }
    found
}

/// What the proxy shall be, by the host's settings.
async fn proxy_plan(site: &Arc<Site>, named: Option<PathBuf>) -> anyhow::Result<Option<ProxyPlan>> {
    if !site.settings.proxy.is_on() {
        return Ok(None);
    }
    let program = program("bellrock-proxy", "--proxy", named)?;
    let site = site.clone();
    let plan = spawn_blocking(move || ProxyPlan::of(&site.settings, program, &site.paths)).await?;
    plan.context("proxy.user in config.toml cannot be used")
}

/// A program of ours: the one beside this program, unless an option names another.
pub(crate) fn program(name: &str, option: &str, named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let beside = || {
        let own = std::env::current_exe().context("could not tell where this program is")?;
        anyhow::Ok(own.with_file_name(name))
    };
    let program = named.map_or_else(beside, Ok)?;
    if !program.is_file() {
        bail!("{name} is not at {}; install it there, or name it with {option}", program.display());
    }
    Ok(fs_err::canonicalize(program)?)
}

/// Each shim and each connection needs a descriptor: as many as the hard limit allows.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        warn!(%error, "could not raise the limit of open files");
    }
}
