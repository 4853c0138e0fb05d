//! Keeps one task per wanted check, and none else.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use model::AppName;
use model::app::{App, CheckWanted, Event, Status, Verdict};
use model::settings::{AppSettings, Check};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use super::cadence::Cadence;
use super::probe::{NotPassed, Probe, ProbeTarget};
use crate::ports;
use crate::site::Site;
use crate::tell::Tell;
use crate::usage::Processes;

/// Between two attempts to find out what a check needs.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Makes the checks of one app.
pub struct Checker<T> {
    site: Arc<Site>,
    probe: Probe,
    tell: Arc<T>,
    running: HashMap<CheckWanted, AbortOnDropHandle<()>>,
}

/// One check that is being made.
pub(super) struct Watch<T> {
    pub(super) app: AppName,
    pub(super) wanted: CheckWanted,
    pub(super) settings: Arc<AppSettings>,
    pub(super) target: ProbeTarget,
    pub(super) healthy: bool,
    pub(super) logs: (std::path::PathBuf, std::path::PathBuf),
    pub(super) probe: Probe,
    pub(super) tell: Arc<T>,
}

impl<T: Tell> Checker<T> {
    /// A checker that tells what it finds.
    pub fn new(site: Arc<Site>, probe: Probe, tell: Arc<T>) -> Self {
        Checker { site, probe, tell, running: HashMap::new() }
    }

    /// Follows an app's snapshots until told to stop; no check outlives it.
    pub async fn follow(mut self, mut snapshots: watch::Receiver<Arc<App>>, stop: CancellationToken) {
        loop {
            let app = snapshots.borrow_and_update().clone();
            self.reconcile(&app);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = snapshots.changed() => if changed.is_err() { return },
            }
        }
    }

    fn reconcile(&mut self, app: &Arc<App>) {
        let wanted: Vec<CheckWanted> = app.checks_wanted().collect();
        self.running.retain(|check, _| wanted.contains(check));
        for check in wanted {
            if self.running.contains_key(&check) {
                continue;
            }
            self.running.insert(check, AbortOnDropHandle::new(tokio::spawn(self.check(app, check))));
        }
    }

    /// Makes a check for as long as it is wanted.
    fn check(&self, app: &Arc<App>, wanted: CheckWanted) -> impl Future<Output = ()> + Send + use<T> {
        let (site, probe, tell, app) =
            (self.site.clone(), self.probe.clone(), self.tell.clone(), app.clone());
        async move {
            let mut tries = 0;
            loop {
                let (site, of_app, probe, tell) = (site.clone(), app.clone(), probe.clone(), tell.clone());
                let made = spawn_blocking(move || Watch::new(&site, &of_app, wanted, probe, tell)).await;
                let error = match made {
                    Ok(Ok(watch)) => return watch.run().await,
                    Ok(Err(error)) => error,
                    Err(fault) => fault.to_string(),
                };
                if tries == 0 {
                    warn!(app = %app.name, instance = %wanted.instance, error, "cannot check the instance");
                }
                tries += 1;
                sleep(TRY_AGAIN).await;
            }
        }
    }
}

impl<T: Tell> Watch<T> {
    /// Everything that the check of an instance needs; blocks.
    fn new(site: &Site, app: &App, wanted: CheckWanted, probe: Probe, tell: Arc<T>) -> Result<Self, String> {
        let instance = app.instances.get(&wanted.instance).ok_or("it is gone")?;
        let target = site.probe_target(app, instance).map_err(|error| crate::chain(&error))?;
        let settings = app.revision(instance.target).ok_or("its version is gone")?.settings.clone();
        Ok(Watch {
            app: app.name.clone(),
            wanted,
            settings,
            target,
            healthy: !matches!(instance.status, Status::Unhealthy { .. }),
            logs: site.paths.instance_logs(&app.name, instance.place, instance.id),
            probe,
            tell,
        })
    }

    pub(super) async fn run(self) {
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

    async fn tail(&self) -> Option<String> {
        let (stdout, stderr) = self.logs.clone();
        spawn_blocking(move || crate::log_tail::of_instance(&stdout, &stderr)).await.ok().flatten()
    }

    /// Asks until it is ready, for `failure_timeout` at the most; once at least, because an instance may have become
    /// ready while no daemon ran to ask it.
    async fn until_ready(&self) -> Verdict {
        let settings = &self.settings.readiness;
        let check = self.settings.readiness_check();
        let deadline =
            Instant::now() + settings.failure_timeout.saturating_sub(self.target.up_since.elapsed());
        let mut cadence = Cadence::new(settings.retry_period);
        let mut within = settings.within;
        let mut why = None;
        loop {
            let not_passed = match self.probe.attempt(&check, &self.target, within).await {
                Ok(()) => return Verdict::Ready,
                Err(not_passed) => not_passed,
            };
            let pause = cadence.pause_after(&not_passed);
            // An attempt that the deadline cuts short tells less than one that had its time.
            if why.is_none() || within == settings.within {
                why = Some(not_passed);
            }
            sleep(pause.min(left_until(deadline))).await;
            within = settings.within.min(left_until(deadline));
            if within.is_zero() {
                return Verdict::NeverReady { why: self.explain(why).await, tail: self.tail().await };
            }
        }
    }

    /// Why it never became ready; where nothing answered on its port, on which ports it listens instead.
    async fn explain(&self, why: Option<NotPassed>) -> String {
        let Some(why) = why else { return String::new() };
        let (NotPassed::NoAnswer(said), Some(pid), true) = (&why, self.target.pid, self.asks_a_port()) else {
            return why.why().to_owned();
        };
        let listened = move || ports::listened_by(&Processes::read().of_instance(pid));
        let listened = spawn_blocking(listened).await.unwrap_or_default();
        format!("{said}; {}", listens_elsewhere(&listened))
    }

    fn asks_a_port(&self) -> bool {
        matches!(self.settings.readiness_check(), Check::HttpGet { .. } | Check::Tcp { .. })
    }

    async fn watch_health(mut self) {
        let Some(check) = self.settings.health_check() else { return };
        let health = self.settings.health.clone();
        let (mut good, mut bad) = (0, 0);
        loop {
            sleep(health.interval).await;
            match self.probe.attempt(&check, &self.target, health.within).await {
                Ok(()) => (good, bad) = (good + 1, 0),
                Err(not_passed) => {
                    (good, bad) = (0, bad + 1);
                    debug!(app = %self.app, instance = %self.wanted.instance, why = not_passed.why(), bad, "health check failed");
                    if self.healthy && bad >= health.failures {
                        self.healthy = false;
                        let times = if bad == 1 { "once".into() } else { format!("{bad} times in a row") };
                        let why = format!("{} ({times})", not_passed.why());
                        self.say(Verdict::Unhealthy { why, tail: self.tail().await }).await;
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

fn listens_elsewhere(ports: &BTreeSet<u16>) -> String {
    match ports.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice() {
        [] => "it listens on no port".to_owned(),
        ports => format!(
            "it listens on {} (of which Erlang's distribution may be one): does it read its port variable?",
            ports.join(", ")
        ),
    }
}

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
