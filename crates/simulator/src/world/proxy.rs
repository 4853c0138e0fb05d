//! The simulated proxy: the app's route as it serves by it, and what is in flight in instances that drain.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::app::{BackendMode, Route};
use model::{EffectId, InstanceId};

use super::{World, after};

/// What the proxy has.
#[derive(Debug, Default)]
pub(crate) struct Proxy {
    /// What it serves by.
    route: Option<Route>,
    /// The effect that asked for it: an older one changes nothing any more.
    asked_by: Option<EffectId>,
    /// Instances that get no new requests, and when the last in flight will have ended, as it tells whoever waits.
    draining: BTreeMap<InstanceId, Drained>,
}

/// The end of a drain.
#[derive(Debug, Clone, Copy)]
struct Drained {
    /// When nothing is in flight any more.
    at: Timestamp,
    /// When what is in flight is cut.
    cut_at: Timestamp,
}

impl Proxy {
    /// Whether new requests go to an instance.
    pub(crate) fn offers(&self, id: InstanceId) -> bool {
        self.route.as_ref().is_some_and(|route| route.offers(id))
    }

    /// A process has ended, and what was in flight in it.
    pub(crate) fn is_cut_off(&mut self, id: InstanceId, now: Timestamp) {
        if let Some(drained) = self.draining.get_mut(&id) {
            drained.at = drained.at.min(now);
        }
    }

    /// When nothing is in flight any more in an instance that gets no new requests.
    pub(crate) fn drained_at(&self, id: InstanceId) -> Option<Timestamp> {
        self.draining.get(&id).map(|drained| drained.at.min(drained.cut_at))
    }

    /// Whether requests are in flight in a run: one that the proxy has not heard of is not the daemon's to drain.
    fn is_in_flight(&self, id: InstanceId, run: u32, now: Timestamp) -> bool {
        let mut backends = self.route.iter().flat_map(|route| &route.backends);
        let is_offered =
            backends.any(|it| it.instance == id && it.run == run && it.mode == BackendMode::Active);
        is_offered || self.drained_at(id).is_some_and(|at| at > now)
    }
}

impl World {
    /// The proxy serves by a route from now on, unless it has a newer one.
    pub(crate) fn serve(&mut self, route: Option<Route>, asked_by: Option<EffectId>) {
        if asked_by < self.proxy.asked_by {
            return;
        }
        let now = self.now;
        let told =
            route.iter().flat_map(|route| &route.backends).filter(|it| it.mode == BackendMode::Draining);
        for backend in told {
            let nothing = Drained { at: now, cut_at: now };
            self.proxy.draining.entry(backend.instance).or_insert(nothing);
        }
        for backend in self.proxy.route.take().into_iter().flat_map(|old| old.backends) {
            let id = backend.instance;
            let offered = route.as_ref().is_some_and(|route| route.offers(id));
            let is_there =
                self.shims.get(&id).is_some_and(|shim| shim.run == backend.run && shim.is_well(now));
            if backend.mode == BackendMode::Active && !offered && is_there {
                let lasts = self.in_flight(id);
                let limit = route.as_ref().map_or(Duration::ZERO, |route| route.drain);
                let drained = Drained { at: after(now, lasts), cut_at: after(now, limit) };
                self.proxy.draining.insert(id, drained);
            }
        }
        self.proxy.draining.retain(|id, _| !route.as_ref().is_some_and(|route| route.offers(*id)));
        (self.proxy.route, self.proxy.asked_by) = (route, asked_by);
        self.look_at_service();
    }

    /// How long what is in flight in an instance lasts: mostly a moment, now and then longer than it may.
    fn in_flight(&self, id: InstanceId) -> Duration {
        let mut chance = self.chance(&[10, id.0, self.age().as_secs()]);
        Duration::from_millis(chance.one_of(&[5, 50, 400, 3_000, 3_000, 60_000]))
    }

    /// An instance is about to be told to stop: no request may be lost by it.
    pub(crate) fn look_at_stop(&mut self, id: InstanceId) {
        // What is not well answers nobody anyway, and of a new run the daemon may not know yet.
        let is_known = self.knows(id, &self.durable);
        let Some(shim) = self.shims.get(&id) else { return };
        if shim.is_well(self.now) && is_known && self.proxy.is_in_flight(id, shim.run, self.now) {
            let what = if self.proxy.offers(id) { "gets requests" } else { "has requests in flight" };
            self.breaks(format!("{id}, which {what}, is stopped"));
        }
    }
}
