//! What the proxy tells about itself.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use wire::proxy::{BackendMode, BackendReport, BackendState, Connections, Report, RouteReport};

use super::Control;
use crate::instance::Health;
use crate::serving::{Entry, Route, Serving};

/// Instances that have left the table.
#[derive(Default)]
pub(crate) struct Past(VecDeque<(Instant, Entry)>);

/// For so long, and so many, are shown.
const SHOWN_FOR: Duration = Duration::from_secs(3600);
const SHOWN: usize = 1000;

impl Past {
    /// Adds what the first table names and the second does not.
    pub(crate) fn add(&mut self, before: &Serving, after: &Serving) {
        let now = Instant::now();
        for entry in before.routes.iter().flat_map(|route| &route.backends) {
            let instance = &entry.backend.instance;
            if after.entry(&instance.app, instance.number).is_none() {
                self.0.push_back((now, entry.clone()));
            }
        }
        while self.0.front().is_some_and(|(since, _)| now.duration_since(*since) > SHOWN_FOR)
            || self.0.len() > SHOWN
        {
            self.0.pop_front();
        }
    }
}

impl Control {
    pub(super) fn report(&self) -> Report {
        let serving = self.serving.borrow().clone();
        let entries = serving.routes.iter().flat_map(|route| &route.backends);
        let mut backends: Vec<_> = entries.map(|entry| self.backend(entry, state(entry))).collect();
        backends
            .extend(self.past.borrow().0.iter().map(|(_, entry)| self.backend(entry, BackendState::Gone)));
        Report {
            revision: serving.table.revision,
            incarnation: self.incarnation,
            uptime_ms: self.started.elapsed().as_millis() as u64,
            listeners: self.listeners.clone(),
            connections: Connections {
                open: self.shared.open(),
                accepted: self.shared.accepted.load(Ordering::Relaxed),
                unrouted: self.shared.unrouted.load(Ordering::Relaxed),
            },
            routes: serving.routes.iter().map(|route| report_of(route)).collect(),
            backends,
        }
    }

    fn backend(&self, entry: &Entry, state: BackendState) -> BackendReport {
        let instance = &entry.backend.instance;
        let is_down = state == BackendState::Down;
        BackendReport {
            app: instance.app.clone(),
            instance: instance.number,
            place: entry.place,
            version: entry.version.clone(),
            address: entry.backend.address.to_string(),
            state,
            reason: if is_down { self.checks.reason(entry.backend.uid) } else { String::new() },
            in_flight: instance.in_flight(),
            upgraded: instance.upgraded(),
            counts: instance.total(),
        }
    }
}

fn state(entry: &Entry) -> BackendState {
    match entry.mode {
        BackendMode::Active if entry.backend.health() == Health::Up => BackendState::Serving,
        BackendMode::Active => BackendState::Down,
        BackendMode::Draining if entry.backend.instance.in_flight() == 0 => BackendState::Drained,
        BackendMode::Draining => BackendState::Draining,
    }
}

fn report_of(route: &Route) -> RouteReport {
    let app = &route.app;
    RouteReport {
        app: app.name.clone(),
        held: app.held.load(Ordering::Relaxed),
        held_total: app.held_total.load(Ordering::Relaxed),
        held_in_vain: app.held_in_vain.load(Ordering::Relaxed),
        panic: app.panic.load(Ordering::Relaxed),
        own_errors: app.own_errors.load(Ordering::Relaxed),
        maintained: app.maintained.load(Ordering::Relaxed),
    }
}
