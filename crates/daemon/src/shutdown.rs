//! `bellrockd --stop-all`: everything that runs is ended in order, because the host goes down.

use std::time::Duration;

use anyhow::{Context, bail};
use host::Paths;
use host::journal::Journal;
use host::shim::ShimHost;
use host::shutdown::end_all;
use jiff::Timestamp;
use tracing::info;

use crate::root_lock::RootLock;
use crate::startup::{Plan, absolute, program};

/// Longest that anything is waited for; each instance has its own `stop_timeout`, and is killed then.
const WITHIN: Duration = Duration::from_secs(30 * 60);

/// Returns when nothing runs any more that a shim of this root has started.
pub async fn stop_all(plan: Plan) -> anyhow::Result<()> {
    let paths = Paths::new(absolute(&plan.root)?);
    // A daemon that runs would start again what is ended here.
    let _lock = RootLock::take(&paths.daemon_lock())?;
    let journal = Journal::open(&paths.database())?;
    let shims = ShimHost {
        run_root: paths.shims_run(),
        state_root: paths.shims_state(),
        shim_binary: program("bellrock-shim", "--shim", plan.shim)?,
        epoch: journal.next_epoch(Timestamp::now()).await?,
    };
    let left = end_all(&shims, WITHIN).await.context("could not look for what runs")?;
    if left.is_empty() {
        info!("all have ended in order; they are started again when the daemon is");
        return Ok(());
    }
    let left: Vec<String> = left.iter().map(|(id, error)| format!("{id} ({})", host::chain(error))).collect();
    bail!("still there, and left to the system's own end: {}", left.join(", "))
}
