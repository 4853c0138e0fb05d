//! The books of a run: every request is entered when it is sent, and again when it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hdrhistogram::Histogram;

use super::crash::unix_ms;
use super::fault::Fault;
use super::kind::Kind;
use super::loss::{Connection, Loss};
use super::plan::Plan;
use super::schedule::Turn;

/// A request that was sent, and must be entered once more: answered or lost.
#[derive(Debug)]
#[must_use]
pub(super) struct Ticket {
    kind: Kind,
    /// Since the beginning.
    sent: Duration,
    /// What the latency is counted from: when it was due, so that a server that makes us wait is not flattered.
    from: Duration,
}

/// Who answered, as far as the answer says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answerer {
    pub(super) version: String,
    pub(super) instance: Option<String>,
}

/// Everything entered so far.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    pub(super) due: u64,
    pub(super) in_time: u64,
    pub(super) late: u64,
    pub(super) unsent: u64,
    pub(super) kinds: BTreeMap<Kind, KindEntries>,
    pub(super) versions: BTreeMap<String, VersionEntries>,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) lost: u64,
    pub(super) losses: Vec<Loss>,
    pub(super) app_errors: u64,
    pub(super) resets: u64,
    pub(super) connections: u64,
    pub(super) idle_closes: u64,
    pub(super) idle_close_retries: u64,
    pub(super) events: u64,
    pub(super) sse_ends: u64,
    pub(super) socket_ends: u64,
    pub(super) crossed_closes: u64,
    pub(super) latency: Histogram<u64>,
    pub(super) ended: Option<Duration>,
}

/// What was entered of one kind.
#[derive(Debug, Clone)]
pub(super) struct KindEntries {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) app_errors: u64,
    pub(super) lost: u64,
    pub(super) latency: Histogram<u64>,
}

/// What was seen of one version.
#[derive(Debug, Clone)]
pub(super) struct VersionEntries {
    pub(super) answers: u64,
    pub(super) events: u64,
    pub(super) instances: BTreeSet<String>,
    pub(super) first: Duration,
    pub(super) last: Duration,
}

/// The books, shared by all that send.
#[derive(Debug)]
pub(super) struct Tally {
    began: Instant,
    began_at: SystemTime,
    late_after: Duration,
    app_errors_are_no_loss: bool,
    losses_told: usize,
    entries: Mutex<Entries>,
}

impl Tally {
    pub(super) fn new(plan: &Plan) -> Tally {
        Tally {
            began: Instant::now(),
            began_at: SystemTime::now(),
            late_after: plan.late_after,
            app_errors_are_no_loss: plan.app_errors_are_no_loss,
            losses_told: plan.losses_told,
            entries: Mutex::new(Entries::new()),
        }
    }

    pub(super) fn began(&self) -> Instant {
        self.began
    }

    pub(super) fn began_at(&self) -> SystemTime {
        self.began_at
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn entries(&self) -> Entries {
        self.open().clone()
    }

    /// A scheduled request's time has come.
    pub(super) fn due(&self) {
        self.open().due += 1;
    }

    /// A scheduled request that could not be sent, because too much was under way.
    pub(super) fn unsent(&self) {
        self.open().unsent += 1;
    }

    /// A scheduled request is being sent.
    pub(super) fn sent(&self, turn: Turn) -> Ticket {
        let sent = self.elapsed();
        let mut entries = self.open();
        if sent.saturating_sub(turn.due) <= self.late_after {
            entries.in_time += 1;
        } else {
            entries.late += 1;
        }
        entries.kind(turn.kind).sent += 1;
        Ticket { kind: turn.kind, sent, from: turn.due }
    }

    /// Something that lives long has begun.
    pub(super) fn opened(&self, kind: Kind) -> Ticket {
        let sent = self.elapsed();
        self.open().kind(kind).sent += 1;
        Ticket { kind, sent, from: sent }
    }

    /// It was answered as it should.
    pub(super) fn answered(&self, ticket: Ticket, status: u16, by: Option<Answerer>) {
        let now = self.elapsed();
        let mut entries = self.open();
        *entries.statuses.entry(status).or_default() += 1;
        if let Some(by) = by {
            entries.version(&by, now).answers += 1;
        }
        let took = micros(now.saturating_sub(ticket.from));
        entries.latency.saturating_record(took);
        let kind = entries.kind(ticket.kind);
        kind.answered += 1;
        kind.latency.saturating_record(took);
    }

    /// Something that lived long has ended as it should.
    pub(super) fn closed(&self, ticket: Ticket) {
        self.open().kind(ticket.kind).answered += 1;
    }

    /// It was not: the application said so itself, or it is lost.
    pub(super) fn failed(&self, ticket: Ticket, sent: String, connection: Option<Connection>, fault: Fault) {
        let now = self.elapsed();
        let mut entries = self.open();
        if let Fault::Status { status } = fault {
            *entries.statuses.entry(status).or_default() += 1;
            if self.app_errors_are_no_loss && status >= 500 {
                entries.app_errors += 1;
                entries.kind(ticket.kind).app_errors += 1;
                return;
            }
        }
        if let Fault::Proxy { status, .. } = fault {
            *entries.statuses.entry(status).or_default() += 1;
        }
        entries.lost += 1;
        entries.resets += u64::from(fault.is_reset());
        *entries.faults.entry(fault.word()).or_default() += 1;
        entries.kind(ticket.kind).lost += 1;
        if entries.losses.len() < self.losses_told {
            entries.losses.push(Loss {
                sent_ms: millis(ticket.sent),
                lost_ms: millis(now),
                lost_at_unix_ms: unix_ms(self.began_at + now),
                kind: ticket.kind,
                sent,
                connection,
                fault,
            });
        }
    }

    /// An event came, from that version.
    pub(super) fn event(&self, version: &str) {
        let now = self.elapsed();
        let mut entries = self.open();
        entries.events += 1;
        let by = Answerer { version: version.to_owned(), instance: None };
        entries.version(&by, now).events += 1;
    }

    /// A connection was made; its number.
    pub(super) fn connected(&self) -> u64 {
        let mut entries = self.open();
        entries.connections += 1;
        entries.connections
    }

    /// Kept connections that the server had closed while nothing was under way on them.
    pub(super) fn idle_closes(&self, number: u64) {
        self.open().idle_closes += number;
    }

    /// A request is sent once more, because a kept connection was closed before any byte of the answer.
    pub(super) fn idle_close_retry(&self, was_reset: bool) {
        let mut entries = self.open();
        entries.idle_close_retries += 1;
        entries.resets += u64::from(was_reset);
    }

    /// A stream of events was ended by the server, properly.
    pub(super) fn sse_ended(&self) {
        self.open().sse_ends += 1;
    }

    /// A WebSocket was ended by the server, with 1001.
    pub(super) fn socket_ended(&self) {
        self.open().socket_ends += 1;
    }

    /// A message and a close frame with 1001 met on the way; the message is sent again.
    pub(super) fn crossed_close(&self) {
        self.open().crossed_closes += 1;
    }

    /// The run has ended.
    pub(super) fn end(&self) {
        let elapsed = self.elapsed();
        self.open().ended.get_or_insert(elapsed);
    }

    fn open(&self) -> MutexGuard<'_, Entries> {
        // a task that panicked between two entries leaves them whole enough to be told
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn new() -> Entries {
        Entries {
            due: 0,
            in_time: 0,
            late: 0,
            unsent: 0,
            kinds: BTreeMap::new(),
            versions: BTreeMap::new(),
            statuses: BTreeMap::new(),
            faults: BTreeMap::new(),
            lost: 0,
            losses: Vec::new(),
            app_errors: 0,
            resets: 0,
            connections: 0,
            idle_closes: 0,
            idle_close_retries: 0,
            events: 0,
            sse_ends: 0,
            socket_ends: 0,
            crossed_closes: 0,
            latency: histogram(),
            ended: None,
        }
    }

    fn kind(&mut self, kind: Kind) -> &mut KindEntries {
        self.kinds.entry(kind).or_insert_with(|| KindEntries {
            sent: 0,
            answered: 0,
            app_errors: 0,
            lost: 0,
            latency: histogram(),
        })
    }

    fn version(&mut self, by: &Answerer, now: Duration) -> &mut VersionEntries {
        let seen = self.versions.entry(by.version.clone()).or_insert_with(|| VersionEntries {
            answers: 0,
            events: 0,
            instances: BTreeSet::new(),
            first: now,
            last: now,
        });
        seen.last = now;
        if let Some(instance) = &by.instance {
            seen.instances.insert(instance.clone());
        }
        seen
    }
}

/// In microseconds, up to an hour, three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(3_600_000_000, 3).expect("three digits up to an hour are in its range")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
