//! What is known of the proxy: one snapshot that whoever waits or shows reads.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use wire::proxy::{BackendMode, Drained, Health, Report, Table};

/// Everything that is known of the proxy now.
#[derive(Debug, Clone, Default)]
pub struct ProxyFacts {
    /// Its process.
    pub process: Process,
    /// Why it cannot be asked, while it cannot.
    pub unreached: Option<String>,
    /// Revision that all its cores serve by; 0: none of ours yet.
    pub applied: u64,
    /// The revision that it last refused, and why.
    pub refused: Option<(u64, String)>,
    /// Instances of which nothing is left in flight.
    pub drained: BTreeMap<(String, u64), Drained>,
    /// Instances that get no traffic because checks or requests fail.
    pub down: BTreeMap<(String, u64), Health>,
    /// The newest report.
    pub report: Option<Sample>,
    /// The one before, of the same process.
    pub report_before: Option<Sample>,
}

/// What the proxy's process does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Process {
    /// This host has none: no address is set.
    Off,
    /// It is looked for, or being started.
    #[default]
    Starting,
    /// It runs.
    Running {
        /// Its process id, for people to read.
        pid: u32,
    },
    /// It ended, or could not be started; it is tried again.
    Failing {
        /// Why.
        why: String,
    },
}

/// A report with the time it came.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// What the proxy said.
    pub report: Report,
}

impl ProxyFacts {
    /// The proxy serves by a table: what was told as drained of an instance that is active in it is no longer true.
    pub(crate) fn take_applied(&mut self, table: &Table) {
        self.applied = table.revision;
        self.refused = None;
        for route in &table.routes {
            for backend in route.backends.iter().filter(|it| it.mode == BackendMode::Active) {
                self.drained.remove(&(route.app.clone(), backend.instance));
            }
        }
        let known = |key: &(String, u64)| {
            table.routes.iter().any(|it| it.app == key.0 && it.backends.iter().any(|it| it.instance == key.1))
        };
        self.down.retain(|key, _| known(key));
    }

    pub(crate) fn take_health(&mut self, health: Health) {
        let key = (health.app.clone(), health.instance);
        if health.up {
            self.down.remove(&key);
        } else {
            self.down.insert(key, health);
        }
    }

    pub(crate) fn take_report(&mut self, report: Report) {
        let same_process = self.report.as_ref().is_some_and(|it| it.report.incarnation == report.incarnation);
        self.report_before = self.report.take().filter(|_| same_process);
        self.report = Some(Sample { at: Instant::now(), report });
    }

    /// The newest two reports with the time between them.
    pub fn interval(&self) -> Option<(&Report, &Report, Duration)> {
        let (before, after) = (self.report_before.as_ref()?, self.report.as_ref()?);
        Some((&before.report, &after.report, after.at.duration_since(before.at)))
    }
}
