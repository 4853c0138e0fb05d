//! The proxy of this host: kept running under a shim of its own, told what to serve, asked what it sees.
//!
//! ```text
//! doers of routes ─put→ RouteBook ─table→ Keeper ⇄ control socket ⇄ bellrock-proxy
//!                                          ├→ ProxyFacts (applied, drained, down, counts) → doers, API, doctor
//!                                          └⇄ its shim (which holds the listening sockets)
//! ```
//!
//! Nothing here decides what is served: an app's whole route arrives as one effect. The proxy serves from its last
//! table with or without this.

mod book;
mod canary_tally;
mod certificates;
mod control;
mod conversation;
mod doer;
mod error_watch;
mod facts;
mod folders;
mod health_watch;
mod keeper;
mod leaving;
mod number;
mod plan;
mod process;
mod proxy_handle;
mod wish;

pub use book::{Page, Put, RouteBook};
pub use certificates::CertificateError;
pub use control::ControlError;
pub(crate) use doer::longest_drain;
pub use error_watch::ErrorWatch;
pub use facts::{Process, ProxyFacts, Sample};
pub use health_watch::HealthWatch;
pub use keeper::Keeper;
pub use plan::ProxyPlan;
pub use process::{ProcessError, is_proxy, was_of_another_boot};
pub use proxy_handle::{CloseWatch, Proxy, Unserved};
pub use wish::page;
