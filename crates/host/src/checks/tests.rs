//! Checks of little real servers and real programs.

mod follow;
mod probing;
mod server;
mod watching;

use std::path::Path;
use std::time::Duration;

use model::settings::{AppSettings, Command};

use tokio::time::Instant;

use super::{Confinement, NotPassed, Probe, ProbeTarget};

/// Longest time that anything awaited may take.
const SOON: Duration = Duration::from_secs(20);

fn target(port: u16, tree: &Path) -> ProbeTarget {
    let mut environment = crate::environment::base(tree);
    environment.insert("BELLROCK_APP".into(), "beacon".into());
    ProbeTarget {
        ports: vec![("PORT".into(), port)],
        tree: tree.to_owned(),
        environment,
        confinement: Confinement::new(None, &AppSettings::default()),
        up_since: Instant::now(),
        pid: None,
    }
}

/// `sh -c SCRIPT` as the settings would hold it.
fn shell(script: &str) -> Command {
    serde_json::from_value(serde_json::json!(["/bin/sh", "-c", script])).unwrap()
}
