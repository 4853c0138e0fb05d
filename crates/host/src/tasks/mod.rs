//! One-off tasks: commands that an operator has run by the release of the running version, outside of deployments.
//!
//! A task is journalled before anything is done for it, and then begun once: under a runner that outlives the daemon
//! (see [`crate::commands`]). A daemon that starts waits for the tasks of the one before; a task that had not begun
//! by then never does, because whoever asked for it may have gone long since. Its end is journalled before its runner
//! is let go.

mod output;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use model::app::{App, CommandLine, Run, RunKind};
use model::{AppName, TaskId};
use package::tree::remove_tree;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use wire::shim::{How, Start};

pub use self::output::TaskOutput;
use crate::commands::{Ending, Laid, Runners, dismiss, prepare};
use crate::instances::Instances;
use crate::journal::{Journal, JournalError, Task, TaskEnd, TaskHow, TaskRecord};
use crate::shim::{ShimError, ShimHost, ShimId};
use crate::site::Site;
use crate::tell::Tell;

/// Tasks of one app at a time: each is a VM. Who needs more writes a program.
pub const MOST_AT_A_TIME: usize = 8;

/// Between SIGTERM and SIGKILL for a task that somebody ends.
const GRACE: Duration = Duration::from_secs(5);

/// Why a task was not begun.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// There is no release to run it by.
    #[error("no version of {0} was ever deployed: there is nothing to run it with")]
    NothingActive(AppName),
    /// Enough for one app.
    #[error("{MOST_AT_A_TIME} tasks of {0} are under way; wait for one, or end one (bellrock tasks {0})")]
    TooMany(AppName),
    /// The journal could not be written; nothing was run.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What an operator asks for.
#[derive(Debug, Clone)]
pub struct TaskWish {
    /// Chosen by whoever asks: asked twice with the same key, it is done once.
    pub key: String,
    /// What shall be run.
    pub command: CommandLine,
    /// The time that it has; `None`: the app's `command_timeout`.
    pub limit: Option<Duration>,
    /// Who asks.
    pub uid: u32,
    /// Its name, where the host knows one.
    pub user: Option<String>,
}

/// Runs tasks.
pub struct Tasks {
    site: Arc<Site>,
    cgroups: Option<PathBuf>,
    journal: Journal,
    shims: ShimHost,
    runners: Runners,
    /// Tasks that somebody here waits for.
    live: Mutex<BTreeMap<TaskId, AppName>>,
    group: TaskTracker,
    stop: CancellationToken,
}

/// The id of a task's runner.
fn runner_id(app: &AppName, task: TaskId) -> ShimId {
    ShimId::new(format!("task-{app}-{task}")).expect("an app's name is short and plain")
}

/// The task that a runner was started for.
fn task_of(id: &ShimId) -> Option<TaskId> {
    let (_, number) = id.as_str().strip_prefix("task-")?.rsplit_once("-t")?;
    number.parse().ok().map(TaskId)
}

impl Tasks {
    /// Runs tasks beside a host's instances; what it waits for is part of `group` and ends with `stop`.
    pub fn new<T: Tell>(
        instances: &Instances<T>,
        journal: Journal,
        group: TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        Tasks {
            site: instances.site.clone(),
            cgroups: instances.cgroups.clone(),
            journal,
            shims: instances.shims.clone(),
            runners: Runners::new(instances.shims.clone(), GRACE),
            live: Mutex::default(),
            group,
            stop,
        }
    }

    /// Begins a task, or finds the one that was begun with the same key.
    ///
    /// # Errors
    /// [`TaskError`]; nothing was run.
    pub async fn begin(self: &Arc<Self>, app: Arc<App>, wish: TaskWish) -> Result<Task, TaskError> {
        let target = app.active().ok_or_else(|| TaskError::NothingActive(app.name.clone()))?;
        if self.with_live(|live| live.values().filter(|name| **name == app.name).count()) >= MOST_AT_A_TIME {
            return Err(TaskError::TooMany(app.name.clone()));
        }
        let of_app = app.revision(target).map(|it| it.settings.command_timeout).unwrap_or_default();
        let limit = wish.limit.unwrap_or(of_app);
        let record = TaskRecord {
            app: app.name.clone(),
            command: wish.command,
            target,
            version: app.label(target),
            uid: wish.uid,
            user: wish.user,
            begun_at: Timestamp::now(),
            limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
            end: None,
        };
        let (task, is_new) = self.journal.begin_task(wish.key, record).await?;
        if is_new {
            info!(app = %app.name, task = %task.id, version = task.record.version, "task begins");
            self.follow(task.clone(), Some(app));
        }
        Ok(task)
    }

    /// Waits for the tasks of an earlier daemon, and lets the runners of those go whose end is known.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn recover(self: &Arc<Self>) -> Result<(), JournalError> {
        let under_way = self.journal.tasks_under_way().await?;
        let known: Vec<TaskId> = under_way.iter().map(|task| task.id).collect();
        for task in under_way {
            self.follow(task, None);
        }
        let ids = match self.shims.ids() {
            Ok(ids) => ids,
            Err(error) => {
                warn!(error = crate::chain(&error), "cannot look for runners of tasks");
                return Ok(());
            }
        };
        for id in ids.into_iter().filter(|id| task_of(id).is_some_and(|task| !known.contains(&task))) {
            let shims = self.shims.clone();
            self.group.spawn(async move { told(&id, dismiss(&shims, &id).await) });
        }
        Ok(())
    }

    /// Ends a task that is under way; what comes of it is seen in its end. Nothing, for one that has ended.
    ///
    /// # Errors
    /// When its runner could not be told.
    pub async fn halt(&self, task: &Task) -> Result<(), ShimError> {
        if !self.is_live(task.id) {
            return Ok(());
        }
        self.runners.halt(&runner_id(&task.record.app, task.id)).await
    }

    /// Whether somebody here waits for its end; when nobody does and the journal knows its end, its output is whole.
    pub fn is_live(&self, id: TaskId) -> bool {
        self.with_live(|live| live.contains_key(&id))
    }

    /// Where a task's output is; `stream` is `stdout` or `stderr`.
    pub fn log(&self, task: &Task, stream: &str) -> PathBuf {
        self.site.paths.task_log(&task.record.app, task.id, stream)
    }

    fn with_live<R>(&self, work: impl FnOnce(&mut BTreeMap<TaskId, AppName>) -> R) -> R {
        work(&mut self.live.lock().expect("nobody panics while holding it"))
    }

    /// `app`: begin it; without, it is one of an earlier daemon.
    fn follow(self: &Arc<Self>, task: Task, app: Option<Arc<App>>) {
        self.with_live(|live| live.insert(task.id, task.record.app.clone()));
        let tasks = self.clone();
        self.group.spawn(async move {
            tokio::select! {
                () = tasks.stop.cancelled() => {}
                () = tasks.carry_out(&task, app) => {}
            }
        });
    }

    async fn carry_out(&self, task: &Task, app: Option<Arc<App>>) {
        let (id, limit) = (runner_id(&task.record.app, task.id), Duration::from_millis(task.record.limit_ms));
        let ending = self.runners.run(&id, limit, async || self.start(task, app).await).await;
        let end = TaskEnd { at: Timestamp::now(), how: how(ending) };
        info!(app = %task.record.app, task = %task.id, end = ?end.how, "task has ended");
        match self.journal.end_task(task.id, end).await {
            Ok(()) => {
                told(&id, dismiss(&self.shims, &id).await);
                let tree = self.tree(task);
                if let Ok(Err(error)) = spawn_blocking(move || remove_tree(&tree)).await {
                    warn!(task = %task.id, %error, "could not remove a task's tree");
                }
            }
            // Its runner keeps the end for the next daemon.
            Err(error) => {
                warn!(task = %task.id, error = crate::chain(&error), "could not record a task's end");
            }
        }
        self.with_live(|live| live.remove(&task.id));
    }

    async fn start(&self, task: &Task, app: Option<Arc<App>>) -> Result<Start, String> {
        let app = app.ok_or("bellrockd was started anew before it began; nothing was run: run it again")?;
        let log = |stream| self.log(task, stream);
        let laid = Laid {
            id: runner_id(&app.name, task.id),
            tree: self.tree(task),
            logs: (log("stdout"), log("stderr")),
            limit: Duration::from_millis(task.record.limit_ms),
        };
        let run = Run {
            // What it has in common with a pre-command: user, environment of an instance, a tree of its own.
            kind: RunKind::Pre { place: None },
            command: task.record.command.clone(),
            target: task.record.target,
            deployment: None,
        };
        let (site, cgroups) = (self.site.clone(), self.cgroups.clone());
        let work = move || prepare(&site, cgroups, &app, &run, laid).map_err(|error| crate::chain(&error));
        spawn_blocking(work).await.map_err(|fault| fault.to_string())?
    }

    fn tree(&self, task: &Task) -> PathBuf {
        self.site.paths.commands(&task.record.app).join(task.id.to_string())
    }
}

fn told(id: &ShimId, dismissed: Result<(), ShimError>) {
    if let Err(error) = dismissed {
        warn!(shim = %id, error = crate::chain(&error), "could not dismiss a task's runner");
    }
}

fn how(ending: Ending) -> TaskHow {
    let exited = match ending {
        Ending::Seen { exited, .. } => exited,
        Ending::NeverBegan(reason) => return TaskHow::NotBegun { reason },
        Ending::GivenUp => return TaskHow::Halted,
        Ending::Unknown(reason) => return TaskHow::Unknown { reason },
    };
    match (exited.how, exited.status, exited.signal) {
        (How::TimeLimit, ..) => TaskHow::TimeLimit,
        (How::NotStarted, ..) => {
            TaskHow::NotBegun { reason: exited.reason.unwrap_or_else(|| "it could not be started".into()) }
        }
        (How::Killed | How::KilledAfterTimeout | How::StoppedOrderly, ..) => TaskHow::Halted,
        (_, Some(status), _) => TaskHow::Status { status },
        (_, None, Some(signal)) => TaskHow::Signal { signal },
        (_, None, None) => TaskHow::Unknown { reason: "its runner does not say how it ended".into() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use wire::shim::Exited;

    #[test]
    fn a_runners_id_names_its_task() {
        let app: AppName = "my-t9".parse().unwrap();
        assert_eq!(task_of(&runner_id(&app, TaskId(7))), Some(TaskId(7)));
        for other in ["run-my-app-e7", "my-app-1-i7", "task-a-1-i7", "task-a-tx"] {
            assert_eq!(task_of(&ShimId::new(other).unwrap()), None, "{other}");
        }
    }

    #[test]
    fn every_ending_is_told_as_it_was() {
        let seen = |how, status, signal| {
            let exited = Exited { how, status, signal, ..Exited::default() };
            super::how(Ending::Seen { exited, tail: None })
        };
        assert_eq!(seen(How::ByItself, Some(3), None), TaskHow::Status { status: 3 });
        assert_eq!(seen(How::ByItself, None, Some(11)), TaskHow::Signal { signal: 11 });
        assert_eq!(seen(How::TimeLimit, None, Some(9)), TaskHow::TimeLimit);
        assert_eq!(seen(How::StoppedOrderly, Some(0), None), TaskHow::Halted);
        assert_eq!(seen(How::KilledAfterTimeout, None, Some(9)), TaskHow::Halted);
        assert!(matches!(seen(How::NotStarted, None, None), TaskHow::NotBegun { .. }));
        assert!(matches!(super::how(Ending::Unknown("why".into())), TaskHow::Unknown { .. }));
    }
}
