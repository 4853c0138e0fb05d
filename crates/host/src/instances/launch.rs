//! Bringing an instance up.

use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Instance, Outcome};
use model::settings::{AppSettings, Strategy};
use package::tree::{Check, Unpacked, instance_tree};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::warn;
use wire::shim::{
    CrashDump, Kind, Limit, LogFile, Owner, ResourceLimit, RestartPolicy, SetRun, Start, State, Variable,
};

use super::{ANSWER, CLEAN_UP, Instances, Which};
use crate::environment::Environment;
use crate::epmd::NoEpmd;
use crate::shim::{Found, Handle, ShimError};
use crate::site::{Site, SiteError};
use crate::start::Starter;
use crate::tell::Tell;
use crate::users::Account;

/// How long ports and node name of an instance that has just ended may take to become free.
const PLACE_FREE: Duration = Duration::from_secs(5);

/// Between two looks at them.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Largest crash dump; a bigger one is cut.
pub(crate) const MOST_DUMP_BYTES: u64 = 512 << 20;

/// Why an instance could not be brought up.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Something about it could not be told.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// Its version cannot be used.
    #[error(transparent)]
    Version(#[from] crate::versions::VersionError),
    /// Its tree could not be laid out.
    #[error("could not lay out its tree")]
    Tree(#[from] package::tree::InstanceError),
    /// A folder or file of it could not be made.
    #[error("could not make its folders")]
    Folders(#[from] std::io::Error),
    /// Its shim could not be used.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// Somebody else listens on its port.
    #[error("port {port} is in use{}; free it, or give the app other ports (port in its settings)", by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default())]
    PortInUse {
        /// The port.
        port: u16,
        /// Who listens there, where it can be seen.
        by: Option<String>,
    },
    /// Another node has registered the name.
    #[error(
        "another Erlang node on this host is called {node}; stop it (epmd -names lists them), or give the app another name"
    )]
    NodeNameInUse {
        /// The name.
        node: String,
    },
    /// Its command's program is nowhere.
    #[error(transparent)]
    NoProgram(#[from] crate::program::NoProgram),
    /// There is no epmd and none could be started.
    #[error("Erlang's port mapper (epmd) does not run and could not be started")]
    Epmd(#[from] NoEpmd),
    /// An earlier attempt got further than it was told, and failed.
    #[error("its shim died")]
    ShimDied,
    /// A worker thread panicked.
    #[error("a worker ended unexpectedly")]
    Worker(#[from] tokio::task::JoinError),
}

impl<T: Tell> Instances<T> {
    /// Lays out an instance's tree. Done twice, it finds it there.
    pub async fn create(self: &Arc<Self>, app: &Arc<App>, instance: &Instance) -> Outcome {
        outcome(self.lay_out(app, instance).await)
    }

    /// Lays out an instance's tree, with what a start needs in it.
    pub(crate) async fn lay_out(&self, app: &Arc<App>, instance: &Instance) -> Result<(), LaunchError> {
        let unpacked = crate::versions::whole(&self.site, app, instance.target, Check::Quick).await?;
        let (site, app, instance) = (self.site.clone(), app.clone(), instance.clone());
        spawn_blocking(move || {
            let settings = &app.revision(instance.target).ok_or(SiteError::NoVersion)?.settings;
            let account = site.account(settings)?;
            for folder in [site.paths.logs(&app.name), site.paths.crash_dumps(&app.name)] {
                fs_err::create_dir_all(folder)?;
            }
            if settings.strategy == Strategy::Member {
                make_writable_folder(&site.paths.data(&app.name, instance.place), account.as_ref())?;
            }
            let tree = site.tree(&app.name, &instance);
            fs_err::create_dir_all(tree.parent().unwrap_or(Path::new("/")))?;
            let owner = account.as_ref().map(|it| package::tree::Owner { uid: it.uid, gid: it.gid });
            instance_tree(&unpacked.path, &tree, owner)?;
            site.write_private_files(&app.name, settings, &tree, account.as_ref())?;
            site.write_sys_config(&app, instance.target, instance.place, instance.slot, &tree)?;
            Ok(())
        })
        .await?
    }

    /// Tells an instance's shim to start it and keep it running. Done twice, it finds it started.
    pub async fn launch(self: &Arc<Self>, app: &Arc<App>, instance: &Instance) -> Outcome {
        match self.start(app, instance).await {
            Ok(by) => Outcome::Ok { detail: by.map(|by| by.to_string()) },
            Err(error) => outcome(Err(error)),
        }
    }

    /// By what it was started; `None`: it had been.
    async fn start(
        self: &Arc<Self>,
        app: &Arc<App>,
        instance: &Instance,
    ) -> Result<Option<Starter>, LaunchError> {
        let which = Which { app: app.name.clone(), place: instance.place, instance: instance.id };
        let id = which.shim_id();
        let handle = match self.living(&id) {
            Some(living) => living.handle,
            None => self.spawn_for(&which, instance.seq).await?,
        };
        // One that an earlier daemon told to start is left alone; a crash may have come before that.
        if handle.status().await?.state != State::Waiting {
            return Ok(None);
        }
        match self.make_ready(app, instance).await {
            // Whatever goes wrong from here on, it may have been started.
            Ok((start, by)) => {
                handle.start(start).await?;
                Ok(Some(by))
            }
            Err(error) => {
                self.forget_living(&id);
                handle.release().await?;
                self.shims.forget(&id)?;
                Err(error)
            }
        }
    }

    /// Tells an instance's shim what it starts next, where it has one; the number of the run that was under way then, if one
    /// was.
    pub(crate) async fn set_run(
        self: &Arc<Self>,
        app: &Arc<App>,
        instance: &Instance,
    ) -> Result<Option<u32>, LaunchError> {
        let which = Which { app: app.name.clone(), place: instance.place, instance: instance.id };
        let living = match self.living(&which.shim_id()) {
            Some(living) => Some(living),
            None => self.find(&which).await?,
        };
        let Some(living) = living else { return Ok(None) };
        let (instances, app, instance) = (self.clone(), app.clone(), instance.clone());
        let start = spawn_blocking(move || {
            let unpacked = instances.site.unpacked(&app, instance.target)?;
            instances.start_of(&app, &instance, &unpacked)
        });
        let (Start { argv, cwd, env, limits, stop_timeout_ms, .. }, _) = start.await??;
        living.handle.set_run(SetRun { argv, cwd, env, limits, stop_timeout_ms }).await?;
        let status = living.handle.status().await?;
        Ok((status.state == State::Running).then(|| u32::try_from(status.run).unwrap_or(u32::MAX)))
    }

    async fn spawn_for(self: &Arc<Self>, which: &Which, seq: u64) -> Result<Handle, LaunchError> {
        let id = which.shim_id();
        if let Found::Dead(dead) = self.shims.examine(&id, 0, ANSWER).await?
            && dead.saved.header.is_some()
        {
            self.shims.clean_up(&dead, CLEAN_UP).await?;
            self.shims.forget(&id)?;
            return Err(LaunchError::ShimDied);
        }
        let connected = self.shims.spawn(&id).await?;
        Ok(self.follow(which.clone(), connected, seq))
    }

    /// Everything that can be found wrong before the shim is told anything.
    async fn make_ready(
        self: &Arc<Self>,
        app: &Arc<App>,
        instance: &Instance,
    ) -> Result<(Start, Starter), LaunchError> {
        let (instances, of_app, of_instance) = (self.clone(), app.clone(), instance.clone());
        let start = spawn_blocking(move || {
            let unpacked = instances.site.unpacked(&of_app, of_instance.target)?;
            instances.start_of(&of_app, &of_instance, &unpacked)
        })
        .await??;
        if self.site.is_named(app, instance) {
            self.nodes.epmd().ensure(app, instance.target).await?;
        }
        self.place_free(app, instance).await?;
        Ok(start)
    }

    /// Waits until nobody listens on the instance's ports and no node has its name: its predecessor may just have ended.
    async fn place_free(&self, app: &App, instance: &Instance) -> Result<(), LaunchError> {
        let (place, slot) = (instance.place, instance.slot);
        let ports = self.site.ports(app, instance.target, place, slot)?;
        let ports: Vec<u16> = ports.into_iter().map(|(_, port)| port).collect();
        let node = self.site.node(&app.name, instance);
        let name = node.split('@').next().unwrap_or_default().to_owned();
        let is_named = self.site.is_named(app, instance);
        let deadline = Instant::now() + PLACE_FREE;
        loop {
            let taken = match crate::ports::in_use(ports.iter().copied()) {
                Some(port) => LaunchError::PortInUse { port, by: None },
                None if is_named && self.nodes.epmd().names().await.contains(&name) => {
                    LaunchError::NodeNameInUse { node: node.clone() }
                }
                None => return Ok(()),
            };
            if Instant::now() >= deadline {
                return Err(match taken {
                    LaunchError::PortInUse { port, .. } => {
                        LaunchError::PortInUse { port, by: crate::ports::listener(port) }
                    }
                    taken => taken,
                });
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// What the shim is told; reads files and asks for the app's user: it blocks.
    fn start_of(
        &self,
        app: &App,
        instance: &Instance,
        unpacked: &Unpacked,
    ) -> Result<(Start, Starter), LaunchError> {
        let settings = &app.revision(instance.target).ok_or(SiteError::NoVersion)?.settings;
        let tree = self.site.tree(&app.name, instance);
        let mut environment =
            self.site.environment(app, instance.target, instance.place, instance.slot, &tree)?;
        let account = self.site.account(settings)?;
        // The group that hands the controllers on is gone after a reboot, when nothing was staged.
        if let Some(why) = self.limits_lack(&settings.resources) {
            warn!(app = %app.name, place = %instance.place, why, "limits of resources do not hold");
        }
        let paths = &self.site.paths;
        let (stdout, stderr) = paths.instance_logs(&app.name, instance.place, instance.id);
        let dumps = paths.crash_dumps(&app.name).join(instance.place.to_string());
        make_writable_folder(&dumps, account.as_ref())?;
        let by = self.site.starter(app, instance.target, unpacked, &tree)?;
        by.adapt(&mut environment);
        let mut argv = vec![tree.join(&by.script.path).into_os_string()];
        argv.extend(by.script.arguments.iter().map(OsString::from));
        let start = Start {
            id: Which { app: app.name.clone(), place: instance.place, instance: instance.id }
                .shim_id()
                .to_string(),
            kind: Kind::Service,
            argv,
            cwd: tree,
            stdout: log_file(&stdout, settings),
            stderr: log_file(&stderr, settings),
            restart: RestartPolicy::standard(),
            cgroup_parent: self.cgroups.clone(),
            cgroup_files: crate::cgroup::files(&settings.resources),
            crash_dump: Some(CrashDump {
                folder: dumps,
                keep: settings.crash_dumps.keep,
                max_bytes: MOST_DUMP_BYTES,
                seconds: u32::try_from(settings.crash_dumps.max_seconds.as_secs()).unwrap_or(u32::MAX),
            }),
            ..process(environment, account.as_ref(), settings)
        };
        Ok((start, by))
    }
}

/// What instances and commands have in common: environment, user, limits.
pub(crate) fn process(environment: Environment, account: Option<&Account>, settings: &AppSettings) -> Start {
    Start {
        env: environment.into_iter().map(|(name, value)| Variable { name, value }).collect(),
        owner: account.map(|it| Owner { uid: it.uid, gid: it.gid, groups: it.groups.clone() }),
        umask: Some(u32::from(settings.umask.0)),
        limits: limits(settings),
        no_new_privs: settings.no_new_privs,
        stop_timeout_ms: u64::try_from(settings.stop_timeout.as_millis()).unwrap_or(u64::MAX),
        ..Start::default()
    }
}

/// A log file with the app's rotation.
pub(crate) fn log_file(path: &Path, settings: &AppSettings) -> LogFile {
    LogFile {
        path: path.to_owned(),
        max_bytes: settings.log.max_size.bytes(),
        max_age_ms: u64::try_from(settings.log.max_age.as_millis()).unwrap_or(u64::MAX),
        keep: settings.log.keep,
    }
}

fn limits(settings: &AppSettings) -> Vec<Limit> {
    let wanted = &settings.rlimits;
    [
        (ResourceLimit::Nofile, wanted.nofile),
        (ResourceLimit::Nproc, wanted.nproc),
        (ResourceLimit::Core, wanted.core),
        (ResourceLimit::As, wanted.address_space),
        (ResourceLimit::Memlock, wanted.memlock),
    ]
    .into_iter()
    .filter_map(|(resource, limit)| {
        let value = limit?.value();
        Some(Limit { resource, soft: value, hard: value })
    })
    .collect()
}

/// A folder that the app may write and nobody else may read.
pub(crate) fn make_writable_folder(path: &Path, account: Option<&Account>) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if let Some(account) = account {
        chown(path, Some(account.uid), Some(account.gid))?;
    }
    Ok(())
}

fn outcome(done: Result<(), LaunchError>) -> Outcome {
    match done {
        Ok(()) => Outcome::Ok { detail: None },
        // A shim that did not answer may have started it: the engine has it stopped before anything else is tried.
        Err(LaunchError::Shim(error)) if error.leaves_unknown() => {
            Outcome::Unknown { reason: crate::chain(&error) }
        }
        Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
    }
}

impl Site {
    /// The folder of a package's own or set Erlang programs (`epmd`, `erl`).
    pub(crate) fn erlang_bin(
        &self,
        unpacked: &Unpacked,
        settings: &AppSettings,
    ) -> Result<std::path::PathBuf, SiteError> {
        Ok(match self.runtime_bin(unpacked, settings)? {
            Some(bin) => bin,
            None => {
                let erts = unpacked.facts.erts.clone().unwrap_or_default();
                unpacked.tree().join(&unpacked.facts.root).join(format!("erts-{erts}/bin"))
            }
        })
    }
}
