//! The watchdog of one app: asks its nodes what they have, has the model judge, tells what has changed and asks for a restart
//! like anybody else.
//!
//! Owned by its task; what it remembers is in memory alone. Whether it may restart an instance is in the app's state.

use std::collections::BTreeMap;
use std::sync::Arc;

use host::usage::Processes;
use host::{Tell, memory};
use model::app::{App, Event, Instance, Level};
use model::settings::{AppSettings, WatchdogAction};
use model::watchdog::{Counts, Finding, Reading, Run, State, Watchdog};
use model::{AppName, InstanceId};
use probe::{Sample, Used};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::control::Control;
use crate::node_samples::NodeSamples;
use crate::watchdog_restarts::WatchdogRestarts;

/// Watches the nodes of one app.
pub struct NodeWatch {
    control: Arc<Control>,
    watchdog: Watchdog,
    samples: NodeSamples,
    restarts: WatchdogRestarts,
}

impl NodeWatch {
    /// One that has seen nothing yet.
    pub fn new(control: Arc<Control>) -> Self {
        let restarts = WatchdogRestarts::new(control.clone());
        let samples = NodeSamples::new(control.nodes.clone());
        NodeWatch { control, watchdog: Watchdog::default(), samples, restarts }
    }

    /// Follows an app until told to stop.
    pub async fn follow(mut self, mut app: watch::Receiver<Arc<App>>, stop: CancellationToken) {
        let following = async {
            loop {
                let snapshot = app.borrow_and_update().clone();
                let Some(settings) = watching(&snapshot) else {
                    self.watchdog.rest();
                    self.samples.rest();
                    if app.changed().await.is_err() {
                        return;
                    }
                    continue;
                };
                self.look(&snapshot, settings).await;
                tokio::select! {
                    () = sleep(settings.watchdog.every) => {}
                    changed = app.wait_for(|app| watching(app).is_none()) => if changed.is_err() { return },
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    async fn look(&mut self, app: &Arc<App>, settings: &AppSettings) {
        let counted = self.count(app, settings).await;
        for finding in self.watchdog.look(&counted, settings) {
            self.tell(&app.name, &finding).await;
        }
        if let Some(worst) = self.watchdog.worst(&settings.watchdog).cloned() {
            self.restarts.ask(&app.name, worst.run.0, worst.to_string()).await;
        } else {
            self.restarts.none_is_needed();
        }
    }

    /// What all ready instances have, as far as it is known.
    async fn count(&mut self, app: &Arc<App>, settings: &AppSettings) -> BTreeMap<Run, Counts> {
        let ready: Vec<&Instance> = app.instances.values().filter(|it| it.is_ready()).collect();
        let mailboxes = u16::from(settings.watchdog.mailbox.is_some());
        let samples = self.samples.take(&app.name, &ready, mailboxes).await;
        let mut memory = self.memory(app, settings).await;
        ready
            .iter()
            .map(|it| {
                let run = (it.id, it.run);
                let (bytes, host) = memory.remove(&it.id).unwrap_or_default();
                let counts = samples.get(&run).map(|sample| counts(sample, mailboxes)).unwrap_or_default();
                (run, Counts { memory_bytes: bytes, host_memory: host, ..counts })
            })
            .collect()
    }

    /// Resident memory of the app's instances, where it is limited or the host has little left; with the latter for that
    /// instance which is the host's largest.
    async fn memory(&self, app: &Arc<App>, settings: &AppSettings) -> BTreeMap<InstanceId, InMemory> {
        let is_limited = settings.watchdog.memory.or(settings.resources.memory).is_some();
        let (of_app, apps, warn) = (app.clone(), self.control.apps(), u64::from(settings.watchdog.warn));
        let read = spawn_blocking(move || {
            let host = memory::of_host().map(|(count, limit)| Reading { count, limit });
            // a little below, so that it is seen to be well again
            let is_short = host.is_some_and(|host| host.percent() + 10 >= warn);
            if !is_limited && !is_short {
                return BTreeMap::new();
            }
            let processes = Processes::read();
            let bytes = |it: &Instance| Some(processes.usage(it.pid?)?.memory);
            let ready = |app: &Arc<App>| -> Vec<Instance> {
                app.instances.values().filter(|it| it.is_ready()).cloned().collect()
            };
            let everyone =
                apps.iter().flat_map(|app| ready(app).into_iter().map(|it| (app.name.clone(), it)));
            let largest = everyone.filter_map(|(name, it)| Some((bytes(&it)?, name, it.id))).max();
            let host_of = |id| {
                let is_largest =
                    largest.as_ref().is_some_and(|(_, name, it)| (name, *it) == (&of_app.name, id));
                host.filter(|_| is_short && is_largest)
            };
            ready(&of_app).iter().map(|it| (it.id, (bytes(it), host_of(it.id)))).collect()
        });
        read.await.unwrap_or_default()
    }

    async fn tell(&self, app: &AppName, finding: &Finding) {
        let (instance, run) = finding.run;
        let level = match finding.state {
            State::Well => Level::Info,
            State::High => Level::Warning,
            State::Exceeds => Level::Alarm,
        };
        let event = Event::Watchdog { instance, run, level, text: finding.to_string() };
        if let Err(error) = self.control.tell(app, event).await {
            debug!(%app, %instance, %error, "what the watchdog has found was not taken");
        }
    }
}

/// Resident bytes, and how it is with the host's memory for the largest instance.
type InMemory = (Option<u64>, Option<Reading>);

/// The settings by which the app's nodes are watched.
fn watching(app: &App) -> Option<&AppSettings> {
    let active = app.active().filter(|_| app.running)?;
    let settings = &app.revision(active)?.settings;
    (settings.watchdog.action != WatchdogAction::Off).then_some(settings)
}

fn counts(sample: &Sample, mailboxes: u16) -> Counts {
    let reading = |used: Used| Some(Reading { count: used.count, limit: used.limit });
    Counts {
        atoms: reading(sample.atoms),
        processes: reading(sample.processes),
        ports: reading(sample.ports),
        ets_tables: reading(sample.ets_tables),
        run_queue: Some(sample.run_queue),
        mailbox: (mailboxes > 0).then(|| sample.mailboxes.first().map_or(0, |it| it.messages)),
        ..Counts::default()
    }
}
