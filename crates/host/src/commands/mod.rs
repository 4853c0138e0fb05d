//! Commands that are run once: under a shim that outlives the daemon and keeps the outcome until it is journalled.
//!
//! A runner's id is made from the app and the effect. Asked for the same effect again (after a start of the
//! daemon) the runner is found and waited for; one that is dead tells from its event log whether the command ended,
//! never began, or began and was cut off, which is never followed by a second run.
//!
//! **Failed** is a command that did not begin or was seen to end badly. What nobody can know is **unknown**: its
//! runner died under it, or lives and does not answer. Such a runner is never killed for that; see [`dismiss`].
//!
//! **Giving up** is said to [`Commands::halt`]. The effect that runs the command is in the outbox as long as it has
//! no outcome, so somebody is in [`Commands::run`] for it, or will be (after a start of the daemon too): that one
//! finds the runner and sees at each step that the command was given up.

mod argv;
mod dismiss;
mod ending;
mod entries;
mod prepare;
mod runner;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Outcome, Run, RunKind};
use model::{AppName, EffectId};
use tokio::task::spawn_blocking;
use tracing::warn;

pub(crate) use self::argv::{release_argv, vm, with_erlang};
use self::dismiss::Sweep;
pub(crate) use self::ending::Ending;
pub(crate) use self::prepare::{Laid, prepare};
pub(crate) use self::runner::{Runners, dismiss};
use crate::instances::Instances;
use crate::shim::ShimId;
use crate::tell::Tell;

/// How long a runner may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The time that a command of a version has that is not known any more.
const LIMIT: Duration = Duration::from_secs(600);

/// Logs of commands kept per app, but those of members' checks.
const MOST_LOGS: usize = 200;

/// Logs of members' checks kept per app: one that says no is asked again and again.
const MOST_MEMBER_LOGS: usize = 20;

/// Runs commands.
pub struct Commands<T> {
    instances: Arc<Instances<T>>,
    runners: Runners,
    tidying: tokio::sync::Mutex<()>,
}

/// The id of a command's runner.
fn runner_id(app: &AppName, effect: EffectId) -> ShimId {
    ShimId::new(format!("run-{app}-{effect}")).expect("an app's name is short and plain")
}

/// The effect of an app that a runner was started for.
fn effect_of(app: &AppName, id: &ShimId) -> Option<EffectId> {
    let number = id.as_str().strip_prefix("run-")?.strip_prefix(app.as_str())?.strip_prefix("-e")?;
    number.parse().ok().map(EffectId)
}

impl<T: Tell> Commands<T> {
    /// Runs commands with the shims and paths of the instances.
    pub fn new(instances: Arc<Instances<T>>) -> Self {
        let runners = Runners::new(instances.shims.clone(), Duration::ZERO);
        Commands { instances, runners, tidying: tokio::sync::Mutex::default() }
    }

    /// Runs a command, or waits for the one that an earlier daemon began for the same effect.
    pub async fn run(&self, app: &Arc<App>, effect: EffectId, run: &Run) -> Outcome {
        let id = runner_id(&app.name, effect);
        let (limit, key) = limit(app, run);
        let prepare = async || {
            let (site, cgroups) = (self.instances.site.clone(), self.instances.cgroups.clone());
            let (id, app, run) = (id.clone(), app.clone(), run.clone());
            let work = move || {
                let laid = Laid::of_effect(&site, &app, id, effect, &run, limit);
                prepare(&site, cgroups, &app, &run, laid).map_err(|error| crate::chain(&error))
            };
            spawn_blocking(work).await.map_err(|fault| fault.to_string())?
        };
        self.runners.run(&id, limit, prepare).await.outcome(key)
    }

    /// Ends a command that an operator gave up; one that has not begun never will.
    pub async fn halt(&self, app: &App, run: EffectId) -> Outcome {
        if app.has_ended(run) {
            return Outcome::Ok { detail: None };
        }
        match self.runners.halt(&runner_id(&app.name, run)).await {
            Ok(()) => Outcome::Ok { detail: None },
            Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
        }
    }

    /// Dismisses the runners, and removes the trees, of an app's commands whose outcome is durable. May take long:
    /// a runner may be mute.
    pub async fn tidy_up(&self, app: &Arc<App>) {
        let _one_at_a_time = self.tidying.lock().await;
        self.runners
            .entries
            .forget(|id| effect_of(&app.name, id).is_some_and(|effect| app.has_ended(effect)));
        let paths = &self.instances.site.paths;
        let (shims, trees) = (self.instances.shims.clone(), paths.commands(&app.name));
        Sweep { shims, trees, app: app.clone() }.run().await;
        let logs = paths.command_logs(&app.name);
        if let Err(fault) = spawn_blocking(move || prune_logs(&logs)).await {
            warn!(app = %app.name, %fault, "could not look at the logs of commands");
        }
    }
}

/// The time that a command has, and the key that says so.
fn limit(app: &App, run: &Run) -> (Duration, &'static str) {
    let settings = app.revision(run.target).map(|it| &it.settings);
    match run.kind {
        RunKind::Member { .. } => (settings.map_or(LIMIT, |it| it.member.within), "member.within"),
        _ => (settings.map_or(LIMIT, |it| it.command_timeout), "command_timeout"),
    }
}

fn prune_logs(folder: &std::path::Path) {
    let Ok(entries) = fs_err::read_dir(folder) else { return };
    let mut logs: Vec<(std::time::SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    logs.sort();
    let (of_members, others): (Vec<_>, Vec<_>) =
        logs.into_iter().partition(|(_, path)| prepare::is_member_log(path));
    for (logs, most) in [(of_members, MOST_MEMBER_LOGS), (others, MOST_LOGS)] {
        for (_, path) in logs.iter().rev().skip(most) {
            let _ = fs_err::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use model::app::{CommandLine, Target};
    use model::settings::PreCommand;
    use model::{DeploymentId, InstanceId, VersionId};

    #[test]
    fn a_runners_id_names_its_effect() {
        let app: AppName = "my-app".parse().unwrap();
        assert_eq!(effect_of(&app, &runner_id(&app, EffectId(7))), Some(EffectId(7)));
        let longer: AppName = "my-app-e1".parse().unwrap();
        assert_eq!(effect_of(&app, &runner_id(&longer, EffectId(7))), None);
        assert_eq!(effect_of(&app, &ShimId::new("my-app-1-i7").unwrap()), None);
    }

    #[test]
    fn a_check_that_says_no_evicts_its_own_logs_only() {
        let folder = tempfile::tempdir().unwrap();
        let run = |kind| Run {
            kind,
            command: CommandLine::Release(PreCommand::Rpc("true".into())),
            target: Target { version: VersionId(1), revision: 0 },
            deployment: Some(DeploymentId(1)),
        };
        let [check, command] =
            [RunKind::Member { instance: InstanceId(1) }, RunKind::Pre { place: None }].map(run);
        let path = |run, effect| folder.path().join(prepare::log_name(EffectId(effect), run, "stdout"));
        fs_err::write(path(&command, 1), "").unwrap();
        for effect in 2..=300 {
            fs_err::write(path(&check, effect), "").unwrap();
        }
        prune_logs(folder.path());
        assert!(path(&command, 1).exists());
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1 + MOST_MEMBER_LOGS);
    }
}
