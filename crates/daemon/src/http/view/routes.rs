//! What the proxy serves where, and why an instance gets no requests.

use std::time::Duration;

use api::routes::{Listener, Proxy, ProxyState, Route, RoutedInstance, RoutedState, Routes};
use host::proxy::{Process, ProxyFacts};
use model::app::{App, Instance, Status};
use model::human;
use wire::proxy::{Backend, BackendMode, BackendReport, BackendState, Report, RouteReport, Table};

use super::app::{detail, instance_state};
use super::traffic::Interval;

/// All of `table`, which is wanted, as far as it is about `apps`.
pub(in crate::http) fn routes(apps: &[&App], table: &Table, facts: &ProxyFacts) -> Routes {
    let interval = Interval::of(facts);
    let routed = table.routes.iter().filter_map(|route| {
        let app = apps.iter().find(|app| app.name.as_str() == route.app)?;
        Some(Scene { app, route, facts, interval: interval.as_ref() }.route(shadow(table, route)))
    });
    Routes { proxy: proxy(table, facts), routes: routed.collect() }
}

fn proxy(table: &Table, facts: &ProxyFacts) -> Proxy {
    let report = report(facts);
    Proxy {
        state: proxy_state(table, facts),
        why: why(facts),
        pid: match facts.process {
            Process::Running { pid } => Some(pid),
            _ => None,
        },
        up_ms: report.map(|it| it.uptime_ms),
        revision: Some(facts.applied).filter(|revision| *revision > 0),
        wanted_revision: table.revision,
        listeners: report.iter().flat_map(|it| &it.listeners).map(listener).collect(),
        connections: report.map(|it| it.connections.open),
        unrouted: report.map(|it| it.connections.unrouted),
    }
}

/// The newest report, while the proxy can be asked.
fn report(facts: &ProxyFacts) -> Option<&Report> {
    let can_be_asked = facts.unreached.is_none() && matches!(facts.process, Process::Running { .. });
    facts.report.as_ref().filter(|_| can_be_asked).map(|sample| &sample.report)
}

fn listener(it: &wire::proxy::ListenerReport) -> Listener {
    Listener { address: it.address.clone(), tls: it.tls }
}

fn proxy_state(table: &Table, facts: &ProxyFacts) -> ProxyState {
    match &facts.process {
        Process::Off => ProxyState::Off,
        Process::Starting => ProxyState::Starting,
        Process::Failing { .. } => ProxyState::Failing,
        Process::Running { .. } if facts.unreached.is_some() => ProxyState::Unreached,
        Process::Running { .. } if facts.applied < table.revision => ProxyState::Behind,
        Process::Running { .. } => ProxyState::Serving,
    }
}

fn why(facts: &ProxyFacts) -> Option<String> {
    match &facts.process {
        Process::Off => Some("no address is set for it (proxy.http, proxy.https)".into()),
        Process::Failing { why } => Some(why.clone()),
        _ => facts.unreached.clone().or_else(|| facts.refused.as_ref().map(|(_, why)| why.clone())),
    }
}

/// The app that gets the requests of this route because it wants the same and came first.
fn shadow<'a>(table: &'a Table, route: &wire::proxy::Route) -> Option<&'a str> {
    let earlier = table.routes.iter().take_while(|it| it.app != route.app);
    let takes_all = |it: &&wire::proxy::Route| it.hosts == route.hosts && it.paths == route.paths;
    earlier.filter(takes_all).map(|it| it.app.as_str()).next()
}

/// One app's route with what is known of it.
struct Scene<'a> {
    app: &'a App,
    route: &'a wire::proxy::Route,
    facts: &'a ProxyFacts,
    interval: Option<&'a Interval<'a>>,
}

impl Scene<'_> {
    fn route(&self, shadow: Option<&str>) -> Route {
        let name = &self.route.app;
        let counted: Option<&RouteReport> =
            report(self.facts).and_then(|it| it.routes.iter().find(|it| it.app == *name));
        let mut instances: Vec<RoutedInstance> =
            self.app.instances.values().filter(|it| !it.is_gone()).map(|it| self.instance(it)).collect();
        instances.sort_by_key(|it| (it.place, it.instance));
        Route {
            app: name.clone(),
            hosts: self.route.hosts.clone(),
            paths: self.route.paths.clone(),
            held: counted.map_or(0, |it| it.held),
            held_in_vain: counted.map_or(0, |it| it.held_in_vain),
            panic: counted.is_some_and(|it| it.panic),
            own_errors: counted.map_or(0, |it| it.own_errors),
            remarks: self.interruptions(counted).chain(shadow.map(taken)).collect(),
            traffic: self.interval.and_then(|it| it.app(name)),
            instances,
        }
    }

    /// What keeps requests from the instances on purpose.
    fn interruptions(&self, counted: Option<&RouteReport>) -> impl Iterator<Item = String> {
        let name = &self.app.name;
        let maintained = counted.map_or(0, |it| it.maintained);
        let maintenance = self.app.maintenance.as_ref().map(|_| {
            format!("in maintenance: every request gets 503 and a page ({maintained} since the proxy's start); bellrock maintenance {name} off")
        });
        let paused = self.app.pause.map(|pause| {
            let left = pause.until.duration_since(host::clock::now()).unsigned_abs();
            let left = human::duration(Duration::from_secs(left.as_secs()));
            format!("paused: requests wait for {left} more; bellrock resume {name}")
        });
        maintenance.into_iter().chain(paused)
    }

    fn instance(&self, instance: &Instance) -> RoutedInstance {
        let number = instance.id.0;
        let wanted = self.route.backends.iter().find(|it| it.instance == number);
        let seen = report(self.facts).and_then(|it| self.seen(it, number));
        let (state, why) = self.state(instance, wanted, seen);
        let counts = seen.map(|it| it.counts.clone()).unwrap_or_default();
        RoutedInstance {
            instance: number,
            place: instance.place.0,
            version: self.app.label(instance.runs()),
            address: wanted.map(|it| it.address.clone()),
            state,
            why,
            upgraded: seen.map_or(0, |it| it.upgraded),
            failed: counts.failed,
            broken: counts.broken,
            cut: counts.cut,
            traffic: self
                .interval
                .filter(|_| wanted.is_some())
                .and_then(|it| it.instance(&self.route.app, number)),
        }
    }

    fn seen<'r>(&self, report: &'r Report, instance: u64) -> Option<&'r BackendReport> {
        report.backends.iter().find(|it| it.app == self.route.app && it.instance == instance)
    }

    fn state(
        &self,
        instance: &Instance,
        wanted: Option<&Backend>,
        seen: Option<&BackendReport>,
    ) -> (RoutedState, Option<String>) {
        let key = (self.route.app.clone(), instance.id.0);
        match (wanted.map(|it| it.mode), seen) {
            (None, _) => (RoutedState::Unrouted, Some(unrouted(&instance.status))),
            (Some(BackendMode::Draining), _) if self.facts.drained.contains_key(&key) => {
                (RoutedState::Drained, None)
            }
            (Some(BackendMode::Draining), _) => (RoutedState::Draining, None),
            (Some(BackendMode::Active), _) if self.facts.down.contains_key(&key) => {
                (RoutedState::Down, self.facts.down.get(&key).map(|it| it.reason.clone()))
            }
            (Some(BackendMode::Active), Some(seen)) if seen.state == BackendState::Down => {
                (RoutedState::Down, Some(seen.reason.clone()))
            }
            (Some(BackendMode::Active), _) => (RoutedState::Serving, None),
        }
    }
}

fn taken(by: &str) -> String {
    format!(
        "{by} takes these requests: it wants the same hosts and paths and came first; set hosts for one of them"
    )
}

fn unrouted(status: &Status) -> String {
    match (status, detail(status)) {
        (Status::Ready, _) => "ready: waits for the switch".to_owned(),
        (status, Some(detail)) => format!("{}: {detail}", instance_state(status).word()),
        (status, None) => instance_state(status).word().to_owned(),
    }
}
