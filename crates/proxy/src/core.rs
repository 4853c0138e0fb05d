//! One core: a thread with its own runtime, its connections, its pools and its view of the table. Requests never leave
//! it; what others want of it comes as a [`Message`].

use std::cell::{Cell, Ref, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::net::{IpAddr, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use wire::proxy::BackendMode;

use crate::access_log::{Line, Lines};
use crate::assets::Looks;
use crate::connection;
use crate::core_table::{CoreRoute, CoreTable};
use crate::instance::Padded;
use crate::log;
use crate::proxy_protocol::HeaderError;
use crate::request_id::RequestIds;
use crate::serving::Serving;
use crate::session::{Order, Phase, Session};
use crate::stream_end::Draining;
use crate::tls::Tls;

/// What is asked of a core.
#[derive(Debug)]
pub(crate) enum Message {
    /// Serve this client.
    Accepted(Accepted),
    /// Serve by this table from now on, and say when you do.
    Apply(Arc<Serving>, oneshot::Sender<()>),
    /// A backend's health has changed: look again whether somebody can take what is held.
    LookAgain,
    /// Close this many connections between requests, the longest idle first.
    CloseIdle(usize),
    /// Finish what is in flight, within this time at most.
    Stop(Duration),
}

/// A client's connection, not yet known to any runtime.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: IpAddr,
    pub(crate) tls: bool,
    pub(crate) open: OpenConnection,
}

/// What a core has found out about a backend, by its `uid`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fact {
    /// Nobody listens there.
    Refused(u64),
    /// It did not answer a request.
    Failed(u64),
}

/// What all threads of the proxy share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) accepted: AtomicU64,
    pub(crate) unrouted: AtomicU64,
    /// Connections that did not begin with the PROXY header that they must begin with.
    bad_headers: AtomicU64,
    /// Most connections at a time, by the table.
    pub(crate) max_connections: AtomicU64,
    /// The proxy is about to end.
    pub(crate) stopping: AtomicBool,
    pub(crate) tls: Tls,
    open: Box<[Padded<AtomicU64>]>,
}

impl Shared {
    pub(crate) fn new(cores: usize, tls: Tls) -> Self {
        let open = (0..cores).map(|_| Padded::default()).collect();
        Self {
            accepted: AtomicU64::new(0),
            unrouted: AtomicU64::new(0),
            bad_headers: AtomicU64::new(0),
            max_connections: AtomicU64::new(u64::MAX),
            stopping: AtomicBool::new(false),
            tls,
            open,
        }
    }

    /// Says that a connection was closed because of its PROXY header: of the first, the tenth, the hundredth and so on.
    pub(crate) fn tell_bad_header(&self, sender: IpAddr, error: &HeaderError) {
        let number = self.bad_headers.fetch_add(1, Ordering::Relaxed) + 1;
        if 10_u64.pow(number.ilog10()) == number {
            log::line(format_args!(
                "error: a connection of {sender} was closed: {}; {number} until now",
                log::with_causes(error)
            ));
        }
    }

    /// Connections open on all cores.
    pub(crate) fn open(&self) -> u64 {
        self.open.iter().map(|open| open.0.load(Ordering::Relaxed)).sum()
    }

    /// The core with the fewest connections.
    pub(crate) fn least_loaded(&self) -> usize {
        let loads = self.open.iter().enumerate();
        loads.min_by_key(|(_, open)| open.0.load(Ordering::Relaxed)).map_or(0, |(core, _)| core)
    }
}

/// Counts a connection as long as it lives.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    shared: Arc<Shared>,
    core: usize,
}

impl OpenConnection {
    pub(crate) fn new(shared: &Arc<Shared>, core: usize) -> Self {
        shared.open[core].0.fetch_add(1, Ordering::Relaxed);
        Self { shared: shared.clone(), core }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.shared.open[self.core].0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Marks are compared with the clock this often, so no limit is kept more exactly.
const TICK: Duration = Duration::from_millis(100);
/// Idle connections to backends are looked at every so many ticks.
const TICKS_PER_EXPIRY: u64 = 10;
/// A connection is closed to make room for another when it has been idle for so long,
const IDLE_MS: u64 = 50;
/// or has said nothing for so long since it came.
const SILENT_MS: u64 = 1000;
/// While the proxy ends, a connection is closed when it has been idle for so long: who asks more often is told with an
/// answer, so that no request meets a connection that is being closed;
const IDLE_AT_END_MS: u64 = 1_000;
/// or has said nothing for so long since it came, its handshake included.
const SILENT_AT_END_MS: u64 = 5_000;
/// Drain time of what has left the table with its whole route.
const DEFAULT_DRAIN_MS: u64 = 30_000;

/// A core, as everything on its thread sees it.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ids: RequestIds,
    pub(crate) looks: Looks,
    index: usize,
    started: Instant,
    /// ms since `started`; looked at with each request and each tick.
    now: Cell<u64>,
    table: RefCell<Rc<CoreTable>>,
    sessions: RefCell<HashMap<u64, Rc<Session>>>,
    last_session: Cell<u64>,
    changes: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
    facts: mpsc::Sender<Fact>,
    /// The proxy ends: everything drains.
    ending: Cell<Option<Draining>>,
    lines: Lines,
}

/// How often table or health had changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changes(u64);

impl Core {
    pub(crate) fn new(
        index: usize,
        shared: Arc<Shared>,
        serving: Arc<Serving>,
        facts: mpsc::Sender<Fact>,
        lines: Lines,
        ids: RequestIds,
    ) -> Rc<Self> {
        Rc::new(Self {
            shared,
            ids,
            looks: Looks::default(),
            index,
            started: Instant::now(),
            now: Cell::new(0),
            table: RefCell::new(Rc::new(CoreTable::new(serving, index, None))),
            sessions: RefCell::default(),
            last_session: Cell::new(0),
            changes: Cell::new(0),
            waiting: RefCell::default(),
            facts,
            ending: Cell::new(None),
            lines,
        })
    }

    /// Serves until it was stopped and all connections have ended.
    pub(crate) async fn run(self: Rc<Self>, mut inbox: mpsc::UnboundedReceiver<Message>) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut number: u64 = 0;
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(message) => self.take(message),
                    None => return,
                },
                _ = ticks.tick() => {
                    number += 1;
                    self.tick(number.is_multiple_of(TICKS_PER_EXPIRY));
                }
            }
        }
    }

    fn take(self: &Rc<Self>, message: Message) {
        self.look_at_clock();
        match message {
            Message::Accepted(accepted) => {
                tokio::task::spawn_local(connection::run(self.clone(), accepted));
            }
            Message::Apply(serving, done) => {
                self.apply(serving);
                // nobody waits for it where the daemon has gone; it is applied all the same
                let _ = done.send(());
            }
            Message::LookAgain => self.changed(),
            Message::CloseIdle(number) => self.close_idle(number),
            Message::Stop(grace) => self.stop(grace),
        }
    }

    /// ms of this core's clock, as last looked at.
    pub(crate) fn now(&self) -> u64 {
        self.now.get()
    }

    pub(crate) fn look_at_clock(&self) -> Instant {
        let now = Instant::now();
        self.now.set(now.duration_since(self.started).as_millis() as u64);
        now
    }

    fn tick(&self, expire_idle: bool) {
        self.look_at_clock();
        let table = self.table.borrow().clone();
        for session in self.sessions.borrow().values() {
            session.tick(self.now(), &table.serving.front);
            self.end(session);
        }
        if expire_idle {
            table.expire_idle(self.now());
        }
    }

    pub(crate) fn table(&self) -> Ref<'_, Rc<CoreTable>> {
        self.table.borrow()
    }

    fn apply(&self, serving: Arc<Serving>) {
        let before = self.table.borrow().clone();
        let table = Rc::new(CoreTable::new(serving.clone(), self.index, Some(&before)));
        *self.table.borrow_mut() = table;
        for session in self.sessions.borrow().values() {
            tell_drain(session, &before.serving, &serving);
        }
        self.changed();
    }

    /// Something may be possible now that was not.
    fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
        self.waiting.take().into_iter().for_each(Waker::wake);
    }

    /// To be asked before looking, so that no change is missed.
    pub(crate) fn changes(&self) -> Changes {
        Changes(self.changes.get())
    }

    /// Waits until table or health have changed.
    pub(crate) async fn change(&self, since: Changes) {
        poll_fn(|cx| {
            if self.changes.get() != since.0 {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Makes a connection known; the number is for [`Self::remove`].
    pub(crate) fn add(&self, session: &Rc<Session>) -> u64 {
        let number = self.last_session.get() + 1;
        self.last_session.set(number);
        self.sessions.borrow_mut().insert(number, session.clone());
        number
    }

    pub(crate) fn remove(&self, session: u64) {
        self.sessions.borrow_mut().remove(&session);
    }

    fn close_idle(&self, number: usize) {
        let sessions = self.sessions.borrow();
        // one that has just come, or has just been answered, is about to ask
        let is_idle = |session: &&Rc<Session>| {
            let idle_ms = self.now().saturating_sub(session.phase_since());
            match session.phase() {
                Phase::Idle => idle_ms >= IDLE_MS,
                Phase::New => idle_ms >= SILENT_MS,
                Phase::Multiplexed => session.is_without_streams() && idle_ms >= IDLE_MS,
                Phase::Head | Phase::Request | Phase::Upgraded | Phase::Answered => false,
            }
        };
        let mut idle: Vec<&Rc<Session>> = sessions.values().filter(is_idle).collect();
        idle.sort_by_key(|session| session.phase_since());
        idle.into_iter().take(number).for_each(|session| session.order(Order::Close));
    }

    fn stop(&self, grace: Duration) {
        self.ending.set(Some(Draining { since: tokio::time::Instant::now(), within: grace }));
        self.sessions.borrow().values().for_each(|session| self.end(session));
    }

    /// The proxy ends: an answer that begins now is the last one of its connection.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.get().is_some()
    }

    /// Lets a connection come to its end, if the proxy does. Looked at with each tick: one may have been accepted, and
    /// a request may have begun, since the order came.
    fn end(&self, session: &Session) {
        let Some(draining) = self.ending.get() else { return };
        let since_ms = self.now().saturating_sub(session.phase_since());
        match session.phase() {
            Phase::Idle if since_ms >= IDLE_AT_END_MS => session.order(Order::Close),
            Phase::New if since_ms >= SILENT_AT_END_MS => session.order(Order::Close),
            // it is told, and what is on its way is answered
            Phase::Multiplexed => session.order(Order::Close),
            Phase::Request | Phase::Upgraded if !session.is_draining() => session.drain(Some(draining)),
            _ => {}
        }
    }

    /// Tells the health checker. It is told again if that does not go now.
    pub(crate) fn tell(&self, fact: Fact) {
        let _ = self.facts.try_send(fact);
    }

    /// Writes a request down; what is too much is dropped.
    pub(crate) fn log(&self, line: Box<Line>) {
        self.lines.put(line);
    }

    /// An attempt at the backend is followed by another one elsewhere.
    pub(crate) fn count_retry(&self, route: &CoreRoute, uid: u64) {
        let entries = route.route.backends.iter();
        if let Some(entry) = entries.into_iter().find(|entry| entry.backend.uid == uid) {
            entry.backend.instance.counts(self.index).retried.add(1);
        }
    }
}

/// Tells a connection whether the instance that serves it drains by the new table.
fn tell_drain(session: &Session, before: &Serving, serving: &Serving) {
    let Some(backend) = session.served_by() else { return };
    let instance = &backend.backend.instance;
    let now = serving.entry(&instance.app, instance.number);
    if now.is_some_and(|(_, entry)| entry.mode == BackendMode::Active) {
        if session.is_draining() {
            session.drain(None);
        }
        return;
    }
    if !session.is_draining() {
        let route = now.or_else(|| before.entry(&instance.app, instance.number)).map(|(route, _)| route);
        let within = Duration::from_millis(route.map_or(DEFAULT_DRAIN_MS, |route| route.drain_ms));
        session.drain(Some(Draining { since: tokio::time::Instant::now(), within }));
    }
}
