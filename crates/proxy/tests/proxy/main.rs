//! The proxy on real sockets, between scripted instances and clients that say exactly what a test wants.

#![allow(clippy::unwrap_used)] // this is a test

mod client;
mod daemon;
mod endless;
mod forwarding;
mod hostile;
mod instance;
mod rig;
mod slow_clients;
mod tls;
mod upgrades;
