//! This machine: paths, the journal, instances under their shims, checks, files with secrets. It only does;
//! deciding is the model's.

pub mod checks;
pub mod cookie;
pub mod environment;
pub mod journal;
pub mod log_tail;
mod paths;
pub mod ports;
mod program;
pub mod shim;
pub mod site;
pub mod tell;
pub mod users;

pub use paths::Paths;
pub use tell::Tell;
