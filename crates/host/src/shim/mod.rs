//! Drives shims: one `bellrock-shim` process per thing that must outlive the daemon.
//!
//! Purpose: do what it is told with shims, and believe only what they say. Never: decide, wait for a shim's
//! pid, or signal a number found on disk.
//!
//! [`ShimHost::spawn`] starts a shim, which then waits to be told; [`ShimHost::adopt_all`] finds those of an
//! earlier daemon, by the same code path. [`Handle`] asks, [`Events`] tells, in order and without gaps, from the
//! event the caller names; a caller acknowledges ([`Handle::ack`]) what it has made durable. Of a shim that is
//! dead (its lock is free) [`Dead`] reads what it saved, and [`ShimHost::clean_up`] ends what it left.

mod clean_up;
mod connection;
mod dead;
mod error;
mod handle;
mod id;
mod lock;
mod log_link;
mod renewal;
mod shim_host;

pub use clean_up::CleanedUp;
pub use connection::{Events, Gone, ShimEvent};
pub use dead::{Dead, TaskOutcome};
pub use error::ShimError;
pub use handle::Handle;
pub use id::ShimId;
pub use log_link::point_log_link;
pub use shim_host::{Connected, Found, ShimHost, boot_id};
