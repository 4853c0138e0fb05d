//! The watchdog of an app's nodes, as a decision: readings in, findings and the instance to be restarted out.
//!
//! A reading is what a node has of something and how much it may have. An instance exceeds when it was found above `act`
//! in two looks in a row, so that one moment means nothing, and is well again when it is clearly below. Who is to
//! be restarted follows from who exceeds now: nothing is queued, and the app itself says whether it may be ([`crate::app`]).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use crate::names::InstanceId;
use crate::settings::{AppSettings, WatchdogAction, WatchdogSettings};

/// Looks in a row in which an instance is above `act` before it exceeds.
const LOOKS: u8 = 2;

/// By how many percentage points it has to fall below a threshold until it is no longer above it.
const SLACK: u64 = 5;

/// An instance in one of its runs: after a restart in place it begins anew.
pub type Run = (InstanceId, u32);

/// What a node has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meter {
    /// Atoms, which are never given back; the node ends at its limit.
    Atoms,
    /// Processes.
    Processes,
    /// Ports: sockets, files, programs.
    Ports,
    /// ETS tables.
    EtsTables,
    /// Resident memory of all processes of the instance, bytes.
    Memory,
    /// Processes and ports that wait for a scheduler.
    RunQueue,
    /// Messages in the longest mailbox.
    Mailbox,
    /// Memory of the host, told of the instance that has most of it, bytes.
    HostMemory,
}

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Meter::Atoms => "atoms",
            Meter::Processes => "processes",
            Meter::Ports => "ports",
            Meter::EtsTables => "ETS tables",
            Meter::Memory => "bytes of memory",
            Meter::RunQueue => "processes that wait for a scheduler",
            Meter::Mailbox => "messages in one mailbox",
            Meter::HostMemory => "bytes of the host's memory, as the largest of all instances,",
        })
    }
}

/// How much there is of something, and how much there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// How much there is.
    pub count: u64,
    /// How much there may be.
    pub limit: u64,
}

impl Reading {
    /// How much of the limit it is.
    pub fn percent(self) -> u64 {
        let percent = u128::from(self.count) * 100 / u128::from(self.limit.max(1));
        u64::try_from(percent).unwrap_or(u64::MAX)
    }
}

/// What was counted in a node; what has no limit of its own gets it from the settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Atoms.
    pub atoms: Option<Reading>,
    /// Processes.
    pub processes: Option<Reading>,
    /// Ports.
    pub ports: Option<Reading>,
    /// ETS tables.
    pub ets_tables: Option<Reading>,
    /// Resident memory, bytes.
    pub memory_bytes: Option<u64>,
    /// What waits for a scheduler.
    pub run_queue: Option<u64>,
    /// Messages in the longest mailbox.
    pub mailbox: Option<u64>,
    /// The host's memory, bytes: of the largest instance of all apps alone.
    pub host_memory: Option<Reading>,
}

/// An instance that has less than this part of the host's memory is not restarted for the host's sake: it would not help.
const WORTHWHILE: u64 = 10;

impl Counts {
    /// What of it has a limit, and whether exceeding that is a reason for a restart.
    fn readings(&self, settings: &AppSettings) -> impl Iterator<Item = (Meter, Reading, bool)> {
        let watchdog = &settings.watchdog;
        let memory = watchdog.memory.or(settings.resources.memory).map(|size| size.0);
        let of = |count: Option<u64>, limit: Option<u64>| Some(Reading { count: count?, limit: limit? });
        let own_limit = watchdog.ets_tables;
        let part =
            self.memory_bytes.zip(self.host_memory).map(|(bytes, host)| (bytes, host.limit / WORTHWHILE));
        let is_large = part.is_some_and(|(bytes, enough)| bytes >= enough);
        let ets = self.ets_tables.map(|it| Reading { limit: own_limit.unwrap_or(it.limit), ..it });
        [
            (Meter::Atoms, self.atoms, true),
            (Meter::Processes, self.processes, true),
            (Meter::Ports, self.ports, true),
            (Meter::EtsTables, ets, own_limit.is_some()),
            (Meter::Memory, of(self.memory_bytes, memory), true),
            (Meter::RunQueue, of(self.run_queue, watchdog.run_queue), true),
            (Meter::Mailbox, of(self.mailbox, watchdog.mailbox), true),
            (Meter::HostMemory, self.host_memory, is_large),
        ]
        .into_iter()
        .filter_map(|(meter, reading, restarts)| Some((meter, reading?, restarts)))
    }
}

/// Something that changed with an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub run: Run,
    /// Of what.
    pub meter: Meter,
    /// How much.
    pub reading: Reading,
    /// How it is now.
    pub state: State,
}

/// How an instance is, of one meter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Below `warn`.
    #[default]
    Well,
    /// Above `warn`.
    High,
    /// Above `act` for long enough.
    Exceeds,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reading { count, limit } = self.reading;
        let percent = self.reading.percent();
        match self.state {
            State::Well => write!(f, "is well again with {count} {} of {limit} ({percent} %)", self.meter),
            State::High => write!(f, "has {count} {} of {limit} ({percent} %)", self.meter),
            State::Exceeds => write!(f, "exceeds with {count} {} of {limit} ({percent} %)", self.meter),
        }
    }
}

/// What is remembered of a meter.
#[derive(Debug, Clone, Copy, Default)]
struct Watched {
    state: State,
    looks_above: u8,
    percent: u64,
    restarts: bool,
}

/// Watches the nodes of an app.
#[derive(Debug, Default)]
pub struct Watchdog {
    watched: BTreeMap<(Run, Meter), (Watched, Option<Finding>)>,
}

impl Watchdog {
    /// Takes what was counted of the instances that are there; what is not known of one stays as it was. Returns what has
    /// changed.
    pub fn look(&mut self, counted: &BTreeMap<Run, Counts>, settings: &AppSettings) -> Vec<Finding> {
        self.watched.retain(|(run, _), _| counted.contains_key(run));
        let mut findings = Vec::new();
        for (run, counts) in counted {
            for (meter, reading, restarts) in counts.readings(settings) {
                let (watched, last) = self.watched.entry((*run, meter)).or_default();
                let was = watched.state;
                watched.take(reading.percent(), restarts, &settings.watchdog);
                let finding = Finding { run: *run, meter, reading, state: watched.state };
                if watched.state != was {
                    findings.push(finding.clone());
                }
                *last = Some(finding);
            }
        }
        findings
    }

    /// The instance that most needs a restart now, with what it exceeds, where the settings want restarts; of several that are
    /// equally near to their end the oldest, so that one that has just been restarted comes last.
    pub fn worst(&self, settings: &WatchdogSettings) -> Option<&Finding> {
        if settings.action != WatchdogAction::Restart {
            return None;
        }
        let exceeding = self.watched.iter().filter(|(_, (it, _))| it.restarts && it.state == State::Exceeds);
        let worst = exceeding.max_by_key(|((run, _), (watched, _))| (watched.percent, Reverse(*run)));
        worst.and_then(|(_, (_, finding))| finding.as_ref())
    }

    /// Forgets everything: nobody looks any more.
    pub fn rest(&mut self) {
        self.watched.clear();
    }
}

impl Watched {
    fn take(&mut self, percent: u64, restarts: bool, settings: &WatchdogSettings) {
        let (warn, act) = (u64::from(settings.warn), u64::from(settings.act));
        self.percent = percent;
        self.restarts = restarts;
        self.looks_above = if percent >= act { self.looks_above.saturating_add(1) } else { 0 };
        let stays = |state: State, threshold: u64| self.state >= state && percent + SLACK > threshold;
        self.state = if self.looks_above >= LOOKS || stays(State::Exceeds, act) {
            State::Exceeds
        } else if percent >= warn || stays(State::High, warn) {
            State::High
        } else {
            State::Well
        };
    }
}

#[cfg(test)]
mod tests;
