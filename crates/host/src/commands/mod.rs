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
mod entries;
mod outcome;
mod prepare;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Outcome, Run};
use model::{AppName, EffectId};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};
use wire::shim::{Exited, Happening, Start, State};

use self::dismiss::Sweep;
use self::entries::Entries;
use self::outcome::{ended, given_up, of_dead, out_of_reach};
use crate::instances::{Instances, LaunchError};
use crate::shim::{Connected, Events, Found, Gone, Handle, ShimError, ShimEvent, ShimId, TaskOutcome};
use crate::tell::Tell;

/// What the runner may need after the command's own limit to end its tree and say so.
const TO_KILL: Duration = Duration::from_secs(30);

/// How long a runner may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The time that a command of a version has that is not known any more.
const LIMIT: Duration = Duration::from_secs(600);

/// Bytes of output that a failure shows.
const TAIL: u32 = 4 << 10;

/// Logs of commands kept per app.
const MOST_LOGS: usize = 200;

/// Runs commands.
pub struct Commands<T> {
    instances: Arc<Instances<T>>,
    entries: Entries<Handle>,
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

/// What a runner tells next that matters.
enum News {
    Exited(Exited),
    Gone(Gone),
}

impl<T: Tell> Commands<T> {
    /// Runs commands with the shims and paths of the instances.
    pub fn new(instances: Arc<Instances<T>>) -> Self {
        Commands { instances, entries: Entries::default(), tidying: tokio::sync::Mutex::default() }
    }

    /// Runs a command, or waits for the one that an earlier daemon began for the same effect.
    pub async fn run(&self, app: &Arc<App>, effect: EffectId, run: &Run) -> Outcome {
        let id = runner_id(&app.name, effect);
        let limit = app.revision(run.target).map_or(LIMIT, |it| it.settings.command_timeout);
        let outcome = match self.find_or_begin(app, &id, effect, run).await {
            Ok(Begun::Runs(connected)) => self.wait(*connected, limit).await,
            Ok(Begun::Ended(outcome)) => outcome,
            // Whatever this is, it came before the runner was told anything.
            Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
        };
        self.entries.ended(&id);
        outcome
    }

    async fn find_or_begin(
        &self,
        app: &Arc<App>,
        id: &ShimId,
        effect: EffectId,
        run: &Run,
    ) -> Result<Begun, LaunchError> {
        let shims = &self.instances.shims;
        let waiting = match shims.examine(id, 0, ANSWER).await {
            Ok(Found::Alive(connected)) => match connected.welcome.status.state {
                State::Waiting => Some(*connected),
                State::Stopped if connected.welcome.status.run == 0 => return Ok(Begun::Ended(given_up())),
                _ => {
                    info!(shim = %id, "a command that an earlier daemon began");
                    return Ok(Begun::Runs(connected));
                }
            },
            Ok(Found::Dead(dead)) if dead.task_outcome() == TaskOutcome::NeverBegan => None,
            Ok(Found::Dead(dead)) => {
                if let Err(error) = shims.clean_up(&dead, ANSWER).await {
                    warn!(shim = %id, error = crate::chain(&error), "could not end what a command left");
                }
                return Ok(Begun::Ended(of_dead(&dead)));
            }
            Ok(Found::Unknown { why, .. }) | Err(why) => {
                return Ok(Begun::Ended(out_of_reach(&crate::chain(&why))));
            }
        };
        if self.entries.is_given_up(id) {
            return Ok(Begun::Ended(given_up()));
        }
        let start = self.prepare(app, effect, run).await?;
        let connected = match waiting {
            Some(connected) => connected,
            None => {
                shims.forget(id)?;
                shims.spawn(id).await?
            }
        };
        self.begin(connected, start).await
    }

    /// Tells a waiting runner to start, unless the command was given up: whoever gives it up after this look gets
    /// the runner, and a runner that was stopped does not start.
    async fn begin(&self, connected: Connected, start: Start) -> Result<Begun, LaunchError> {
        if self.entries.connected(connected.handle.id(), &connected.handle) {
            return Ok(Begun::Ended(given_up()));
        }
        match connected.handle.start(start).await {
            Ok(()) => Ok(Begun::Runs(Box::new(connected))),
            Err(ShimError::Refused { .. }) if self.entries.is_given_up(connected.handle.id()) => {
                Ok(Begun::Ended(given_up()))
            }
            Err(error) if error.leaves_unknown() => Ok(Begun::Ended(out_of_reach(&crate::chain(&error)))),
            Err(error) => Err(error.into()),
        }
    }

    async fn prepare(&self, app: &Arc<App>, effect: EffectId, run: &Run) -> Result<Start, LaunchError> {
        let (site, cgroups) = (self.instances.site.clone(), self.instances.cgroups.clone());
        let (app, run) = (app.clone(), run.clone());
        spawn_blocking(move || prepare::prepare(&site, cgroups, &app, effect, &run)).await?
    }

    /// Waits for the end of a command that has begun; a lost connection is made again.
    async fn wait(&self, mut connected: Connected, limit: Duration) -> Outcome {
        let shims = &self.instances.shims;
        let id = connected.handle.id().clone();
        let deadline = Instant::now() + limit + TO_KILL;
        let mut seen = 0;
        loop {
            if self.entries.connected(&id, &connected.handle)
                && let Err(error) = connected.handle.stop(Duration::ZERO).await
            {
                warn!(shim = %id, error = crate::chain(&error), "could not end a command that was given up");
            }
            let news = match timeout_at(deadline, next(&mut connected.events, &mut seen)).await {
                Ok(news) => news,
                Err(_) => return out_of_reach("its runner has not ended it in time"),
            };
            match news {
                News::Exited(exited) => {
                    let tail = connected.handle.tail(TAIL).await.ok();
                    return ended(&exited, tail.as_deref());
                }
                News::Gone(Gone::TakenOver) => {
                    return out_of_reach("another daemon has taken over its runner");
                }
                News::Gone(Gone::Died) => return self.after_death(&id),
                News::Gone(Gone::Lost) => match shims.connect(&id, seen, ANSWER).await {
                    Ok(again) => {
                        info!(shim = %id, "connected again");
                        connected = again;
                    }
                    Err(error) if matches!(shims.is_alive(&id), Ok(false)) => {
                        info!(shim = %id, error = crate::chain(&error), "died while it was asked");
                        return self.after_death(&id);
                    }
                    Err(error) => return out_of_reach(&crate::chain(&error)),
                },
            }
        }
    }

    fn after_death(&self, id: &ShimId) -> Outcome {
        match self.instances.shims.read_dead(id) {
            Ok(dead) => of_dead(&dead),
            Err(error) => out_of_reach(&crate::chain(&error)),
        }
    }

    /// Ends a command that an operator gave up; one that has not begun never will.
    pub async fn halt(&self, app: &App, run: EffectId) -> Outcome {
        if app.has_ended(run) {
            return Outcome::Ok { detail: None };
        }
        let Some(runner) = self.entries.give_up(&runner_id(&app.name, run)) else {
            return Outcome::Ok { detail: None };
        };
        match runner.stop(Duration::ZERO).await {
            // Whoever waits for it ends it as soon as it is connected again.
            Ok(()) | Err(ShimError::Closed { .. }) => Outcome::Ok { detail: None },
            Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
        }
    }

    /// Dismisses the runners, and removes the trees, of an app's commands whose outcome is durable. May take long:
    /// a runner may be mute.
    pub async fn tidy_up(&self, app: &Arc<App>) {
        let _one_at_a_time = self.tidying.lock().await;
        self.entries.forget(|id| effect_of(&app.name, id).is_some_and(|effect| app.has_ended(effect)));
        let paths = &self.instances.site.paths;
        let (shims, trees) = (self.instances.shims.clone(), paths.commands(&app.name));
        Sweep { shims, trees, app: app.clone() }.run().await;
        let logs = paths.command_logs(&app.name);
        if let Err(fault) = spawn_blocking(move || prune_logs(&logs)).await {
            warn!(app = %app.name, %fault, "could not look at the logs of commands");
        }
    }
}

/// How far a command came at once.
enum Begun {
    Runs(Box<Connected>),
    Ended(Outcome),
}

async fn next(events: &mut Events, seen: &mut u64) -> News {
    loop {
        match events.next().await {
            Some(ShimEvent::Happened(event)) => {
                *seen = event.seq;
                if let Some(Happening::Exited(exited)) = event.what {
                    return News::Exited(exited);
                }
            }
            Some(ShimEvent::Gone(how)) => return News::Gone(how),
            None => return News::Gone(Gone::Lost),
        }
    }
}

fn prune_logs(folder: &std::path::Path) {
    let Ok(entries) = fs_err::read_dir(folder) else { return };
    let mut logs: Vec<(std::time::SystemTime, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    logs.sort();
    for (_, path) in logs.iter().rev().skip(MOST_LOGS) {
        let _ = fs_err::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runners_id_names_its_effect() {
        let app: AppName = "my-app".parse().unwrap();
        assert_eq!(effect_of(&app, &runner_id(&app, EffectId(7))), Some(EffectId(7)));
        let longer: AppName = "my-app-e1".parse().unwrap();
        assert_eq!(effect_of(&app, &runner_id(&longer, EffectId(7))), None);
        assert_eq!(effect_of(&app, &ShimId::new("my-app-1-i7").unwrap()), None);
    }
}
