//! End to end: real releases, real processes, a real daemon on a temporary host.
//!
//! Build what is tested first: `cargo build -p daemon -p proxy -p shim -p cli && cargo xtask samples`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod assets;
mod autoscale;
mod backup;
mod canary;
mod command;
mod commands;
mod config_reload;
mod console;
mod daemon;
mod export;
mod failing;
mod faults;
mod first_deployment;
mod hot;
mod hung;
mod interruptions;
mod isolation;
mod links;
mod load;
mod members;
mod nodes;
mod papers;
mod refusals;
mod replacing;
mod running;
mod settings;
mod standalone;
mod store;
mod tasks;
mod tcp;
mod tls;
mod traffic;
mod upgrade;
mod variables;
mod versions;
mod watchdogs;
