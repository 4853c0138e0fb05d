//! The control thread: takes tables from the daemon, saves them and hands them to the cores, checks health, and tells
//! what has drained. It is the only owner of what is wanted; cores have their own views.
//!
//! ```text
//! daemon ─frames─▶ connection ─▶ Control ─Apply─▶ cores ─ack─▶ Applied
//!                      ▲            │ ▲ facts ── cores
//!                      └──Drained───┘ └─ checks
//! ```

mod connection;
mod report;
mod socket;

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{self, Arc, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::net::UnixListener;
use tokio::sync::{Mutex, Notify, mpsc, oneshot, watch};
use wire::proxy::{self, Answer, BackendMode, Drained, ListenerReport, SetCertificates, Table};

pub(crate) use self::report::Past;
pub use self::socket::SocketError;
pub(crate) use self::socket::bind;
use crate::access_log;
use crate::core::{Fact, Message, Shared};
use crate::descriptors::most_connections;
use crate::drains::Drains;
use crate::health::{Change, Checks};
use crate::instance::{Health, Instance};
use crate::log;
use crate::saved::{self, SavedError};
use crate::serving::{BadTable, Registry, Serving};
use crate::tls::CertificateError;

/// What the control thread is made from.
pub(crate) struct Parts {
    pub(crate) cores: Vec<mpsc::UnboundedSender<Message>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) registry: Registry,
    pub(crate) serving: Arc<Serving>,
    pub(crate) log_settings: Arc<sync::Mutex<access_log::Settings>>,
    pub(crate) state: PathBuf,
    pub(crate) listeners: Vec<ListenerReport>,
    pub(crate) incarnation: u64,
}

/// The state of the control thread.
pub(crate) struct Control {
    cores: Vec<mpsc::UnboundedSender<Message>>,
    shared: Arc<Shared>,
    state: PathBuf,
    listeners: Vec<ListenerReport>,
    incarnation: u64,
    started: Instant,
    /// Held while a table is being applied: one after another.
    registry: Mutex<Registry>,
    serving: RefCell<Arc<Serving>>,
    /// What the writer of the access log goes by.
    log_settings: Arc<sync::Mutex<access_log::Settings>>,
    /// Highest that was heard of.
    epoch: Cell<u64>,
    drains: RefCell<Drains>,
    drains_changed: Notify,
    past: RefCell<Past>,
    checks: Checks,
    watchers: Rc<Watchers>,
}

/// Connections that are told what happens.
#[derive(Default)]
struct Watchers(RefCell<Vec<mpsc::UnboundedSender<Answer>>>);

/// Why a table is not served.
#[derive(Debug, Error)]
enum NotApplied {
    #[error("revision {served} is served, {offered} is not higher")]
    Stale { served: u64, offered: u64 },
    #[error("the table cannot be served")]
    Bad(#[from] BadTable),
    #[error("the table could not be saved")]
    Save(#[from] SavedError),
    #[error("a thread of the proxy has ended")]
    Thread,
}

/// Why certificates are not used.
#[derive(Debug, Error)]
enum BadCertificates {
    #[error("the certificates cannot be used")]
    Unusable(#[from] CertificateError),
    #[error("the certificates could not be saved")]
    Save(#[from] SavedError),
}

/// While something drains, it is looked at this often.
const LOOK: Duration = Duration::from_millis(5);

impl Control {
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let watchers = Rc::new(Watchers::default());
        let checks = Checks::new(tell_changes(watchers.clone(), parts.cores.clone()));
        let control = Rc::new(Self {
            cores: parts.cores,
            shared: parts.shared,
            state: parts.state,
            listeners: parts.listeners,
            incarnation: parts.incarnation,
            started: Instant::now(),
            registry: Mutex::new(parts.registry),
            epoch: Cell::new(parts.serving.table.epoch),
            serving: RefCell::new(parts.serving),
            log_settings: parts.log_settings,
            drains: RefCell::default(),
            drains_changed: Notify::new(),
            past: RefCell::default(),
            checks,
            watchers,
        });
        let serving = control.serving.borrow().clone();
        control.follow(&serving, Vec::new());
        control
    }

    /// Serves daemons, checks and drains until `stop` says true.
    pub(crate) async fn run(
        self: Rc<Self>,
        listener: UnixListener,
        mut facts: mpsc::Receiver<Fact>,
        mut stop: watch::Receiver<bool>,
    ) {
        let drains = tokio::task::spawn_local(self.clone().watch_drains());
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        tokio::task::spawn_local(connection::serve(self.clone(), stream));
                    }
                    Err(error) => {
                        log::line(format_args!("error: could not accept the daemon's connection: {error}"));
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(fact) = facts.recv() => self.checks.hint(fact),
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        drains.abort();
    }

    /// Checks, saves and applies a table, and returns when all cores serve by it.
    async fn apply(&self, table: Table) -> Result<u64, NotApplied> {
        let mut registry = self.registry.lock().await;
        let served = self.serving.borrow().clone();
        let (offered, revision) = (table.revision, served.table.revision);
        if table == served.table {
            return Ok(offered);
        }
        if offered <= revision {
            return Err(NotApplied::Stale { served: revision, offered });
        }
        let serving = Arc::new(registry.compile(table)?);
        // what is saved belongs to who goes on
        if !self.shared.stopping.load(Ordering::Relaxed) {
            self.save(serving.clone()).await?;
        }
        *self.serving.borrow_mut() = serving.clone();
        self.send_to_cores(&serving).await?;
        let gone = registry.retain(&serving);
        self.past.borrow_mut().add(&served, &serving);
        self.follow(&serving, gone);
        log::line(format_args!(
            "revision={offered} epoch={} routes={} applied",
            serving.table.epoch,
            serving.routes.len()
        ));
        Ok(offered)
    }

    /// Checks, saves and uses certificates; if one is bad, the old ones stay.
    fn set_certificates(&self, message: &SetCertificates) -> Result<(), BadCertificates> {
        let certificates = self.shared.tls.read(message)?;
        saved::save(&self.state, proxy::CERTIFICATES_FILE, message)?;
        log::line(format_args!("certificates={} applied", certificates.len()));
        self.shared.tls.replace(certificates);
        Ok(())
    }

    /// Elsewhere, as a busy disk may take seconds, and checks go on meanwhile.
    async fn save(&self, serving: Arc<Serving>) -> Result<(), NotApplied> {
        let state = self.state.clone();
        let saving = move || saved::save(&state, proxy::TABLE_FILE, &serving.table);
        Ok(tokio::task::spawn_blocking(saving).await.map_err(|_| NotApplied::Thread)??)
    }

    async fn send_to_cores(&self, serving: &Arc<Serving>) -> Result<(), NotApplied> {
        let mut acknowledgements = Vec::with_capacity(self.cores.len());
        for core in &self.cores {
            let (done, acknowledged) = oneshot::channel();
            core.send(Message::Apply(serving.clone(), done)).map_err(|_| NotApplied::Thread)?;
            acknowledgements.push(acknowledged);
        }
        for acknowledged in acknowledgements {
            acknowledged.await.map_err(|_| NotApplied::Thread)?;
        }
        Ok(())
    }

    /// All cores serve by this table: what must be checked and what drains follows from it.
    fn follow(&self, serving: &Serving, mut draining: Vec<Arc<Instance>>) {
        self.limit_connections(serving.front.max_connections);
        *self.log_settings.lock().unwrap_or_else(PoisonError::into_inner) = serving.access_log();
        self.checks.follow(serving);
        let entries = || serving.routes.iter().flat_map(|route| &route.backends);
        let in_mode = |mode| entries().filter(move |entry| entry.mode == mode);
        draining.extend(in_mode(BackendMode::Draining).map(|entry| entry.backend.instance.clone()));
        let active: Vec<_> = in_mode(BackendMode::Active).map(|entry| &entry.backend.instance).collect();
        let is_active = |instance: &Instance| {
            active.iter().any(|active| active.app == instance.app && active.number == instance.number)
        };
        self.drains.borrow_mut().follow(draining, is_active);
        self.drains_changed.notify_one();
    }

    /// As many as the table says, if there are descriptors for them; where it is less, that is told when it changes.
    fn limit_connections(&self, wanted: u64) {
        let most = most_connections(wanted);
        if self.shared.max_connections.swap(most, Ordering::Relaxed) != most && most < wanted {
            log::line(format_args!(
                "error: at most {most} connections at a time instead of proxy.max_connections = {wanted}: \
                 the limit of open files leaves room for no more; raise LimitNOFILE= in bellrockd's unit and restart \
                 bellrockd: a proxy with that limit takes over"
            ));
        }
    }

    async fn watch_drains(self: Rc<Self>) {
        loop {
            let news = self.drains.borrow_mut().news();
            for drained in news {
                let Drained { app, instance, cut, websockets_closed, streams_ended, took_ms } = &drained;
                log::line(format_args!(
                    "app={app} instance={instance} cut={cut} websockets_closed={websockets_closed} \
                     streams_ended={streams_ended} took_ms={took_ms} drained"
                ));
                self.watchers.tell(&Answer::Drained(drained));
            }
            if self.drains.borrow().are_pending() {
                tokio::time::sleep(LOOK).await;
            } else {
                self.drains_changed.notified().await;
            }
        }
    }

    /// What is true now, for a connection that begins to watch.
    fn watch(&self, watcher: mpsc::UnboundedSender<Answer>) {
        let drained: Vec<Drained> = self.drains.borrow().all();
        // a connection that has ended has nobody to tell
        for drained in drained {
            let _ = watcher.send(Answer::Drained(drained));
        }
        for health in self.down() {
            let _ = watcher.send(Answer::Health(health));
        }
        self.watchers.0.borrow_mut().push(watcher);
    }

    fn down(&self) -> Vec<proxy::Health> {
        let serving = self.serving.borrow();
        let entries = serving.routes.iter().flat_map(|route| &route.backends);
        let down =
            entries.filter(|entry| entry.mode == BackendMode::Active && entry.backend.health() != Health::Up);
        down.map(|entry| proxy::Health {
            app: entry.backend.instance.app.clone(),
            instance: entry.backend.instance.number,
            up: false,
            reason: self.checks.reason(entry.backend.uid),
        })
        .collect()
    }
}

impl Watchers {
    fn tell(&self, answer: &Answer) {
        self.0.borrow_mut().retain(|watcher| watcher.send(answer.clone()).is_ok());
    }
}

/// Logs a change of health, tells it to who watches, and lets the cores look again.
fn tell_changes(watchers: Rc<Watchers>, cores: Vec<mpsc::UnboundedSender<Message>>) -> Rc<dyn Fn(&Change)> {
    Rc::new(move |change| {
        let instance = &change.backend.instance;
        let up = change.health == Health::Up;
        let state = if up { "up" } else { "down" };
        log::line(format_args!(
            "app={} instance={} address={} state={state} reason={:?}",
            instance.app, instance.number, change.backend.address, change.reason
        ));
        watchers.tell(&Answer::Health(proxy::Health {
            app: instance.app.clone(),
            instance: instance.number,
            up,
            reason: change.reason.clone(),
        }));
        for core in &cores {
            // a core that has ended holds nothing
            let _ = core.send(Message::LookAgain);
        }
    })
}
