//! What end-to-end tests stand on: temporary hosts with a real daemon, real shims and real releases.
//!
//! A [`TempHost`] is a folder with a `bellrockd` of its own; it takes everything that it started along when it is
//! dropped. Names and ports of its apps are its own too, so that hosts live side by side, also those of other test
//! programs on the machine. Helpers panic where a test could not go on anyway; what a test may expect to fail
//! returns a `Result`.

pub mod app;
pub mod client;
pub mod command;
pub mod config;
pub mod epmd;
pub mod host;
pub mod load;
pub mod made;
pub mod nodes;
pub mod pack;
pub mod ports;
pub mod processes;
pub mod programs;
pub mod release_handler;
pub mod sample;
pub mod steady;
pub mod store;
pub mod terminal;
pub mod wait;
pub mod wanted;

pub use app::TestApp;
pub use client::{ApiError, Client};
pub use host::{HostPlan, TempHost};
pub use sample::{Sample, sample};
pub use wait::wait_for;
