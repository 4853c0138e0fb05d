//! What the proxy serves where, and what it has counted.

use serde::{Deserialize, Serialize};

/// What the proxy serves where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Routes {
    /// The proxy itself.
    pub proxy: Proxy,
    /// One for each app that is served, in the order in which the proxy prefers them.
    pub routes: Vec<Route>,
}

/// The proxy itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Proxy {
    /// All in one word.
    pub state: ProxyState,
    /// Why it does not serve, or cannot be asked.
    pub why: Option<String>,
    /// Its process.
    pub pid: Option<u32>,
    /// How long it has been running.
    pub up_ms: Option<u64>,
    /// Revision of the routes that it serves by.
    pub revision: Option<u64>,
    /// Revision of the routes that it shall serve by.
    pub wanted_revision: u64,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Client connections that are open.
    pub connections: Option<u64>,
    /// Requests that belonged to no route, or were no HTTP, since its start.
    pub unrouted: Option<u64>,
}

/// The proxy's state in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProxyState {
    /// This host has none: its settings name no address.
    Off,
    /// It is being started.
    Starting,
    /// It serves by the wanted routes.
    Serving,
    /// It serves, but not by the wanted routes yet.
    Behind,
    /// It runs and cannot be asked; it serves by its last routes.
    Unreached,
    /// It cannot be started, or ends again and again.
    Failing,
}

impl ProxyState {
    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            ProxyState::Off => "off",
            ProxyState::Starting => "starting",
            ProxyState::Serving => "serving",
            ProxyState::Behind => "serving by earlier routes",
            ProxyState::Unreached => "not to be asked",
            ProxyState::Failing => "failing",
        }
    }
}

/// An address where the proxy listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Listener {
    /// `ip:port`
    pub address: String,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// One app's route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Route {
    /// The app.
    pub app: String,
    /// Its host names; none: any host.
    pub hosts: Vec<String>,
    /// Its path prefixes; none: all paths.
    pub paths: Vec<String>,
    /// Requests that wait because no instance is ready.
    pub held: u64,
    /// Requests that waited in vain, since the proxy's start.
    pub held_in_vain: u64,
    /// All instances failed at once, so traffic goes on to all of them.
    pub panic: bool,
    /// Responses that the proxy itself made (408, 413, 502, 503, 504 …), since its start.
    pub own_errors: u64,
    /// What a person should know, e.g. that another app takes its requests.
    pub remarks: Vec<String>,
    /// What is counted over all its instances; `None` without a proxy that answers.
    pub traffic: Option<Traffic>,
    /// Its instances by place, those without traffic too.
    pub instances: Vec<RoutedInstance>,
}

/// An instance as the proxy sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoutedInstance {
    /// Its number.
    pub instance: u64,
    /// Its place.
    pub place: u16,
    /// Version and revision it runs.
    pub version: String,
    /// `ip:port` that requests are sent to.
    pub address: Option<String>,
    /// Whether it gets requests.
    pub state: RoutedState,
    /// Why it gets none.
    pub why: Option<String>,
    /// WebSockets and other upgraded connections that are open.
    pub upgraded: u64,
    /// Attempts that failed before a response's head, since the proxy's start.
    pub failed: u64,
    /// Responses that it broke off, since the proxy's start.
    pub broken: u64,
    /// What was cut at the end of its drain.
    pub cut: u64,
    /// What is counted.
    pub traffic: Option<Traffic>,
}

/// Whether an instance gets requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RoutedState {
    /// It does.
    Serving,
    /// It does not: the proxy's checks or requests fail.
    Down,
    /// It gets no new ones, and some are in flight.
    Draining,
    /// It gets none, and none are in flight.
    Drained,
    /// It is not in the routes: it is not ready, or waits for the switch.
    Unrouted,
}

impl RoutedState {
    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            RoutedState::Serving => "serving",
            RoutedState::Down => "down",
            RoutedState::Draining => "draining",
            RoutedState::Drained => "drained",
            RoutedState::Unrouted => "no traffic",
        }
    }
}

/// What the proxy counted over the last seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Traffic {
    /// Over how long.
    pub over_ms: u64,
    /// Requests, those that were tried again counted each time.
    pub requests_per_s: f64,
    /// Responses with a status of 500 or more.
    pub server_errors: u64,
    /// Half of the responses began within this; the upper bound of a bucket.
    pub p50_us: Option<u64>,
    /// All but one in a hundred began within this; the upper bound of a bucket.
    pub p99_us: Option<u64>,
    /// Requests in flight now.
    pub in_flight: u64,
}
