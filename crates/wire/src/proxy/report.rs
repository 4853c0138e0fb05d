//! What the proxy has counted, and how its backends are.

use crate::field::{message, number_enum};

message! {
    /// Everything the proxy knows that the daemon may want to show. Counts are of this process, from its start.
    pub struct Report {
        /// Revision of the table that is served.
        1 => pub revision: u64,
        /// See [`super::Welcome::incarnation`].
        2 => pub incarnation: u64,
        /// ms since the proxy's start.
        3 => pub uptime_ms: u64,
        /// Sockets that it listens on.
        4 => pub listeners: Vec<ListenerReport>,
        /// Client connections.
        5 => pub connections: Connections,
        /// Per app.
        6 => pub routes: Vec<RouteReport>,
        /// Per instance: all of the table, and those that left it within the last hour (the last 1000).
        7 => pub backends: Vec<BackendReport>,
    }
}

message! {
    /// A listening socket.
    pub struct ListenerReport {
        /// `ip:port` as bound.
        1 => pub address: String,
        /// Whether TLS is spoken there.
        2 => pub tls: bool,
    }
}

message! {
    /// Client connections.
    pub struct Connections {
        /// Open now.
        1 => pub open: u64,
        /// Accepted since the start.
        2 => pub accepted: u64,
        /// Requests that belonged to no route, or were no HTTP, since the start.
        3 => pub unrouted: u64,
    }
}

message! {
    /// An app's route.
    pub struct RouteReport {
        /// The app.
        1 => pub app: String,
        /// Requests that wait because no instance is ready.
        2 => pub held: u64,
        /// Requests that have waited so, since the start.
        3 => pub held_total: u64,
        /// Requests that waited in vain, since the start.
        4 => pub held_in_vain: u64,
        /// All instances failed at once, so traffic goes on to all.
        5 => pub panic: bool,
        /// Responses that the proxy itself made (408, 413, 502, 503, 504 …), since the start.
        6 => pub own_errors: u64,
        /// Requests that were answered because of maintenance, since the start; not among `own_errors`.
        20 => pub maintained: u64,
    }
}

number_enum! {
    /// How a backend is.
    pub enum BackendState {
        /// It gets requests.
        Serving = 0,
        /// It gets none: its checks or requests fail.
        Down = 1,
        /// It gets no new ones, and some are in flight.
        Draining = 2,
        /// It gets none, and none are in flight.
        Drained = 3,
        /// It has left the table.
        Gone = 4,
    }
}

message! {
    /// An instance.
    pub struct BackendReport {
        /// The app.
        1 => pub app: String,
        /// The instance's number.
        2 => pub instance: u64,
        /// Its place.
        3 => pub place: u32,
        /// Its version's label.
        4 => pub version: String,
        /// `ip:port`.
        5 => pub address: String,
        /// How it is.
        6 => pub state: BackendState,
        /// Why it is down.
        7 => pub reason: String,
        /// Requests in flight, WebSockets included.
        8 => pub in_flight: u64,
        /// Upgraded connections among them.
        9 => pub upgraded: u64,
        /// What was counted.
        10 => pub counts: Counts,
    }
}

message! {
    /// Counts of an instance since the proxy's start (or the instance's).
    pub struct Counts {
        /// Requests sent to it (each attempt counts).
        1 => pub requests: u64,
        /// Responses by the hundreds of their status: 1xx, 2xx, 3xx, 4xx, 5xx.
        2 => pub statuses: Vec<u64>,
        /// Attempts that failed before a response's head: not connected, reset, timed out.
        3 => pub failed: u64,
        /// Failed attempts that were tried again elsewhere.
        4 => pub retried: u64,
        /// Responses that the instance broke off.
        5 => pub broken: u64,
        /// Requests, streams and WebSockets that were cut at the end of a drain.
        6 => pub cut: u64,
        /// Bytes of requests' bodies.
        7 => pub bytes_in: u64,
        /// Bytes of responses' bodies.
        8 => pub bytes_out: u64,
        /// Responses by the time from request to head; see [`super::BOUNDS_US`].
        9 => pub latency: Vec<u64>,
        /// WebSockets that were closed in order in a drain, with 1001.
        20 => pub websockets_closed: u64,
        /// Endless responses that were ended in order in a drain.
        21 => pub streams_ended: u64,
    }
}
