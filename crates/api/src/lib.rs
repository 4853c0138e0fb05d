//! What the daemon's API speaks: the types of its requests and answers, shared by the command and the daemon.
//!
//! JSON names carry their units (`took_ms`, `size_bytes`); times are RFC 3339 in UTC. Fields may be added at any
//! time: readers skip those they do not know.

pub mod about;
pub mod app;
pub mod audit;
pub mod change;
pub mod console;
pub mod deployment;
pub mod doctor;
pub mod event;
pub mod exit;
pub mod log;
pub mod node;
pub mod observation;
pub mod prepare;
pub mod problem;
pub mod query;
pub mod reload;
pub mod routes;
pub mod settings;
pub mod standalone;
pub mod task;
pub mod tls;
pub mod upgrade;
pub mod variable;
pub mod version;
pub mod way;

pub use model::human;
pub use model::units::parse_duration;
pub use model::{AppName, BadName, VariableName, VersionLabel};

/// The API's Unix socket, below the root.
pub const SOCKET: &str = "run/bellrock/api.sock";
