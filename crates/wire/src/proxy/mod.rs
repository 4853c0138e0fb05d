//! What the daemon ([`Command`]) and the proxy ([`Answer`]) say to each other, and the [`Table`] of routes, which
//! the proxy also saves: it serves from its last table with or without a daemon.
//!
//! The daemon connects to the proxy's socket and says [`Hello`]; the proxy answers [`Welcome`] with the revision that
//! it serves, or refuses. Then the daemon asks, each request with its own number, and each is answered exactly once.
//! After [`Watch`], [`Drained`] and [`Health`] come unasked.
//!
//! ```text
//! daemon → Hello{versions 1..1, epoch 7}        proxy → Welcome{version 1, revision 41 …}
//! daemon → #1 Watch                             proxy → #1 Done
//! daemon → #2 SetTable{revision 42 …}           proxy → #2 Applied{42}, Drained{beacon 7}
//! daemon → #3 QueryReport                       proxy → #3 Report
//! ```

mod answer;
mod command;
mod latency;
mod report;
mod table;

pub use answer::{Answer, Applied, Done, Drained, Health, Refusal, Refused, Welcome};
pub use command::{Certificate, Command, Hello, QueryReport, SetCertificates, SetTable, Watch};
pub use latency::{BOUNDS_US, bucket, quantile_us};
pub use report::{BackendReport, BackendState, Connections, Counts, ListenerReport, Report, RouteReport};
pub use table::{
    AccessLog, AssetFolder, Assets, Backend, BackendMode, Balance, Canary, Front, HealthCheck, Limits,
    LogFormat, Maintenance, Protocol, Route, Table,
};

/// The protocol version that this code speaks as a proxy; as the daemon it speaks all from 1 to this.
pub const PROTOCOL_VERSION: u32 = 1;

/// Name of the socket in the proxy's run folder.
pub const SOCKET_FILE: &str = "proxy.sock";
/// Name of the saved [`Table`] in the proxy's state folder: one record (see [`crate::record`]) of its fields.
pub const TABLE_FILE: &str = "routes";
/// Name of the saved [`SetCertificates`] in the proxy's state folder, mode 0600: one record of its fields.
pub const CERTIFICATES_FILE: &str = "certificates";
