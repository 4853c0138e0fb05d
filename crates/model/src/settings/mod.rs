//! What Bellrock is told in TOML about the host and its apps.
//!
//! Text becomes layers (only what was said, each value with its place in the file), layers become settings
//! (every key has a value). One table of keys, [`keys`], drives both and the generated reference.
//! All problems of all files are reported together, each with file, line, key and remedy.

mod app;
mod checks;
mod command;
mod host;
mod limits;
mod variable;

pub use app::{AppSettings, CrashDumps, Hooks, LogSettings, NodeName, PreCommandScope, Strategy};
pub use checks::{Check, CheckKind, Health, HealthKind, PortName, Readiness, Scheme};
pub use command::{BadCommand, Command, PreCommand};
pub use host::HostSettings;
pub use limits::{Limit, ResourceLimits, Umask};
pub use variable::{BadSecret, SecretReference, VariableValue};
