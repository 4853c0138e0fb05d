//! A table of routes, made ready for the cores: parsed and checked once, then shared.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;
use wire::proxy::{self, BackendMode, Balance, Front, HealthCheck, Limits, LogFormat, Protocol, Table};

use crate::access_log;
use crate::assets::Assets;
use crate::canary::Canary;
use crate::host_map::HostMap;
use crate::instance::{Backend, Instance};
use crate::network::{Network, NotANetwork};
use crate::own_answer::MaintenanceAnswer;
use crate::pause::Pause;

/// A table in use.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) table: Table,
    pub(crate) front: FrontLimits,
    pub(crate) routes: Vec<Arc<Route>>,
    pub(crate) hosts: HostMap,
}

/// [`Front`] with the proxy's defaults filled in.
#[derive(Debug, Clone)]
pub(crate) struct FrontLimits {
    pub(crate) max_header_bytes: usize,
    pub(crate) header_timeout_ms: u64,
    pub(crate) idle_timeout_ms: u64,
    pub(crate) max_connections: u64,
    /// Whether HTTP/2 is spoken.
    pub(crate) http2: bool,
    trusted: Vec<Network>,
    /// Whose connections begin with a PROXY header.
    senders: Vec<Network>,
}

/// One app's route.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) app: Arc<App>,
    pub(crate) balance: Balance,
    pub(crate) limits: Limits,
    pub(crate) health: Option<HealthCheck>,
    pub(crate) hold: Duration,
    pub(crate) pause: Option<Pause>,
    /// Every request is answered with this.
    pub(crate) maintenance: Option<MaintenanceAnswer>,
    pub(crate) drain_ms: u64,
    pub(crate) endless_types: Vec<String>,
    pub(crate) protocol: Protocol,
    pub(crate) canary: Option<Canary>,
    pub(crate) access_log: LogFormat,
    /// What stands in where an instance says 404.
    pub(crate) assets: Option<Assets>,
    pub(crate) backends: Vec<Entry>,
}

/// A backend in a route.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) backend: Arc<Backend>,
    pub(crate) mode: BackendMode,
    pub(crate) place: u32,
    pub(crate) version: String,
    /// Where the proxy's own checks go.
    pub(crate) health_address: SocketAddr,
}

/// What is remembered of an app from table to table.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) held: AtomicU64,
    pub(crate) held_total: AtomicU64,
    pub(crate) held_in_vain: AtomicU64,
    pub(crate) own_errors: AtomicU64,
    pub(crate) maintained: AtomicU64,
    /// All its instances have failed at once.
    pub(crate) panic: AtomicBool,
}

impl App {
    fn new(name: String) -> Self {
        let zero = AtomicU64::default;
        Self {
            name,
            held: zero(),
            held_total: zero(),
            held_in_vain: zero(),
            own_errors: zero(),
            maintained: zero(),
            panic: AtomicBool::new(false),
        }
    }
}

/// Why a table is refused.
#[derive(Debug, Error)]
pub(crate) enum BadTable {
    #[error("the front names something that is no network")]
    Network(#[from] NotANetwork),
    #[error("the address of {app}'s instance {instance} is \"{address}\", which is no ip:port")]
    Address { app: String, instance: u64, address: String },
    #[error("{app} has the instance {instance} twice")]
    Twice { app: String, instance: u64 },
    #[error("two routes belong to {app}")]
    TwoRoutes { app: String },
    #[error("the path \"{path}\" of {app} does not begin with a slash")]
    Path { app: String, path: String },
}

const KIB: u64 = 1024;
const SECOND_MS: u64 = 1000;

impl FrontLimits {
    pub(crate) fn new(front: &Front) -> Result<Self, NotANetwork> {
        let or = |value: u64, default: u64| if value == 0 { default } else { value };
        Ok(Self {
            max_header_bytes: or(front.max_header_bytes, 64 * KIB) as usize,
            header_timeout_ms: or(front.header_timeout_ms, 30 * SECOND_MS),
            // longer than the 60 s of common balancers in front, so that they close first
            idle_timeout_ms: or(front.idle_timeout_ms, 75 * SECOND_MS),
            max_connections: or(front.max_connections, 20_000),
            http2: !front.http1_only,
            trusted: networks(&front.trusted_proxies)?,
            senders: networks(&front.proxy_protocol)?,
        })
    }

    /// Whether a peer's connections begin with a PROXY header.
    pub(crate) fn begins_with_header(&self, peer: IpAddr) -> bool {
        self.senders.iter().any(|network| network.contains(peer))
    }

    /// Whether the forwarding headers of a peer are believed.
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(peer))
    }
}

fn networks(texts: &[String]) -> Result<Vec<Network>, NotANetwork> {
    texts.iter().map(|text| text.parse()).collect()
}

/// Knows apps, instances and backends over all tables, so that counts go on and connections are kept.
#[derive(Debug)]
pub(crate) struct Registry {
    cores: usize,
    apps: HashMap<String, Arc<App>>,
    instances: HashMap<(String, u64), Arc<Instance>>,
    backends: HashMap<(String, u64), Arc<Backend>>,
    last_uid: u64,
}

impl Registry {
    pub(crate) fn new(cores: usize) -> Self {
        Self { cores, apps: HashMap::new(), instances: HashMap::new(), backends: HashMap::new(), last_uid: 0 }
    }

    /// Checks a table and makes it ready. What a refused table named is remembered too, which does no harm.
    pub(crate) fn compile(&mut self, table: Table) -> Result<Serving, BadTable> {
        let front = FrontLimits::new(&table.front)?;
        let mut routes: Vec<Arc<Route>> = Vec::with_capacity(table.routes.len());
        for route in &table.routes {
            if routes.iter().any(|known| known.app.name == route.app) {
                return Err(BadTable::TwoRoutes { app: route.app.clone() });
            }
            routes.push(Arc::new(self.route(route)?));
        }
        let hosts = HostMap::new(&table.routes);
        Ok(Serving { table, front, routes, hosts })
    }

    fn route(&mut self, route: &proxy::Route) -> Result<Route, BadTable> {
        if let Some(path) = route.paths.iter().find(|path| !path.starts_with('/')) {
            return Err(BadTable::Path { app: route.app.clone(), path: path.clone() });
        }
        let mut backends: Vec<Entry> = Vec::with_capacity(route.backends.len());
        for backend in &route.backends {
            let entry = self.entry(&route.app, backend)?;
            if backends.iter().any(|known| known.backend.instance.number == backend.instance) {
                return Err(BadTable::Twice { app: route.app.clone(), instance: backend.instance });
            }
            backends.push(entry);
        }
        let uids = route.backends.iter().zip(&backends).filter(|(it, _)| it.canary);
        let uids = uids.map(|(_, entry)| entry.backend.uid).collect();
        let app = self.apps.entry(route.app.clone());
        Ok(Route {
            app: app.or_insert_with(|| Arc::new(App::new(route.app.clone()))).clone(),
            balance: route.balance,
            limits: route.limits.clone(),
            health: route.health.clone(),
            hold: Duration::from_millis(route.hold_ms),
            pause: route.paused.then(|| Pause::new(route.paused_until_ms)),
            maintenance: route.maintenance.as_ref().map(MaintenanceAnswer::new),
            drain_ms: route.drain_ms,
            endless_types: route.endless_types.clone(),
            protocol: route.protocol,
            canary: route.canary.as_ref().map(|canary| Canary::new(&route.app, canary, uids)),
            access_log: route.access_log,
            assets: route.assets.as_ref().map(Assets::new),
            backends,
        })
    }

    fn entry(&mut self, app: &str, backend: &proxy::Backend) -> Result<Entry, BadTable> {
        let address = backend.address.parse().map_err(|_| BadTable::Address {
            app: app.to_owned(),
            instance: backend.instance,
            address: backend.address.clone(),
        })?;
        let health_port = backend.health_port.unwrap_or(SocketAddr::port(&address));
        Ok(Entry {
            backend: self.backend(app, backend, address),
            mode: backend.mode,
            place: backend.place,
            version: backend.version.clone(),
            health_address: SocketAddr::new(address.ip(), health_port),
        })
    }

    /// The known one, unless it runs anew or elsewhere: then its connections and health are of the past.
    fn backend(&mut self, app: &str, backend: &proxy::Backend, address: SocketAddr) -> Arc<Backend> {
        let key = (app.to_owned(), backend.instance);
        if let Some(known) = self.backends.get(&key)
            && (known.address, known.run) == (address, backend.run)
        {
            return known.clone();
        }
        let instance = self
            .instances
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Instance::new(app.to_owned(), backend.instance, self.cores)));
        self.last_uid += 1;
        let new = Arc::new(Backend::new(instance.clone(), address, backend.run, self.last_uid));
        self.backends.insert(key, new.clone());
        new
    }

    /// Forgets what the table does not name, and returns the instances.
    pub(crate) fn retain(&mut self, serving: &Serving) -> Vec<Arc<Instance>> {
        let named = |app: &str, number: u64| serving.entry(app, number).is_some();
        self.apps.retain(|name, _| serving.routes.iter().any(|route| route.app.name == *name));
        self.backends.retain(|(app, number), _| named(app, *number));
        let gone = self.instances.extract_if(|(app, number), _| !named(app, *number));
        gone.map(|(_, instance)| instance).collect()
    }
}

impl Serving {
    /// What is served before there is a table: nothing.
    pub(crate) fn nothing() -> Self {
        let front = FrontLimits::new(&Front::default()).expect("an empty list holds no wrong network");
        Self { table: Table::default(), front, routes: Vec::new(), hosts: HostMap::default() }
    }

    /// How a request is written down, of a route or of none.
    pub(crate) fn log_format(&self, route: Option<&Route>) -> LogFormat {
        match route.map_or(LogFormat::AsFront, |route| route.access_log) {
            LogFormat::AsFront => self.table.front.access_log.format,
            format => format,
        }
    }

    /// Where lines of requests go.
    pub(crate) fn access_log(&self) -> access_log::Settings {
        let log = &self.table.front.access_log;
        let rotation = access_log::Rotation {
            max_bytes: log.max_bytes,
            max_age: Duration::from_millis(log.max_age_ms),
            keep: log.keep,
        };
        access_log::Settings { path: log.path.clone().into(), rotation }
    }

    /// The route and entry of an instance.
    pub(crate) fn entry(&self, app: &str, number: u64) -> Option<(&Arc<Route>, &Entry)> {
        let route = self.routes.iter().find(|route| route.app.name == app)?;
        let entry = route.backends.iter().find(|entry| entry.backend.instance.number == number)?;
        Some((route, entry))
    }
}

impl Route {
    /// Adds one to a counter of the app that any core may write.
    pub(crate) fn count(&self, counter: impl Fn(&App) -> &AtomicU64) {
        counter(&self.app).fetch_add(1, Ordering::Relaxed);
    }
}
