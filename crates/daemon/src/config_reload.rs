//! Changed configuration, given to an app's instances one after another: what each would be started with now is evaluated,
//! set in its node, and told to its applications; the next follows when this one is as ready as it was.
//!
//! No deployment comes of it, and the version stays what it is: environment variables and configuration files have
//! changed, and the nodes are told. It ends at the first instance that fails.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::reload::{ReloadConfig, ReloadLine, ReloadedApplication, ReloadedInstance, Told};
use host::configuration::{EvaluateError, NextStart};
use model::app::{App, Instance, Target};
use model::{AppName, Place};
use probe::{Before, Config, NoRestart, Probe, ProbeError, Reload, ReloadPlan, Restarted};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::control::Control;

/// How long a connection that is just being made is waited for.
const CONNECTING: Duration = Duration::from_secs(5);
/// How long each application may take to say something to its change.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a node may take to answer beside what is waited for in it: its applications are told one after another.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a restart of applications may take unless somebody says otherwise.
const RESTART: Duration = Duration::from_secs(60);
/// How long it may take at most.
const LONGEST_RESTART: Duration = Duration::from_secs(3600);
/// Between two looks whether an instance is ready again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Apps whose configuration is being reloaded: one at a time for each.
#[derive(Debug, Clone, Default)]
pub struct Reloading(Arc<Mutex<BTreeSet<AppName>>>);

/// Held while an app is being reloaded.
#[derive(Debug)]
pub struct Turn(Reloading, AppName);

impl Reloading {
    /// Begins one; `None` while another of the app is under way.
    pub fn begin(&self, app: &AppName) -> Option<Turn> {
        let is_first = self.names().insert(app.clone());
        is_first.then(|| Turn(self.clone(), app.clone()))
    }

    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<AppName>> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.names().remove(&self.1);
    }
}

/// A reload that is wanted.
pub struct ConfigReload {
    /// The control plane's front.
    pub control: Arc<Control>,
    /// The app.
    pub name: AppName,
    /// What is wanted.
    pub wish: ReloadConfig,
    /// Kept until it has ended.
    #[expect(dead_code, reason = "it is held")]
    pub turn: Turn,
}

/// Why an instance was not reloaded as was wanted.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// Instances are being replaced.
    #[error("deployment {0} is under way, which starts instances with what is configured now; wait for it")]
    Deploying(u64),
    /// It has ended meanwhile.
    #[error("no instance runs in this place")]
    NotRunning,
    /// A version that is not the active one has no next start.
    #[error("it runs v{runs}, and its next start would be one of v{active}")]
    OtherVersion {
        /// What runs.
        runs: String,
        /// What would be started.
        active: String,
    },
    /// There is no link.
    #[error("bellrockd has no link to its node: {0}")]
    NotLinked(String),
    /// What is configured cannot be told.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The node did not take it.
    #[error(transparent)]
    Node(#[from] ProbeError),
    /// Applications that cannot be restarted; nothing was changed.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NoRestart(Vec<NoRestart>),
    /// An application was not restarted.
    #[error("{application} was not restarted: {why}{}", stopped_now(.stopped))]
    NotRestarted {
        /// Which.
        application: String,
        /// Why.
        why: String,
        /// Those that do not run any more, where that is known.
        stopped: Vec<String>,
    },
    /// An application did not come up without which its node does not run.
    #[error(
        "{application} did not come up: {why}; as it is permanent its node ends with it, and comes back with the sys.config of before"
    )]
    EndsNode {
        /// Which.
        application: String,
        /// Why.
        why: String,
    },
    /// A restart took too long.
    #[error("its applications were not restarted within {}; that goes on", model::human::duration(*.0))]
    RestartLate(Duration),
    /// It was ready and is not any more.
    #[error("it is not ready within {}: {why}", model::human::duration(*.within))]
    NotReady {
        /// How long was waited.
        within: Duration,
        /// What its check said last.
        why: String,
    },
    /// What its check needs cannot be told.
    #[error(transparent)]
    Site(#[from] host::site::SiteError),
    /// A worker panicked.
    #[error("a worker ended unexpectedly")]
    Worker(#[from] tokio::task::JoinError),
}

impl ReloadError {
    fn remedy(&self, app: &AppName, place: u16) -> Option<String> {
        Some(match self {
            ReloadError::Deploying(_) => format!("bellrock status {app}"),
            ReloadError::NotRunning
            | ReloadError::NotLinked(_)
            | ReloadError::OtherVersion { .. }
            | ReloadError::EndsNode { .. } => format!("bellrock status {app}"),
            ReloadError::NotRestarted { .. } | ReloadError::RestartLate(_) | ReloadError::NotReady { .. } => {
                format!("bellrock restart {app} {place}")
            }
            _ => return None,
        })
    }
}

impl ConfigReload {
    /// Does it, place by place. When nobody listens any more it ends before the next one.
    pub async fn run(self, tell: mpsc::Sender<ReloadLine>) {
        let places = places(&self.control.app(&self.name).ok(), self.wish.place);
        for place in places {
            if tell.is_closed() {
                return;
            }
            if let Err(error) = self.one(place, &tell).await {
                let (reason, remedy) = (host::chain(&error), error.remedy(&self.name, place.0));
                info!(app = %self.name, place = place.0, "the configuration was not reloaded");
                let _ = tell.send(ReloadLine::Failed { place: place.0, reason, remedy }).await;
                return;
            }
        }
        let _ = tell.send(ReloadLine::Done).await;
    }

    async fn one(&self, place: Place, tell: &mpsc::Sender<ReloadLine>) -> Result<(), ReloadError> {
        let app = self.control.app(&self.name).map_err(|_| ReloadError::NotRunning)?;
        let instance = runs_in(&app, place).ok_or(ReloadError::NotRunning)?;
        let target = next_start(&app, instance)?;
        let was_ready = instance.is_ready();
        let tree = self.control.site.tree(&app.name, instance);
        let next = NextStart { target, place, slot: instance.slot, tree };
        let config = self.control.evaluator().evaluate(app.clone(), next).await?;
        let node = self.control.nodes.connected(&app.name, instance.id, CONNECTING).await;
        let probe = Probe::new(node.map_err(ReloadError::NotLinked)?);
        if !self.wish.restart.is_empty() {
            let problems = probe.may_restart(&self.wish.restart, PATIENCE).await?;
            if !problems.is_empty() {
                return Err(ReloadError::NoRestart(problems));
            }
        }
        let plan = ReloadPlan { before: Before::Held, dry_run: self.wish.dry_run, patience: PATIENCE };
        let reload = probe.reload_config(&config, plan, ANSWER).await?;
        if !self.wish.dry_run && !reload.changed.is_empty() {
            info!(app = %app.name, place = place.0, version = app.label(target), "configuration reloaded");
        }
        let told = self.told(&app, instance, target, &probe, &config, reload);
        let _ = tell.send(ReloadLine::Reloaded(told)).await;
        if self.wish.dry_run {
            return Ok(());
        }
        if !self.wish.restart.is_empty() {
            let took_ms = self.restart(&probe).await?;
            let applications = self.wish.restart.clone();
            let _ = tell.send(ReloadLine::Restarted { place: place.0, applications, took_ms }).await;
        }
        self.write_sys_config(&app, instance, target).await?;
        if was_ready { self.ready_again(&app, instance).await } else { Ok(()) }
    }

    /// It comes back with it after a crash too: with what it has come up with, and with nothing else.
    async fn write_sys_config(
        &self,
        app: &Arc<App>,
        instance: &Instance,
        target: Target,
    ) -> Result<(), ReloadError> {
        let (site, app, instance) = (self.control.site.clone(), app.clone(), instance.clone());
        let tree = site.tree(&app.name, &instance);
        let write = move || site.write_sys_config(&app, target, instance.place, instance.slot, &tree);
        Ok(spawn_blocking(write).await??)
    }

    /// How long it took, ms.
    async fn restart(&self, probe: &Probe) -> Result<u64, ReloadError> {
        let within = self.wish.restart_within_ms.map_or(RESTART, Duration::from_millis).min(LONGEST_RESTART);
        let began = Instant::now();
        match probe.restart(&self.wish.restart, within, within + ANSWER).await? {
            Restarted::Done => Ok(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)),
            Restarted::Refused(problems) => Err(ReloadError::NoRestart(problems)),
            Restarted::Failed { application, why, ends_node: true, .. } => {
                Err(ReloadError::EndsNode { application, why })
            }
            Restarted::Failed { application, why, stopped, .. } => {
                Err(ReloadError::NotRestarted { application, why, stopped })
            }
            Restarted::Late => Err(ReloadError::RestartLate(within)),
        }
    }

    /// Waits until its readiness check passes and nothing else has found it unwell.
    async fn ready_again(&self, app: &Arc<App>, instance: &Instance) -> Result<(), ReloadError> {
        let settings = &app.revision(instance.target).ok_or(host::site::SiteError::NoVersion)?.settings;
        let (check, readiness) = (settings.readiness_check(), &settings.readiness);
        let (site, of_app, of_instance) = (self.control.site.clone(), app.clone(), instance.clone());
        let target = spawn_blocking(move || site.probe_target(&of_app, &of_instance)).await??;
        let within = readiness.failure_timeout;
        let deadline = Instant::now() + within;
        loop {
            let why = match self.control.probe().attempt(&check, &target, readiness.within).await {
                Ok(()) => match self.status_of(instance) {
                    None => return Err(ReloadError::NotRunning),
                    Some((true, _)) => return Ok(()),
                    Some((false, word)) => format!("it is {word}"),
                },
                Err(not_passed) => not_passed.why().to_owned(),
            };
            if Instant::now() >= deadline {
                return Err(ReloadError::NotReady { within, why });
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Whether it is ready, and the word for what it is; `None`: it runs no more.
    fn status_of(&self, instance: &Instance) -> Option<(bool, &'static str)> {
        let app = self.control.app(&self.name).ok()?;
        let now = app.instances.get(&instance.id).filter(|it| !it.is_ending())?;
        Some((now.is_ready(), now.word()))
    }

    fn told(
        &self,
        app: &App,
        instance: &Instance,
        target: Target,
        probe: &Probe,
        config: &Config,
        reload: Reload,
    ) -> ReloadedInstance {
        let mut remarks = Vec::new();
        if instance.target != target && !self.wish.dry_run {
            remarks.push(format!(
                "it was started with the environment of v{}, which its process keeps: after a crash it comes back with \
                 that; bellrock restart {} replaces it",
                app.label(instance.target),
                app.name
            ));
        }
        let left_out = config.elsewhere().iter();
        ReloadedInstance {
            place: instance.place.0,
            node: probe.node().name().to_string(),
            version: app.label(target),
            dry_run: self.wish.dry_run,
            applications: reload.changed.into_iter().map(application).collect(),
            not_loaded: reload.not_loaded,
            left_out: left_out
                .flat_map(|(name, keys)| keys.iter().map(move |key| format!("{name}: {key}")))
                .collect(),
            remarks,
        }
    }
}

fn stopped_now(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; stopped now: {}", names.join(", ")) }
}

fn application(changed: probe::Changed) -> ReloadedApplication {
    let (told, why) = match changed.told {
        probe::Told::Ok => (Told::Ok, None),
        probe::Told::Would => (Told::Would, None),
        probe::Told::NotImplemented => (Told::NoCallback, None),
        probe::Told::NotRunning => (Told::NotRunning, None),
        probe::Told::Failed(why) => (Told::Failed, Some(why)),
        probe::Told::Late => (Told::Late, None),
    };
    let probe::Changed { application, changed, new, removed, .. } = changed;
    ReloadedApplication { application, changed, new, removed, told, why }
}

/// The places in which something runs, or the one that was named.
pub fn places(app: &Option<Arc<App>>, only: Option<u16>) -> Vec<Place> {
    let all = app.iter().flat_map(|app| app.instances.values());
    let running = all.filter(|it| it.pid.is_some() && !it.is_ending()).map(|it| it.place);
    let places: BTreeSet<Place> = running.filter(|it| only.is_none_or(|only| it.0 == only)).collect();
    places.into_iter().collect()
}

/// The instance of a place: one that serves, if there are two.
fn runs_in(app: &App, place: Place) -> Option<&Instance> {
    let running =
        app.instances.values().filter(|it| it.pid.is_some() && !it.is_ending() && it.place == place);
    running.max_by_key(|it| (it.is_ready(), it.id))
}

/// What the next start of an instance's place would be one of.
fn next_start(app: &App, instance: &Instance) -> Result<Target, ReloadError> {
    if let Some(deployment) = &app.deployment {
        return Err(ReloadError::Deploying(deployment.id.0));
    }
    let active = app.active().ok_or(ReloadError::NotRunning)?;
    if active.version != instance.target.version {
        let (runs, active) = (app.label(instance.target), app.label(active));
        return Err(ReloadError::OtherVersion { runs, active });
    }
    Ok(active)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reload_of_an_app_at_a_time() {
        let (reloading, shop, other) =
            (Reloading::default(), "shop".parse().unwrap(), "other".parse().unwrap());
        let turn = reloading.begin(&shop).unwrap();
        assert!(reloading.begin(&shop).is_none());
        assert!(reloading.begin(&other).is_some());
        drop(turn);
        assert!(reloading.begin(&shop).is_some());
    }
}
