//! One core's view of the table: routes and backends with what only this core needs, so that a request touches no
//! memory that other cores write, except the counters of requests in flight.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use wire::proxy::{BackendMode, Balance};

use crate::instance::{Backend, CoreCounts, Health};
use crate::retry_budget::RetryBudget;
use crate::serving::{Route, Serving};
use crate::shared_upstream::{SharedUpstream, SharedUse};
use crate::upstream::Upstream;

/// The table that this core serves by.
#[derive(Debug)]
pub(crate) struct CoreTable {
    pub(crate) serving: Arc<Serving>,
    routes: Vec<Rc<CoreRoute>>,
}

/// A route with its turn and budget.
#[derive(Debug)]
pub(crate) struct CoreRoute {
    pub(crate) route: Arc<Route>,
    /// Those that may get new requests.
    active: Vec<Rc<CoreBackend>>,
    turn: Cell<usize>,
    pub(crate) budget: Rc<RetryBudget>,
}

/// A backend with this core's idle connections to it.
#[derive(Debug)]
pub(crate) struct CoreBackend {
    pub(crate) backend: Arc<Backend>,
    core: usize,
    /// The one used last is taken first: it is the least likely to be closed at idle.
    // Boxed, because it goes from hand to hand with every request.
    #[allow(clippy::vec_box)]
    idle: RefCell<Vec<Box<Upstream>>>,
    /// Of HTTP/2, in use or idle.
    shared: RefCell<Vec<Rc<SharedUpstream>>>,
    /// It gets no new requests any more, so connections to it are not kept.
    retired: Cell<bool>,
}

/// Idle connections that a core keeps per backend; more are closed.
const MAX_IDLE: usize = 512;
/// An idle connection older than this is closed: well below the 60 s after which servers of the BEAM close it.
const IDLE_MS: u64 = 20_000;
/// Servers that close at idle do so after seconds; what cannot be sent twice goes only on a connection that was
/// used so recently that it cannot be closing, or on a new one.
const FRESH_MS: u64 = 1000;

impl CoreTable {
    /// The table for `core`; what `before` knew of the same backends and apps is kept.
    pub(crate) fn new(serving: Arc<Serving>, core: usize, before: Option<&CoreTable>) -> Self {
        let routes = serving.routes.iter().map(|route| {
            let known = before.and_then(|table| table.of_app(&route.app.name));
            Rc::new(CoreRoute {
                route: route.clone(),
                active: active(route, core, known),
                turn: Cell::new(known.map_or(0, |route| route.turn.get())),
                budget: known.map_or_else(Rc::default, |route| route.budget.clone()),
            })
        });
        let table = Self { routes: routes.collect(), serving: serving.clone() };
        if let Some(before) = before {
            before.retire_all_but(&table);
        }
        table
    }

    fn of_app(&self, app: &str) -> Option<&Rc<CoreRoute>> {
        self.routes.iter().find(|route| route.route.app.name == app)
    }

    fn backends(&self) -> impl Iterator<Item = &Rc<CoreBackend>> {
        self.routes.iter().flat_map(|route| &route.active)
    }

    fn retire_all_but(&self, next: &CoreTable) {
        for backend in self.backends() {
            if !next.backends().any(|kept| Rc::ptr_eq(kept, backend)) {
                backend.retire();
            }
        }
    }

    /// Where a request belongs.
    pub(crate) fn find(&self, host: &[u8], path: &str) -> Option<&Rc<CoreRoute>> {
        self.routes.get(self.serving.hosts.find(host, path)?)
    }

    /// The same app's route in this table, which may be a newer one.
    pub(crate) fn again(&self, route: &CoreRoute) -> Option<&Rc<CoreRoute>> {
        self.of_app(&route.route.app.name)
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn expire_idle(&self, now: u64) {
        for backend in self.backends() {
            backend.idle.borrow_mut().retain(|upstream| now.saturating_sub(upstream.idle_since) < IDLE_MS);
            backend.shared.borrow_mut().retain(|upstream| upstream.is_of_use(now, IDLE_MS));
        }
    }
}

fn active(route: &Route, core: usize, known: Option<&Rc<CoreRoute>>) -> Vec<Rc<CoreBackend>> {
    let active = route.backends.iter().filter(|entry| entry.mode == BackendMode::Active);
    active
        .map(|entry| {
            let same = |known: &&Rc<CoreBackend>| known.backend.uid == entry.backend.uid;
            let known = known.and_then(|route| route.active.iter().find(same));
            known.cloned().unwrap_or_else(|| Rc::new(CoreBackend::new(entry.backend.clone(), core)))
        })
        .collect()
}

/// What choosing found.
#[derive(Debug)]
pub(crate) enum Choice {
    /// This one.
    Backend(Rc<CoreBackend>),
    /// There are some, but all have been tried.
    AllTried,
    /// None may get a request.
    None,
}

impl CoreRoute {
    /// The backend for the next request: one of the canary's, or one of the others, as `canary` says, and one of the
    /// other side where there is none. If all are down, those go on getting traffic at which somebody listens.
    pub(crate) fn choose(&self, tried: &[u64], canary: Option<bool>) -> Choice {
        let chosen = canary.and_then(|_| self.best_of(Health::Up, tried, canary));
        let best = chosen.or_else(|| self.best_of(Health::Up, tried, None));
        if best.is_some() || self.any(Health::Up) {
            self.calm();
            return best.map_or(Choice::AllTried, Choice::Backend);
        }
        if self.any(Health::Failing) {
            self.panic();
            return self.best_of(Health::Failing, tried, None).map_or(Choice::AllTried, Choice::Backend);
        }
        Choice::None
    }

    fn any(&self, health: Health) -> bool {
        self.active.iter().any(|backend| backend.backend.health() == health)
    }

    fn best_of(&self, health: Health, tried: &[u64], canary: Option<bool>) -> Option<Rc<CoreBackend>> {
        let side = || self.active.iter().filter(|candidate| self.is_on(candidate, canary));
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let first = turn.checked_rem(side().count())?;
        let mut in_turn = side().skip(first).chain(side().take(first)).filter(|candidate| {
            candidate.backend.health() == health && !tried.contains(&candidate.backend.uid)
        });
        match self.route.balance {
            Balance::RoundRobin => in_turn.next(),
            Balance::LeastConnections => {
                in_turn.min_by_key(|candidate| candidate.backend.instance.in_flight())
            }
        }
        .cloned()
    }

    /// Whether a backend is on the side that was chosen, if one was.
    fn is_on(&self, candidate: &CoreBackend, canary: Option<bool>) -> bool {
        match (&self.route.canary, canary) {
            (Some(all), Some(canary)) => all.has(candidate.backend.uid) == canary,
            _ => true,
        }
    }

    fn panic(&self) {
        if !self.route.app.panic.swap(true, Ordering::Relaxed) {
            crate::log::line(format_args!(
                "app={} panic=on: all instances fail their checks, traffic goes on to all",
                self.route.app.name
            ));
        }
    }

    fn calm(&self) {
        if self.route.app.panic.load(Ordering::Relaxed) && self.route.app.panic.swap(false, Ordering::Relaxed)
        {
            crate::log::line(format_args!("app={} panic=off", self.route.app.name));
        }
    }
}

impl CoreBackend {
    fn new(backend: Arc<Backend>, core: usize) -> Self {
        Self {
            backend,
            core,
            idle: RefCell::default(),
            shared: RefCell::default(),
            retired: Cell::new(false),
        }
    }

    /// This core's counts.
    pub(crate) fn counts(&self) -> &CoreCounts {
        self.backend.instance.counts(self.core)
    }

    /// A connection that is still open; for what can be sent only once, one that was used just now.
    pub(crate) fn take_idle(&self, can_be_sent_twice: bool, now: u64) -> Option<Box<Upstream>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut upstream) = idle.pop() {
            if !can_be_sent_twice && now.saturating_sub(upstream.idle_since) >= FRESH_MS {
                // the others have been idle for even longer
                idle.push(upstream);
                return None;
            }
            if upstream.is_open() {
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection for the next request, if it can serve one.
    pub(crate) fn keep(&self, mut upstream: Box<Upstream>, now: u64) {
        let mut idle = self.idle.borrow_mut();
        if !self.retired.get() && idle.len() < MAX_IDLE && upstream.is_open() && upstream.is_ready() {
            upstream.idle_since = now;
            idle.push(upstream);
        }
    }

    /// A connection of HTTP/2 with room for a request.
    pub(crate) fn shared(&self, now: u64) -> Option<SharedUse> {
        let shared = self.shared.borrow();
        shared.iter().find(|upstream| upstream.has_room()).map(|upstream| upstream.begin(now))
    }

    /// Shares a new connection of HTTP/2 with the requests to come, and begins one there.
    pub(crate) fn share(&self, upstream: Rc<SharedUpstream>, now: u64) -> SharedUse {
        if !self.retired.get() {
            self.shared.borrow_mut().push(upstream.clone());
        }
        upstream.begin(now)
    }

    fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
        self.shared.borrow_mut().clear();
    }
}
