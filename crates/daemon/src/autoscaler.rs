//! The autoscaler of one app: collects figures while its settings let places follow the load, has the model decide,
//! and asks for a scale operation like anybody else.
//!
//! Owned by its task; the newest figures are kept in [`Control`] for the API. Its window is in memory alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use host::proxy::{CloseWatch, Proxy};
use host::usage::Processes;
use model::app::{App, Command, Instance, Origin};
use model::autoscale::{Figures, Look, Window};
use model::settings::Autoscale;
use model::{AppName, InstanceId};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::control::Control;
use crate::node_samples::NodeSamples;

/// Watches one app.
pub struct Autoscaler {
    control: Arc<Control>,
    begun: Instant,
    window: Window,
    meter: Meter,
    /// Reports of the proxy come often while requests count.
    closely: Option<CloseWatch>,
    /// What was not taken, so that it is told once.
    refused: Option<String>,
}

impl Autoscaler {
    /// One that has seen nothing yet.
    pub fn new(control: Arc<Control>) -> Self {
        let meter = Meter::new(&control);
        let window = Window::new(Duration::ZERO);
        Autoscaler { control, begun: Instant::now(), window, meter, closely: None, refused: None }
    }

    /// Follows an app until told to stop.
    pub async fn follow(mut self, mut app: watch::Receiver<Arc<App>>, stop: CancellationToken) {
        let following = async {
            loop {
                let snapshot = app.borrow_and_update().clone();
                match following(&snapshot) {
                    None => {
                        self.forget(&snapshot.name);
                        if app.changed().await.is_err() {
                            return;
                        }
                    }
                    Some(settings) if !is_quiet(&snapshot) => {
                        self.window.rest(self.begun.elapsed());
                        self.show(&snapshot, settings);
                        if app.changed().await.is_err() {
                            return;
                        }
                    }
                    Some(settings) => {
                        self.look(&snapshot, settings).await;
                        // Who changes it meanwhile is seen by its deployment: then the window begins anew.
                        if rested(&mut app, settings.collect).await.is_err() {
                            return;
                        }
                    }
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    async fn look(&mut self, app: &Arc<App>, settings: &Autoscale) {
        let by_requests = settings.requests.is_some();
        self.closely =
            by_requests.then(|| self.closely.take().unwrap_or_else(|| self.control.proxy.watch_closely()));
        let figures = self.meter.read(app, settings.asks_nodes()).await;
        let at = self.begun.elapsed();
        self.window.collect(at, figures, settings);
        self.show(app, settings);
        let Some((places, range)) = places(app) else { return };
        let Some(advice) = self.window.decide(at, places, &range, settings) else { return };
        let by = Origin::Autoscaler { reason: advice.reason.clone() };
        let replicas = advice.places;
        let asked = self.control.ask(&app.name, by, |deployment| Command::Scale { replicas, deployment });
        match asked.await {
            Ok(_) => {
                info!(app = %app.name, replicas, reason = advice.reason, "scaled by the load");
                self.refused = None;
            }
            Err(error) => {
                let why = error.to_string();
                if self.refused.as_ref() == Some(&why) {
                    debug!(app = %app.name, reason = advice.reason, why, "scaling by the load is still not taken");
                } else {
                    info!(app = %app.name, reason = advice.reason, why, "scaling by the load is not taken");
                }
                self.refused = Some(why);
            }
        }
    }

    fn show(&self, app: &App, settings: &Autoscale) {
        let Some((places, _)) = places(app) else { return };
        self.control.loads.show(&app.name, self.window.looks(places, settings));
    }

    fn forget(&mut self, app: &AppName) {
        self.closely = None;
        self.window.rest(self.begun.elapsed());
        self.control.loads.forget(app);
    }
}

/// The settings by which the app's places follow its load.
fn following(app: &App) -> Option<&Autoscale> {
    let active = app.active().filter(|_| app.running && app.stuck.is_none())?;
    let settings = &app.revision(active)?.settings;
    settings.autoscale_range().map(|_| &settings.autoscale)
}

/// Whether nothing else changes the app's instances, and nobody wants them left alone.
fn is_quiet(app: &App) -> bool {
    app.deployment.is_none() && app.queued.is_none() && app.frozen.is_none()
}

fn places(app: &App) -> Option<(u16, std::ops::RangeInclusive<u16>)> {
    let active = app.active()?;
    Some((app.replicas(active), app.revision(active)?.settings.autoscale_range()?))
}

/// Waits for the next collection, or until something else begins to change the app.
async fn rested(
    app: &mut watch::Receiver<Arc<App>>,
    collect: Duration,
) -> Result<(), watch::error::RecvError> {
    tokio::select! {
        () = sleep(collect) => Ok(()),
        changed = app.wait_for(|app| following(app).is_none() || !is_quiet(app)) => changed.map(|_| ()),
    }
}

/// The newest figures of all apps whose places follow their load.
#[derive(Debug, Default)]
pub struct Loads(std::sync::Mutex<BTreeMap<AppName, Vec<Look>>>);

impl Loads {
    /// Those of one app; `None` while its places follow nothing.
    pub fn of(&self, app: &AppName) -> Option<Vec<Look>> {
        self.0.lock().expect("nobody panics while holding it").get(app).cloned()
    }

    fn show(&self, app: &AppName, looks: Vec<Look>) {
        self.0.lock().expect("nobody panics while holding it").insert(app.clone(), looks);
    }

    fn forget(&self, app: &AppName) {
        self.0.lock().expect("nobody panics while holding it").remove(app);
    }
}

/// Turns what has been counted so far into what is used now: two readings and the time between them.
struct Meter {
    proxy: Proxy,
    samples: NodeSamples,
    cpu: Rate<(InstanceId, u32)>,
    requests: Rate<(u64, InstanceId)>,
}

impl Meter {
    fn new(control: &Control) -> Self {
        let samples = NodeSamples::new(control.nodes.clone());
        Meter { proxy: control.proxy.clone(), samples, cpu: Rate::default(), requests: Rate::default() }
    }

    /// What all ready instances use together.
    async fn read(&mut self, app: &Arc<App>, asks_nodes: bool) -> Figures {
        let of_app = app.clone();
        let read = spawn_blocking(move || {
            let processes = Processes::read();
            let ready = of_app.instances.values().filter(|it| it.is_ready());
            ready.map(|it| Some(((it.id, it.run), processes.usage(it.pid?)?))).collect::<Option<Vec<_>>>()
        });
        let usages = read.await.ok().flatten();
        let memory = usages.as_ref().map(|usages| usages.iter().map(|(_, usage)| usage.memory).sum());
        let micros = |cpu: Duration| u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX);
        let cpu = usages.and_then(|usages| {
            let counts = usages.into_iter().map(|(run, usage)| (run, micros(usage.cpu))).collect();
            // Microseconds a second are millionths of a core.
            self.cpu.since(Instant::now(), counts).map(|rate| rate / 1000)
        });
        let (run_queue, node_memory) = if asks_nodes { self.of_nodes(app).await } else { (None, None) };
        Figures { cpu, memory, requests: self.requests(app), run_queue, node_memory }
    }

    /// The run queues and the memory of all ready instances' nodes; not known unless all of them say so.
    async fn of_nodes(&mut self, app: &App) -> (Option<u64>, Option<u64>) {
        let ready: Vec<&Instance> = app.instances.values().filter(|it| it.is_ready()).collect();
        let samples = self.samples.take(&app.name, &ready, 0).await;
        if samples.len() < ready.len() {
            return (None, None);
        }
        let waiting = samples.values().map(|it| it.run_queue.saturating_mul(1000) / it.schedulers.max(1));
        let memory = samples.values().map(|it| it.memory.map(|memory| memory.total_bytes));
        (Some(waiting.sum()), memory.sum())
    }

    /// A report that came since the last look, or else what the last one said.
    fn requests(&mut self, app: &App) -> Option<u64> {
        let facts = self.proxy.facts();
        let facts = facts.borrow();
        let sample = facts.report.as_ref()?;
        let of_app = sample.report.backends.iter().filter(|it| it.app == app.name.as_str());
        let of_process = sample.report.incarnation;
        let counts =
            of_app.map(|it| ((of_process, InstanceId(it.instance)), it.counts.requests.saturating_mul(1000)));
        self.requests.since(sample.at, counts.collect())
    }
}

/// What is counted of several things, as a rate.
#[derive(Debug)]
struct Rate<K> {
    before: Option<(Instant, BTreeMap<K, u64>)>,
    last: Option<u64>,
}

impl<K> Default for Rate<K> {
    fn default() -> Self {
        Rate { before: None, last: None }
    }
}

impl<K: Ord> Rate<K> {
    /// The sum of what came since the reading before, a second; `None` at the first. One that is new began at zero.
    fn since(&mut self, at: Instant, counts: BTreeMap<K, u64>) -> Option<u64> {
        let Some((then, before)) = &self.before else {
            self.before = Some((at, counts));
            return None;
        };
        if at <= *then {
            return self.last;
        }
        let over = at.duration_since(*then).as_secs_f64();
        let more = |(key, count): (&K, &u64)| count.saturating_sub(before.get(key).copied().unwrap_or(0));
        let sum: u64 = counts.iter().map(more).sum();
        self.last = Some((sum as f64 / over) as u64);
        self.before = Some((at, counts));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_since_the_reading_before() {
        let mut rate = Rate::default();
        let begun = Instant::now();
        let mut read = |seconds, counts: &[(u8, u64)]| {
            rate.since(begun + Duration::from_secs(seconds), counts.iter().copied().collect())
        };
        assert_eq!(read(1, &[(1, 100), (2, 50)]), None, "nothing is known of before");
        assert_eq!(read(3, &[(1, 300), (2, 50)]), Some(100));
        assert_eq!(read(3, &[(1, 900), (2, 50)]), Some(100), "no newer reading");
        assert_eq!(read(5, &[(2, 70)]), Some(10), "one that has gone counts no more");
        assert_eq!(read(7, &[(2, 70), (3, 30)]), Some(15), "one that has come began at zero");
        assert_eq!(read(8, &[(2, 0), (3, 30)]), Some(0), "counts that fall are no load");
    }
}
