//! Keeps one task per wanted check, and none else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::AppName;
use model::app::{App, CheckWanted, Event, Status, Verdict};
use model::settings::AppSettings;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::probe::{NotPassed, Probe, ProbeTarget};
use super::{FIRST_WAIT, LONGEST_WAIT};
use crate::site::Site;
use crate::tell::Tell;

/// Makes the checks of one app.
pub struct Checker<T> {
    site: Arc<Site>,
    probe: Probe,
    tell: Arc<T>,
    running: HashMap<CheckWanted, JoinHandle<()>>,
}

/// One check that is being made.
struct Watch<T> {
    app: AppName,
    wanted: CheckWanted,
    settings: AppSettings,
    target: ProbeTarget,
    healthy: bool,
    logs: (std::path::PathBuf, std::path::PathBuf),
    probe: Probe,
    tell: Arc<T>,
}

impl<T: Tell> Checker<T> {
    /// A checker that tells what it finds.
    pub fn new(site: Arc<Site>, probe: Probe, tell: Arc<T>) -> Self {
        Checker { site, probe, tell, running: HashMap::new() }
    }

    /// Follows an app's snapshots until told to stop.
    pub async fn follow(mut self, mut snapshots: watch::Receiver<Arc<App>>, stop: CancellationToken) {
        loop {
            let app = snapshots.borrow_and_update().clone();
            self.reconcile(&app);
            tokio::select! {
                () = stop.cancelled() => break,
                changed = snapshots.changed() => if changed.is_err() { break },
            }
        }
        for check in self.running.into_values() {
            check.abort();
        }
    }

    fn reconcile(&mut self, app: &App) {
        let wanted: Vec<CheckWanted> = app.checks_wanted().collect();
        self.running.retain(|check, task| {
            let keep = wanted.contains(check);
            if !keep {
                task.abort();
            }
            keep
        });
        for check in wanted {
            if self.running.contains_key(&check) {
                continue;
            }
            match self.watch(app, check) {
                Ok(watch) => {
                    self.running.insert(check, tokio::spawn(watch.run()));
                }
                Err(error) => {
                    warn!(app = %app.name, instance = %check.instance, error, "cannot check the instance")
                }
            }
        }
    }

    fn watch(&self, app: &App, wanted: CheckWanted) -> Result<Watch<T>, String> {
        let instance = app.instances.get(&wanted.instance).ok_or("it is gone")?;
        let target = self.site.probe_target(app, instance).map_err(|error| error.to_string())?;
        let settings = app.revision(instance.target).ok_or("its version is gone")?.settings.clone();
        Ok(Watch {
            app: app.name.clone(),
            wanted,
            settings,
            target,
            healthy: !matches!(instance.status, Status::Unhealthy { .. }),
            logs: self.site.paths.instance_logs(&app.name, instance.place, instance.id),
            probe: self.probe.clone(),
            tell: self.tell.clone(),
        })
    }
}

impl<T: Tell> Watch<T> {
    async fn run(self) {
        if self.wanted.readiness {
            let verdict = self.until_ready().await;
            self.say(verdict).await;
        } else {
            self.watch_health().await;
        }
    }

    async fn say(&self, verdict: Verdict) {
        let CheckWanted { instance, run, .. } = self.wanted;
        let event = Event::Check { instance, run, verdict };
        if let Err(error) = self.tell.tell(&self.app, event).await {
            debug!(app = %self.app, %instance, %error, "verdict not taken");
        }
    }

    fn tail(&self) -> Option<String> {
        crate::log_tail::of_instance(&self.logs.0, &self.logs.1)
    }

    /// Asks quickly while nothing answers, then every `retry_period`, for `failure_timeout` at the most.
    async fn until_ready(&self) -> Verdict {
        let settings = &self.settings.readiness;
        let check = self.settings.readiness_check();
        let mut wait = FIRST_WAIT;
        let mut last = "nothing was asked yet".to_owned();
        let attempts = async {
            loop {
                match self.probe.attempt(&check, &self.target, settings.within).await {
                    Ok(()) => return,
                    Err(not_passed) => {
                        let answered = matches!(not_passed, NotPassed::Answered(_));
                        not_passed.why().clone_into(&mut last);
                        let pause = if answered { settings.retry_period } else { wait };
                        wait = (wait * 3 / 2).min(LONGEST_WAIT);
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        };
        let left = settings.failure_timeout.saturating_sub(self.up_for());
        match tokio::time::timeout(left, attempts).await {
            Ok(()) => Verdict::Ready,
            Err(_) => Verdict::NeverReady { why: last, tail: self.tail() },
        }
    }

    fn up_for(&self) -> Duration {
        Duration::try_from(jiff::Timestamp::now().duration_since(self.target.up_since)).unwrap_or_default()
    }

    async fn watch_health(mut self) {
        let Some(check) = self.settings.health_check() else { return };
        let health = self.settings.health.clone();
        let (mut good, mut bad) = (0, 0);
        loop {
            tokio::time::sleep(health.interval).await;
            match self.probe.attempt(&check, &self.target, health.within).await {
                Ok(()) => (good, bad) = (good + 1, 0),
                Err(not_passed) => {
                    (good, bad) = (0, bad + 1);
                    debug!(app = %self.app, instance = %self.wanted.instance, why = not_passed.why(), bad, "health check failed");
                    if self.healthy && bad >= health.failures {
                        self.healthy = false;
                        let times = if bad == 1 { "once".into() } else { format!("{bad} times in a row") };
                        let why = format!("{} ({times})", not_passed.why());
                        self.say(Verdict::Unhealthy { why, tail: self.tail() }).await;
                    }
                }
            }
            if !self.healthy && good >= health.successes {
                self.healthy = true;
                self.say(Verdict::Healthy).await;
            }
        }
    }
}
