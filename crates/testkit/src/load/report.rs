//! What became of a run.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::crash::{Crash, unix_ms};
use super::kind::Kind;
use super::loss::Loss;
use super::plan::Plan;
use super::tally::{Entries, KindEntries, Tally, VersionEntries, millis};

mod text;

/// What became of a run. Its `Display` is for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When the run began, in milliseconds since 1970.
    pub began_at_unix_ms: u64,
    /// How long it has lasted, in milliseconds.
    pub lasted_ms: u64,
    /// Scheduled requests a second, as planned.
    pub rate: u32,
    /// Scheduled requests that were due.
    pub due: u64,
    /// Of those, sent in time.
    pub in_time: u64,
    /// Of those, sent late.
    pub late: u64,
    /// Of those, not sent, because too much was under way.
    pub unsent: u64,
    /// Requests, messages, streams of events and WebSockets begun.
    pub sent: u64,
    /// Answered, or ended as they should.
    pub answered: u64,
    /// Answered with the application's own 5xx, where the plan takes that for no loss.
    pub app_errors: u64,
    /// Lost.
    pub lost: u64,
    /// In flight inside a process that crashed: not lost, known to whoever runs the load.
    pub in_crashes: u64,
    /// Connections that the other side reset while a request was under way, whether lost or sent again.
    pub resets: u64,
    /// Requests sent again, because a kept connection was closed before any byte of the answer.
    pub idle_close_retries: u64,
    /// Kept connections that the server closed while nothing was under way on them.
    pub idle_closes: u64,
    /// Connections made.
    pub connections: u64,
    /// Streams of events that the server ended properly.
    pub sse_ends: u64,
    /// Events that came.
    pub events: u64,
    /// WebSockets that the server ended with 1001 between messages.
    pub socket_ends: u64,
    /// Messages that met such a close on the way, and were sent again over a new WebSocket.
    pub crossed_closes: u64,
    /// Latency of all scheduled requests that were answered.
    pub latency: Latency,
    /// By kind.
    pub kinds: BTreeMap<Kind, KindReport>,
    /// By the version that answered.
    pub versions: BTreeMap<String, VersionReport>,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Losses by sort of fault, those of crashes included.
    pub faults: BTreeMap<String, u64>,
    /// The first losses, each in full.
    pub losses: Vec<Loss>,
    /// Those of them that were put down to crashes.
    pub crash_losses: Vec<Loss>,
}

/// How long answers took since they were due, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them at most.
    pub p50_us: u64,
    /// Nine in ten at most.
    pub p90_us: u64,
    /// 99 of 100 at most.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Requests of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindReport {
    /// Sent or begun.
    pub sent: u64,
    /// Answered, or ended as they should.
    pub answered: u64,
    /// The application's own 5xx.
    pub app_errors: u64,
    /// Lost.
    pub lost: u64,
    /// None for what lives long, and where nothing was answered.
    pub latency: Option<Latency>,
}

/// What one version did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionReport {
    /// Pages that it answered.
    pub answers: u64,
    /// Events that it sent.
    pub events: u64,
    /// Instances that answered: place and process.
    pub instances: Vec<String>,
    /// First seen, in milliseconds since the run began.
    pub first_ms: u64,
    /// Last seen.
    pub last_ms: u64,
}

/// The share of the schedule that must be sent in time for a run to say something.
const ENOUGH: f64 = 0.95;

impl Report {
    pub(super) fn new(plan: &Plan, tally: &Tally) -> Report {
        let entries = tally.entries();
        let lasted = entries.ended.unwrap_or_else(|| tally.elapsed());
        let sum = |of: fn(&KindEntries) -> u64| entries.kinds.values().map(of).sum();
        Report {
            began_at_unix_ms: unix_ms(tally.began_at()),
            lasted_ms: millis(lasted),
            rate: plan.rate,
            sent: sum(|kind| kind.sent),
            answered: sum(|kind| kind.answered),
            kinds: entries.kinds.iter().map(|(kind, each)| (*kind, KindReport::new(each))).collect(),
            versions: entries.versions.iter().map(|(name, each)| (name.clone(), each.into())).collect(),
            faults: entries.faults.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect(),
            latency: Latency::of(&entries.latency).unwrap_or_default(),
            ..Report::counted(entries)
        }
    }

    /// What is taken over as it is.
    fn counted(entries: Entries) -> Report {
        Report {
            due: entries.due,
            in_time: entries.in_time,
            late: entries.late,
            unsent: entries.unsent,
            app_errors: entries.app_errors,
            lost: entries.lost,
            resets: entries.resets,
            idle_close_retries: entries.idle_close_retries,
            idle_closes: entries.idle_closes,
            connections: entries.connections,
            sse_ends: entries.sse_ends,
            events: entries.events,
            socket_ends: entries.socket_ends,
            crossed_closes: entries.crossed_closes,
            statuses: entries.statuses,
            losses: entries.losses,
            ..Report::default()
        }
    }

    /// The share of what was due that was sent in time; 1 when nothing was due.
    #[must_use]
    pub fn share_in_time(&self) -> f64 {
        if self.due == 0 { 1.0 } else { self.in_time as f64 / self.due as f64 }
    }

    /// Whether enough of the schedule was sent in time for the run to say something.
    #[must_use]
    pub fn is_meaningful(&self) -> bool {
        self.share_in_time() >= ENOUGH
    }

    /// Sent, and neither answered nor lost: under way, and after the end of a run none.
    #[must_use]
    pub fn under_way(&self) -> u64 {
        self.sent - self.answered - self.app_errors - self.lost - self.in_crashes
    }

    /// Counts those losses apart that were in flight in a process which crashed then. Of losses that are not told in
    /// full nothing is known: they stay lost.
    #[must_use]
    pub fn with_crashes(mut self, crashes: &[Crash]) -> Report {
        let (explained, losses): (Vec<_>, Vec<_>) =
            self.losses.into_iter().partition(|loss| crashes.iter().any(|crash| crash.explains(loss)));
        self.losses = losses;
        for loss in &explained {
            self.lost -= 1;
            self.in_crashes += 1;
            self.resets -= u64::from(loss.fault.is_reset());
            if let Some(kind) = self.kinds.get_mut(&loss.kind) {
                kind.lost -= 1;
            }
        }
        self.crash_losses.extend(explained);
        self
    }

    /// # Panics
    /// Unless the run says something, every request is accounted for, and none is lost nor any connection reset. The
    /// message is the whole report.
    #[track_caller]
    pub fn assert_nothing_lost(&self) {
        assert!(self.is_meaningful(), "too little of the schedule was sent in time\n{self}");
        assert_eq!(self.under_way(), 0, "not every request is accounted for\n{self}");
        assert_eq!(self.lost, 0, "requests were lost\n{self}");
        assert_eq!(self.resets, 0, "connections were reset\n{self}");
    }
}

impl KindReport {
    fn new(entries: &KindEntries) -> KindReport {
        KindReport {
            sent: entries.sent,
            answered: entries.answered,
            app_errors: entries.app_errors,
            lost: entries.lost,
            latency: Latency::of(&entries.latency),
        }
    }
}

impl From<&VersionEntries> for VersionReport {
    fn from(entries: &VersionEntries) -> Self {
        VersionReport {
            answers: entries.answers,
            events: entries.events,
            instances: entries.instances.iter().cloned().collect(),
            first_ms: millis(entries.first),
            last_ms: millis(entries.last),
        }
    }
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Option<Latency> {
        (!histogram.is_empty()).then(|| Latency {
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
        })
    }
}
