//! The proxy on real sockets, between scripted instances and clients that say exactly what a test wants.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // this is a test

mod access_log;
mod assets;
mod balancing;
mod canary;
mod client;
mod control;
mod daemon;
mod descriptors;
mod draining;
mod ending;
mod endless;
mod forwarding;
mod gate;
mod grpc;
mod h2_peer;
mod headers;
mod health;
mod holding;
mod hostile;
mod http2;
mod instance;
mod limits;
mod maintenance;
mod program;
mod proxy_header;
mod retrying;
mod rig;
mod saved;
mod slow_clients;
mod tls;
mod upgrades;
