//! This machine: paths, the journal, instances under their shims, checks, files with secrets. It only does;
//! deciding is the model's.

mod assets;
pub mod backup;
pub mod certificates;
pub mod cgroup;
pub mod checks;
pub mod clock;
pub mod commands;
pub mod configuration;
pub mod cookie;
pub mod disk;
pub mod doer;
pub mod environment;
pub mod epmd;
pub mod export;
pub mod hot_upgrades;
pub mod instances;
pub mod journal;
pub mod log_tail;
pub mod lowering;
pub mod memory;
pub mod nodes;
mod paths;
pub mod ports;
mod preparation;
pub mod prepare_log;
mod prepared;
pub mod program;
pub mod proxy;
pub mod shim;
pub mod shutdown;
pub mod site;
pub mod standalone;
pub mod start;
pub mod tasks;
pub mod tell;
pub mod tls_fitness;
mod unix_socket;
pub mod usage;
pub mod users;
pub mod versions;

pub use paths::Paths;
pub use tell::{Tell, Untold};

/// An error with its causes on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
