//! What Bellrock is told in TOML about the host and its apps.
//!
//! Text becomes layers (only what was said, each value with its place in the file), layers become settings
//! (every key has a value). One table of keys drives both, and the generated reference and example.
//! All problems of all files are reported together, each with file, line, key and remedy.
//!
//! A new key is one line in `app_keys` or `host_keys` and a field at the same path in [`AppSettings`] or
//! [`HostSettings`]; a test holds the two against each other.

mod app;
mod app_keys;
mod assets;
mod autoscale;
mod canary;
mod checks;
mod command;
mod config;
mod conflicts;
mod edge;
mod export;
mod function;
mod host;
mod host_conflicts;
mod host_keys;
mod hot;
mod hot_keys;
mod keys;
mod layer;
mod limits;
mod load_keys;
mod member;
mod merge;
mod mesh;
mod network;
mod node;
pub mod ports;
mod problem;
mod proxy;
mod read;
mod reference;
mod reserved;
pub mod routes;
mod routing;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod variable;
mod watchdog;

pub use app::{AppSettings, CrashDumps, LogSettings, NodeName, PreCommandScope, StopBy, Strategy};
pub use assets::AssetSettings;
pub use autoscale::Autoscale;
pub use canary::{CanarySettings, WhenUnsure};
pub use checks::{Check, CheckKind, Health, HealthAction, HealthKind, PortName, Readiness, Scheme};
pub use command::{BadCommand, Command, PreCommand};
pub use config::{HostConfig, load_host};
pub use export::{ExportSettings, ExportTo};
pub use function::{BadFunction, Function};
pub use host::HostSettings;
pub use hot::{HotSettings, UpgradeMode};
pub use layer::AppLayer;
pub use limits::{BadUmask, Limit, ResourceLimits, Resources, Umask, Unlimited};
pub use member::MemberSettings;
pub use merge::merge;
pub use mesh::MeshSettings;
pub use network::{BadNetwork, Network};
pub use node::{Distribution, Launch};
pub use problem::{Problem, Problems};
pub use proxy::{CertificateFiles, ProxySettings};
pub use reference::{example, reference};
pub use reserved::reserved_variable;
pub use routing::{AccessLog, Balance, Protocol, RequestLimits};
pub use source::Source;
pub use text::to_toml;
pub use variable::{BadSecret, SecretReference, VariableValue};
pub use watchdog::{WatchdogAction, WatchdogSettings};
