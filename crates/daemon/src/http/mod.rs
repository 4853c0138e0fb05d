//! The HTTP API over a Unix socket: the only way in for the command, the dashboard and CI.
//!
//! Reads come from snapshots and the journal; every change is recorded with the peer's uid before it is asked
//! for. Handlers translate and decide nothing. The OpenAPI document is made from them.

mod api;
mod apps;
mod audit;
mod backup;
mod config;
mod console;
mod deadline;
mod deployments;
mod events;
mod export;
mod extract;
mod freeze;
mod ghosts;
mod interruptions;
mod logs;
mod names;
mod openapi;
mod packages;
mod papers;
mod peer;
mod problem;
mod routes;
mod running;
mod socket;
mod system;
mod tasks;
mod tls;
mod variables;
mod versions;
mod view;

pub use api::Api;
pub use openapi::{document, router};
pub use socket::{bind, serve};

#[cfg(test)]
mod tests;
