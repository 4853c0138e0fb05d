//! The table of routes: which hosts and paths lead to which app, and to which of its instances.

use crate::field::{message, number_enum};

message! {
    /// Everything the proxy serves by.
    pub struct Table {
        /// Rises with every table of a root.
        1 => pub revision: u64,
        /// Epoch of the daemon that made it.
        2 => pub epoch: u64,
        /// What holds for connections before their route is known.
        3 => pub front: Front,
        /// The most specific match wins: exact host before `*.` host before any host, then the longest path; among
        /// equals the first.
        4 => pub routes: Vec<Route>,
    }
}

message! {
    /// What holds for connections before their route is known. A zero is the proxy's default.
    pub struct Front {
        /// Most bytes of a request's line and headers together; beyond: 431.
        1 => pub max_header_bytes: u64,
        /// ms from the first byte of a request (or the accepted connection) to the end of its headers; beyond: 408.
        2 => pub header_timeout_ms: u64,
        /// ms that a connection may be idle between requests; then it is closed.
        3 => pub idle_timeout_ms: u64,
        /// Most connections at a time; beyond, idle ones are closed first, then new ones wait in the kernel's queue.
        4 => pub max_connections: u64,
        /// Networks (CIDR) whose `X-Forwarded-*` and `X-Request-Id` are believed; those of others are replaced.
        5 => pub trusted_proxies: Vec<String>,
        /// Networks (CIDR) whose connections begin with a PROXY header (HAProxy's `proxy-protocol.txt`, version 1 or 2):
        /// those without one are closed.
        6 => pub proxy_protocol: Vec<String>,
        /// HTTP/2 is neither offered nor taken.
        7 => pub http1_only: bool,
        /// Where requests are written down, and how those of routes that say nothing else.
        8 => pub access_log: AccessLog,
    }
}

number_enum! {
    /// How requests are written down.
    pub enum LogFormat {
        /// As the front says; of the front itself: not at all.
        AsFront = 0,
        /// Not at all.
        Off = 1,
        /// Common Log Format, as Apache has it.
        Common = 2,
        /// An object of JSON a line.
        Json = 3,
    }
}

message! {
    /// The file that requests are written to.
    pub struct AccessLog {
        /// Empty: there is none.
        1 => pub path: String,
        /// How those of routes that say nothing else are written, and of none.
        2 => pub format: LogFormat,
        /// It is rotated at this length; 0: never.
        3 => pub max_bytes: u64,
        /// It is rotated at this age; 0: never.
        4 => pub max_age_ms: u64,
        /// Rotated files that are kept.
        5 => pub keep: u32,
    }
}

number_enum! {
    /// How the next instance is chosen.
    pub enum Balance {
        /// The one with the fewest requests in flight; in turn among equals.
        LeastConnections = 0,
        /// In turn.
        RoundRobin = 1,
    }
}

number_enum! {
    /// What an app's instances speak at their port.
    pub enum Protocol {
        /// HTTP/1.1.
        Http1 = 0,
        /// HTTP/2 without TLS, by prior knowledge (RFC 9113 3.3); HTTP/1.1 for requests to switch protocols.
        H2c = 1,
    }
}

message! {
    /// One app's route.
    pub struct Route {
        /// The app.
        1 => pub app: String,
        /// Lower-case host names without port; `*.example.com` is any one label in front; empty: any host.
        2 => pub hosts: Vec<String>,
        /// Path prefixes, matched at whole segments, each beginning with `/`; empty: all.
        3 => pub paths: Vec<String>,
        /// How the next instance is chosen.
        4 => pub balance: Balance,
        /// Limits of its requests.
        5 => pub limits: Limits,
        /// How the proxy checks its instances; `None`: only by requests that fail.
        6 => pub health: Option<HealthCheck>,
        /// While no instance is ready, requests wait at most this many ms; then 503.
        7 => pub hold_ms: u64,
        /// Requests wait (see `hold_ms`) though instances are there.
        8 => pub paused: bool,
        /// Requests in flight at a draining instance are cut after this many ms.
        9 => pub drain_ms: u64,
        /// Content types (`type/subtype`, or `type/*`) of responses that never end by themselves: while draining
        /// they are ended in order at the end of an event (`text/event-stream`), else of a line or chunk.
        10 => pub endless_types: Vec<String>,
        /// Its instances.
        11 => pub backends: Vec<Backend>,
        /// Of `paused`: requests are let go at this time, ms since 1970, whether or not the daemon says so; 0: never.
        20 => pub paused_until_ms: u64,
        /// Every request is answered with this, and none reaches an instance; goes before `paused`.
        21 => pub maintenance: Option<Maintenance>,
        /// What its instances speak.
        12 => pub protocol: Protocol,
        /// How its requests are written down.
        13 => pub access_log: LogFormat,
        /// Files that stand in where its instances say 404; `None`: their 404 is passed on.
        14 => pub assets: Option<Assets>,
        /// The share of requests that its canary backends get; `None`: they are like all others.
        16 => pub canary: Option<Canary>,
    }
}

message! {
    /// Files of other versions than the one that answered: a page of an earlier version asks for what only that one has.
    pub struct Assets {
        /// Path prefixes, matched at whole segments, each beginning with `/`, below which files stand in.
        1 => pub prefixes: Vec<String>,
        /// Where they lie; the first that has a file gives it.
        2 => pub folders: Vec<AssetFolder>,
    }
}

message! {
    /// A version's files.
    pub struct AssetFolder {
        /// Absolute path of the folder that stands for `/`.
        1 => pub path: String,
        /// Nothing is given from it from this time on, ms since 1970, whether or not the daemon says so; 0: never.
        2 => pub until_ms: u64,
    }
}

message! {
    /// Which requests go to canary backends. The choice follows from the app and the client's address alone, so that a
    /// client stays where it is, and goes on being chosen when the share grows. Where the chosen side has no backend
    /// that is up, the other one serves.
    pub struct Canary {
        /// How many of 10,000 clients.
        1 => pub share: u32,
        /// Name of a request header that chooses instead: `always` or `never`; empty: none does.
        2 => pub header: String,
    }
}

message! {
    /// What is answered while an app is in maintenance: 503.
    pub struct Maintenance {
        /// HTML of the page; empty: the proxy's own. Who prefers JSON gets a problem document.
        1 => pub page: String,
        /// `Retry-After`, in s.
        2 => pub retry_after_s: u32,
    }
}

message! {
    /// Limits of an app's requests; 0: none.
    pub struct Limits {
        /// Most bytes of a request's body; beyond: 413.
        1 => pub max_body_bytes: u64,
        /// ms without a byte of the request's body; beyond: 408.
        2 => pub body_timeout_ms: u64,
        /// ms from the whole request (or its last sent byte) to the response's head; beyond: 504.
        3 => pub response_timeout_ms: u64,
        /// ms in which the client takes no byte of the response; then the connection is closed.
        4 => pub write_timeout_ms: u64,
        /// Most requests that wait because no instance is ready; beyond: 503 at once.
        5 => pub max_held: u64,
    }
}

message! {
    /// The proxy's own continuous check of an instance.
    pub struct HealthCheck {
        /// A GET of this path must answer 2xx; empty: a connection must be accepted.
        1 => pub path: String,
        /// ms between two checks of an instance.
        2 => pub interval_ms: u64,
        /// ms in which the answer must come.
        3 => pub timeout_ms: u64,
        /// Bad answers in a row after which it gets no traffic.
        4 => pub failures: u32,
        /// Good answers in a row after which it gets traffic again.
        5 => pub successes: u32,
    }
}

number_enum! {
    /// What a backend is for.
    pub enum BackendMode {
        /// It is ready: it gets requests.
        Active = 0,
        /// It gets no new requests; what is in flight may end.
        Draining = 1,
    }
}

message! {
    /// One instance.
    pub struct Backend {
        /// Its number, never used again within the app.
        1 => pub instance: u64,
        /// Its place.
        2 => pub place: u32,
        /// Its version's label: opaque here, counted by.
        3 => pub version: String,
        /// `ip:port` of its HTTP server.
        4 => pub address: String,
        /// What it is for.
        5 => pub mode: BackendMode,
        /// How often it has been started: when this changes, connections to the earlier run are dropped and what was
        /// known of its health is forgotten.
        6 => pub run: u32,
        /// Port of the proxy's checks, where it is not that of `address`.
        7 => pub health_port: Option<u16>,
        /// It gets the requests of the route's canary, and no others while there is one.
        8 => pub canary: bool,
    }
}
