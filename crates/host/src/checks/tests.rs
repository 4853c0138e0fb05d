//! Checks of little real servers and real programs.

mod follow;
mod probing;
mod server;
mod watching;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::InstanceId;
use model::settings::{AppSettings, Command, HostSettings};
use package::HostPlatform;

use tokio::time::Instant;

use super::{Confinement, NotPassed, Probe, ProbeTarget};
use crate::Paths;
use crate::certificates::Certificates;
use crate::epmd::{EPMD_PORT, EpmdKeeper};
use crate::nodes::Nodes;
use crate::shim::ShimHost;
use crate::site::Site;

/// Longest time that anything awaited may take.
const SOON: Duration = Duration::from_secs(20);

fn target(port: u16, tree: &Path) -> ProbeTarget {
    let mut environment = crate::environment::base(tree);
    environment.insert("BELLROCK_APP".into(), "beacon".into());
    ProbeTarget {
        app: "beacon".parse().unwrap(),
        instance: InstanceId(4),
        ports: vec![("PORT".into(), port)],
        tree: tree.to_owned(),
        environment,
        confinement: Confinement::new(None, &AppSettings::default()),
        up_since: Instant::now(),
        pid: None,
    }
}

/// A prober on a host without nodes.
fn probe() -> Probe {
    let paths = Paths::new("/nowhere");
    let site = Arc::new(Site {
        certificates: Arc::new(Certificates::new(paths.clone(), "localhost")),
        paths,
        settings: HostSettings::default(),
        platform: HostPlatform::detect(),
        node_host: "localhost".into(),
    });
    let nowhere = || "/nowhere".into();
    let shims = ShimHost { run_root: nowhere(), state_root: nowhere(), shim_binary: nowhere(), epoch: 1 };
    let epmd = EpmdKeeper::new(site.clone(), shims, EPMD_PORT);
    Probe::new(Nodes::new(site, Arc::new(epmd))).unwrap()
}

/// `sh -c SCRIPT` as the settings would hold it.
fn shell(script: &str) -> Command {
    serde_json::from_value(serde_json::json!(["/bin/sh", "-c", script])).unwrap()
}
