//! The data plane: HTTP from clients to instances, by a table of routes.
//!
//! ```text
//!               ┌─ acceptor ─ each connection to the core with the fewest ─┐
//! clients ──────┤                                                          ▼
//!               │   core 0..n: connection ▶ exchange ▶ upstream ──────▶ instances
//!               │        ▲ table, drain, stop      │ facts                 ▲
//! daemon ───────┴─ control: table, saved, report ──┴─ checks ─────────────┘
//! ```
//!
//! A core never waits for another thread while it serves: it has its own connections, pools, budgets and counts. What
//! may wait for a disk (an asset of another version) is read by a thread of a small pool meanwhile.
//! Never: knowledge of deployments; versions are labels here.

mod acceptor;
mod access_log;
mod assets;
mod canary;
mod client_io;
mod connection;
mod control;
mod core;
mod core_table;
mod descriptors;
mod drains;
mod exchange;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod health;
mod hold;
mod host_map;
mod http2;
mod in_flight;
mod instance;
mod log;
mod network;
pub mod own_answer;
mod pause;
mod proxy;
mod proxy_protocol;
mod request_body;
mod request_head;
mod request_id;
mod response_body;
mod retry_budget;
mod rewind;
mod saved;
mod serving;
mod session;
mod shared_upstream;
pub mod stream_end;
pub mod tls;
mod transport;
mod upstream;
pub mod websocket;

pub use acceptor::Listener;
pub use control::SocketError;
pub use proxy::{Options, Proxy, StartError};
