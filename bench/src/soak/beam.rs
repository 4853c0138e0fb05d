//! Deployments of a real release one after another, each followed by a crash of every place.

use anyhow::{Context, Result};
use api::app::{App, AppState};
use api::deployment::Phase;
use testkit::{TempHost, TestApp, processes};

use super::bounds::{Bound, Series};
use super::disk::bytes_below;
use crate::resident::{Memory, descriptors, mb, tasks};
use crate::serving::ms_from_crash;

/// Places of the app.
pub const PLACES: u16 = 3;

/// What the shims' event logs may hold before they are cut, in MB.
const UNCUT_MB: f64 = 0.3;

/// Two versions by turns.
const VERSIONS: [&str; 2] = ["beacon-base", "beacon-module-changed"];

/// What is read of the daemon, of all shims together and of the host's folders.
struct Readings {
    daemon_memory: Series,
    daemon_descriptors: Series,
    daemon_tasks: Series,
    shims: Series,
    shims_memory: Series,
    shims_descriptors: Series,
    versions: Series,
    journal: Series,
    logs: Series,
}

/// Makes so many deployments; what was held meanwhile.
pub async fn run(deployments: u32) -> Result<Vec<Series>> {
    let host = TempHost::start().await;
    let settings =
        format!("replicas = {PLACES}\nmax = 3\nwatch_window = '0 s'\nlog.max_size = '10 kB'\nlog.keep = 1");
    let app = host.app("beacon", &settings);
    let mut readings = Readings::new();
    for round in 0..deployments {
        app.deploy(VERSIONS[round as usize % 2], Phase::Committed).await;
        crash_each(&app).await?;
        settled(&app, u64::from(round + 1)).await;
        readings.read(&host)?;
    }
    Ok(readings.all())
}

/// The first crash of an instance is restarted at once, so nothing here waits for a backoff.
async fn crash_each(app: &TestApp<'_>) -> Result<()> {
    for instance in app.ready().await {
        let crash = move || ms_from_crash(instance.port);
        tokio::task::spawn_blocking(crash).await?.with_context(|| format!("place {}", instance.place))?;
    }
    Ok(())
}

/// Every place is ready again after its crash, and nothing else is left.
async fn settled(app: &TestApp<'_>, crashes: u64) {
    let whole = |app: &App| {
        app.state == AppState::Ready
            && app.ready == PLACES
            && app.instances.len() == usize::from(PLACES)
            && app.instances.iter().all(|instance| instance.crashes == crashes)
    };
    app.wait_for("every place is ready again, and all crashes are counted", whole).await;
}

impl Readings {
    fn new() -> Self {
        Readings {
            daemon_memory: Series::new("daemon, rss MB", Bound::Memory),
            daemon_descriptors: Series::new("daemon, descriptors", Bound::Equal),
            daemon_tasks: Series::new("daemon, tasks", Bound::Equal),
            shims: Series::new("shims", Bound::Equal),
            shims_memory: Series::new("shims together, pss MB", Bound::Memory),
            shims_descriptors: Series::new("shims together, descriptors", Bound::Equal),
            versions: Series::new("packages, versions, instances, MB", Bound::Within(UNCUT_MB)),
            journal: Series::new("journal, MB", Bound::Told),
            logs: Series::new("logs and crash dumps, MB", Bound::Told),
        }
    }

    fn read(&mut self, host: &TempHost) -> Result<()> {
        let daemon = i32::try_from(host.daemon_pid())?;
        self.daemon_memory.push(mb(Memory::of(daemon)?.rss));
        self.daemon_descriptors.push(descriptors(daemon)? as f64);
        self.daemon_tasks.push(tasks(daemon)? as f64);
        let all = processes::below(host.root());
        let shims = all.iter().filter(|process| process.command_line.contains("bellrock-shim"));
        let shims: Vec<i32> = shims.map(|process| process.pid).collect();
        self.shims.push(shims.len() as f64);
        self.shims_memory.push(mb(Memory::sum(&shims)?.pss));
        let open: usize = shims.iter().map(|pid| descriptors(*pid)).sum::<Result<_>>()?;
        self.shims_descriptors.push(open as f64);
        self.read_disk(host);
        Ok(())
    }

    fn read_disk(&mut self, host: &TempHost) {
        let state = host.path("var/lib/bellrock");
        let journal = ["state.db", "state.db-wal", "state.db-shm"].map(|name| bytes_below(&state.join(name)));
        let journal = journal.iter().sum();
        self.journal.push(mb(journal));
        self.versions.push(mb(bytes_below(&state).saturating_sub(journal)));
        self.logs.push(mb(bytes_below(&host.path("var/log/bellrock"))));
    }

    fn all(self) -> Vec<Series> {
        vec![
            self.daemon_memory,
            self.daemon_descriptors,
            self.daemon_tasks,
            self.shims,
            self.shims_memory,
            self.shims_descriptors,
            self.versions,
            self.journal,
            self.logs,
        ]
    }
}
