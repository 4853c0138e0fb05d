//! With what a release's next start would configure its applications.
//!
//! Only a VM can tell: `runtime.exs` and other config providers are programs, and `sys.config` may have variables and
//! include files. So a VM of the release's own runtime is started for it, as the app's user, with the app's limits and the
//! environment of an instance, without distribution. It boots as the release does, starts none of its applications, writes
//! down what the application controller holds and ends. It runs under a shim, as other commands do.
//!
//! It can tell too with which children the applications' root supervisors would be started, where only `start/2` knows
//! (`roots.txt`).
//!
//! ```text
//! Evaluator::evaluate ─▶ Folder: 0700, the app's ─▶ VM under a shim ─▶ the answer's file ─▶ probe::Config
//! ```
//!
//! Values may be secret. They go from the VM into a file that nobody but the app's user and the daemon may read, which is
//! removed at once; they are never printed, and in no log, argument or variable.

mod answer;
mod folder;
mod host_file;
mod rendering;
mod root;
mod vm;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use beam::Term;
use beam::print::Erlang;
use model::app::{App, Outcome, Target};
use model::{AppName, Place, Slot};
use package::Kind;
use package::tree::remove_tree;
use probe::{Config, ConfigError};
use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::task::TaskTracker;
use tracing::warn;
use wire::shim::Start;

pub use self::answer::AnswerError;
use self::folder::Folder;
pub use self::host_file::SysConfigError;
pub use self::root::{Root, children};
use crate::clock;
use crate::commands::{Runners, dismiss};
use crate::instances::{Instances, LaunchError};
use crate::shim::{ShimError, ShimHost, ShimId};
use crate::site::{Site, SiteError};
use crate::tell::Tell;

/// What an evaluation may take: config providers may ask other hosts for secrets.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Said of one that took longer.
const LIMIT_IS: &str = "a configuration has that long";

/// What a VM evaluates, after the applications whose roots are wanted.
const TEXT: &str =
    concat!(include_str!("closed.txt"), include_str!("roots.txt"), include_str!("evaluate.txt"));

/// What a VM has told.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The configuration.
    pub config: Config,
    /// The root supervisors that were asked for, by application.
    pub roots: BTreeMap<String, Root>,
}

/// Whose configuration is wanted.
#[derive(Debug, Clone)]
pub struct NextStart {
    /// The version, with the settings and variables that it would be started with.
    pub target: Target,
    /// The place, whose number and ports are in its environment.
    pub place: Place,
    /// The slot of the place.
    pub slot: Slot,
    /// A tree of that version: the instance's own, or one that is being made ready.
    pub tree: PathBuf,
}

/// Why a configuration could not be told.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Something about the instance could not be told.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// The VM could not be made ready.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The VM's folder could not be made or removed.
    #[error("could not make or remove {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The VM failed: so would a start.
    #[error("the release's configuration could not be evaluated, and a start would fail with it: it {reason}{}", shown(.tail.as_deref()))]
    Failed {
        /// How it ended.
        reason: String,
        /// What it printed last.
        tail: Option<String>,
    },
    /// What it wrote is no answer.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// What it wrote is no configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A worker panicked.
    #[error("a worker ended unexpectedly")]
    Worker(#[from] JoinError),
}

fn shown(tail: Option<&str>) -> String {
    tail.map(|tail| format!("\n{tail}")).unwrap_or_default()
}

/// Evaluates configurations, one at a time: each is a VM. A cheap copy leads to the same one.
#[derive(Clone)]
pub struct Evaluator(Arc<Inner>);

struct Inner {
    site: Arc<Site>,
    cgroups: Option<PathBuf>,
    shims: ShimHost,
    runners: Runners,
    one_at_a_time: Mutex<()>,
    group: TaskTracker,
}

impl Evaluator {
    /// Evaluates beside a host's instances; what it begins is part of `group`, and goes on without who asked for it.
    pub fn new<T: Tell>(instances: &Instances<T>, group: TaskTracker) -> Self {
        Evaluator(Arc::new(Inner {
            site: instances.site.clone(),
            cgroups: instances.cgroups.clone(),
            shims: instances.shims.clone(),
            runners: Runners::new(instances.shims.clone(), Duration::ZERO),
            one_at_a_time: Mutex::default(),
            group,
        }))
    }

    /// The configuration that an instance would be started with; that of a shipment is empty: it has none but its
    /// environment.
    ///
    /// # Errors
    /// [`EvaluateError`]; nothing of the evaluation is left then.
    pub async fn evaluate(&self, app: Arc<App>, start: NextStart) -> Result<Config, EvaluateError> {
        Ok(self.evaluate_with_roots(app, start, Vec::new()).await?.config)
    }

    /// The same, and the root supervisors of these applications as they would be started. For that the `start/2` of each
    /// runs in the VM up to its first call of `supervisor:start_link`, which begins nothing: what it does before that is
    /// done. Of the applications that it needs, only those run that do nothing by themselves.
    ///
    /// # Errors
    /// [`EvaluateError`]; nothing of the evaluation is left then. A root that cannot be told is no error.
    pub async fn evaluate_with_roots(
        &self,
        app: Arc<App>,
        start: NextStart,
        roots: Vec<String>,
    ) -> Result<Evaluated, EvaluateError> {
        let inner = self.0.clone();
        self.0.group.spawn(async move { inner.evaluate(app, start, roots).await }).await?
    }

    /// Ends and removes what an earlier daemon has left.
    pub async fn sweep(&self) {
        let inner = &self.0;
        // None of ours is under way then.
        let _one_at_a_time = inner.one_at_a_time.lock().await;
        let ids = inner.shims.ids().unwrap_or_else(|error| {
            warn!(error = crate::chain(&error), "cannot look for evaluations of configurations");
            std::collections::BTreeSet::new()
        });
        for id in ids.into_iter().filter(is_ours) {
            let nothing = async || Err("an earlier daemon wanted it".to_owned());
            if let Err(error) = inner.runners.halt(&id).await {
                warn!(shim = %id, error = crate::chain(&error), "could not end an evaluation");
            }
            inner.runners.run(&id, LIMIT, nothing).await;
            inner.let_go(&id).await;
        }
        let folders = inner.site.paths.evaluations();
        let _ = spawn_blocking(move || folders.into_iter().for_each(remove)).await;
    }
}

/// Names of the runners begin so.
const RUNNER: &str = "config-";

fn is_ours(id: &ShimId) -> bool {
    id.as_str().starts_with(RUNNER)
}

fn runner_id(app: &AppName, number: i64) -> ShimId {
    ShimId::new(format!("{RUNNER}{app}-c{number}")).expect("an app's name is short and plain")
}

impl Inner {
    async fn evaluate(
        self: Arc<Self>,
        app: Arc<App>,
        start: NextStart,
        roots: Vec<String>,
    ) -> Result<Evaluated, EvaluateError> {
        if self.site.facts(&app, start.target)?.kind == Kind::GleamShipment {
            let untold = |name| (name, Root::Untold("it is a shipment of Gleam".to_owned()));
            let roots = roots.into_iter().map(untold).collect();
            return Ok(Evaluated { config: Config::parse(b"[].")?, roots });
        }
        let _one_at_a_time = self.one_at_a_time.lock().await;
        // No two of a host begin in one millisecond: they take longer.
        let number = clock::now().as_millisecond();
        let (id, path) = (runner_id(&app.name, number), self.site.paths.evaluation(&app.name, number));
        let told = self.clone().tell(app, start, text(&roots), &id, path.clone()).await;
        // Before its runner: what a crash leaves of it is found by that.
        let removed = spawn_blocking(move || remove_tree(&path).map_err(|error| (path, error))).await?;
        self.let_go(&id).await;
        removed.map_err(|(path, source)| EvaluateError::Folder { path, source })?;
        told
    }

    async fn tell(
        self: Arc<Self>,
        app: Arc<App>,
        start: NextStart,
        text: String,
        id: &ShimId,
        path: PathBuf,
    ) -> Result<Evaluated, EvaluateError> {
        let (inner, named) = (self.clone(), id.clone());
        let (folder, start) =
            spawn_blocking(move || inner.make_ready(&app, &start, &text, &named, path)).await??;
        let ending = self.runners.run(id, LIMIT, async || Ok(start)).await;
        match ending.outcome(LIMIT_IS) {
            Outcome::Ok { .. } | Outcome::Drained { .. } | Outcome::Upgraded { .. } => {}
            Outcome::Failed { reason, tail } => return Err(EvaluateError::Failed { reason, tail }),
            Outcome::NoRoom { detail: reason } | Outcome::Unknown { reason } => {
                return Err(EvaluateError::Failed { reason, tail: None });
            }
        }
        spawn_blocking(move || answer::read(folder.answer())).await?
    }

    /// Blocks.
    fn make_ready(
        &self,
        app: &App,
        start: &NextStart,
        text: &str,
        id: &ShimId,
        path: PathBuf,
    ) -> Result<(Folder, Start), EvaluateError> {
        let settings = &app.revision(start.target).ok_or(SiteError::NoVersion)?.settings;
        let account = self.site.account(settings)?;
        let failed = |source| EvaluateError::Folder { path: path.clone(), source };
        let mut folder = Folder::make(&path, text, account.as_ref()).map_err(failed)?;
        let vm = vm::Vm { site: &self.site, app, start, settings, account: account.as_ref() };
        let begins = vm.start(&mut folder, id, self.cgroups.clone())?;
        folder.hand_over().map_err(failed)?;
        Ok((folder, begins))
    }

    async fn let_go(&self, id: &ShimId) {
        if let Err(error) = self.dismiss(id).await {
            warn!(shim = %id, error = crate::chain(&error), "could not dismiss the runner of an evaluation");
        }
    }

    async fn dismiss(&self, id: &ShimId) -> Result<(), ShimError> {
        // One that never began has no runner.
        if self.shims.ids()?.contains(id) { dismiss(&self.shims, id).await } else { Ok(()) }
    }
}

/// What the VM evaluates.
fn text(roots: &[String]) -> String {
    let roots = Term::list(roots.iter().map(|name| Term::atom(name)));
    format!("%% coding: utf-8\nRoots = {},\n{TEXT}", Erlang::default().print(&roots))
}

fn remove(path: PathBuf) {
    if let Err(error) = remove_tree(&path) {
        warn!(path = %path.display(), %error, "could not remove what an evaluation has left");
    }
}
