//! A shim whose child ends at once, thousands of times, and is started again without waiting.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use host::shim::{Connected, ShimEvent, ShimHost, ShimId};
use testkit::{processes, programs};
use tokio::time::timeout;
use wire::shim::{Happening, Kind, LogFile, RestartMode, RestartPolicy, Start};

use super::bounds::{Bound, Series};
use super::disk::bytes_below;
use crate::resident::{Memory, descriptors, mb, tasks};

/// Figures that are taken over the whole run.
const READINGS: u64 = 100;

/// Between two crashes at the most.
const NEXT: Duration = Duration::from_secs(30);

/// A log is rotated before it would be larger. A few hundred crashes fill it.
const LOG_BYTES: u64 = 10_000;

/// What event log (cut from 64 kB on) and log hold at most before they are cut, in MB, with a block for each.
const UNCUT_MB: f64 = 0.085;

/// How long the shim may take to be gone.
const END: Duration = Duration::from_secs(20);

/// What is read of the shim.
struct Readings {
    memory: Series,
    descriptors: Series,
    tasks: Series,
    disk: Series,
}

/// Lets a stub crash so often; what its shim and its files held meanwhile.
pub async fn run(crashes: u64) -> Result<Vec<Series>> {
    let folder = tempfile::Builder::new().prefix("br-soak-").tempdir_in("/tmp")?;
    let shims = ShimHost {
        run_root: folder.path().join("run"),
        state_root: folder.path().join("state"),
        shim_binary: programs::program("bellrock-shim"),
        epoch: 1,
    };
    let id = ShimId::new("stub")?;
    let outcome = crash(&shims, &id, folder.path(), crashes).await;
    let left = processes::end_all(folder.path(), END);
    if !left.is_empty() {
        bail!("still there: {left:?}");
    }
    outcome
}

async fn crash(shims: &ShimHost, id: &ShimId, folder: &std::path::Path, crashes: u64) -> Result<Vec<Series>> {
    let Connected { handle, mut events, welcome } = shims.spawn(id).await?;
    handle.start(stub(id, folder)).await?;
    let pid = i32::try_from(welcome.pid)?;
    let mut readings = Readings::new();
    let mut seen = 0;
    while seen < crashes {
        let event = match timeout(NEXT, events.next()).await.context("the stub crashes no more")? {
            Some(ShimEvent::Happened(event)) => event,
            other => bail!("the shim's connection ended: {other:?}"),
        };
        if matches!(event.what, Some(Happening::Exited(_))) {
            seen += 1;
            handle.ack(event.seq).await?;
            if seen % (crashes / READINGS).max(1) == 0 {
                readings.read(pid, folder)?;
            }
        }
    }
    handle.stop(Duration::ZERO).await?;
    Ok(readings.all())
}

/// Says a line and fails.
const STUB: &str = "echo 'ahoy: a line of about a hundred bytes, as an app that fails at its start writes several of'; exit 1";

fn stub(id: &ShimId, folder: &std::path::Path) -> Start {
    let log = |name: &str| LogFile { path: folder.join(name), max_bytes: LOG_BYTES, max_age_ms: 0, keep: 1 };
    Start {
        id: id.to_string(),
        kind: Kind::Service,
        argv: ["/bin/sh", "-c", STUB].map(Into::into).to_vec(),
        cwd: folder.to_owned(),
        stdout: log("stdout.log"),
        stderr: log("stderr.log"),
        restart: RestartPolicy { mode: RestartMode::Always, step_ms: 0, cap_ms: 0, reset_after_ms: 60_000 },
        ..Start::default()
    }
}

impl Readings {
    fn new() -> Self {
        Readings {
            memory: Series::new("shim, rss MB", Bound::Memory),
            descriptors: Series::new("shim, descriptors", Bound::Equal),
            tasks: Series::new("shim, tasks", Bound::Equal),
            disk: Series::new("event log and logs, MB", Bound::Within(UNCUT_MB)),
        }
    }

    fn read(&mut self, pid: i32, folder: &std::path::Path) -> Result<()> {
        self.memory.push(mb(Memory::of(pid)?.rss));
        self.descriptors.push(descriptors(pid)? as f64);
        self.tasks.push(tasks(pid)? as f64);
        self.disk.push(mb(bytes_below(folder)));
        Ok(())
    }

    fn all(self) -> Vec<Series> {
        vec![self.memory, self.descriptors, self.tasks, self.disk]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hundreds_of_crashes_leave_nothing_behind() {
        let series = run(800).await.unwrap();
        let grown: Vec<String> = series.iter().filter(|one| !one.kept()).map(ToString::to_string).collect();
        assert!(grown.is_empty(), "{grown:#?}");
    }
}
