//! What is fuzzed: each target is a function that takes any bytes, and panics when something is wrong.
//!
//! `make fuzz-smoke` drives them on stable for some seconds, from a corpus with random changes (`driver`); with
//! cargo-fuzz, `fuzz/cargo-fuzz/` has them found by coverage. What one of them found goes into `corpus` as a seed.

mod corpus;
mod distribution;
pub mod driver;
mod modules;
mod package_reader;
mod proxy_request;
mod settings;
mod shim_protocol;
mod terms;
mod upgrade_files;

pub use distribution::{dist_epmd, dist_frames, dist_handshake};
pub use modules::modules;
pub use package_reader::package_reader;
pub use proxy_request::proxy_request;
pub use settings::settings;
pub use shim_protocol::shim_protocol;
pub use terms::terms;
pub use upgrade_files::upgrade_files;

/// One target.
pub struct Target {
    /// Its name, as cargo-fuzz calls it.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// What random changes begin with.
    pub corpus: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 10] = [
    Target { name: "package_reader", run: package_reader, corpus: corpus::packages },
    Target { name: "shim_protocol", run: shim_protocol, corpus: corpus::messages },
    Target { name: "settings", run: settings, corpus: corpus::settings },
    Target { name: "proxy_request", run: proxy_request, corpus: corpus::requests },
    Target { name: "dist_epmd", run: dist_epmd, corpus: distribution::answers },
    Target { name: "dist_handshake", run: dist_handshake, corpus: distribution::handshakes },
    Target { name: "dist_frames", run: dist_frames, corpus: distribution::frames },
    Target { name: "terms", run: terms, corpus: corpus::terms },
    Target { name: "modules", run: modules, corpus: corpus::modules },
    Target { name: "upgrade_files", run: upgrade_files, corpus: corpus::upgrade_files },
];
