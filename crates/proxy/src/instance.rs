//! What all cores share about an instance: how much of it is in flight, what was counted, how it is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::proxy::{BOUNDS_US, Counts};

/// Alone on its cache lines (two of them: x86 fetches pairs), so that cores do not disturb each other.
#[repr(align(128))]
#[derive(Debug, Default)]
pub(crate) struct Padded<T>(pub(crate) T);

/// An instance of an app, for as long as the proxy knows it: over all its runs and all tables.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) app: String,
    pub(crate) number: u64,
    /// Requests in flight on all cores: what least connections goes by, and what a drain waits for.
    in_flight: Padded<AtomicU64>,
    upgraded: AtomicU64,
    counts: Box<[Padded<CoreCounts>]>,
    /// What was ended in the drains before; only the control thread asks.
    settled: Mutex<Ended>,
}

/// What a drain has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    /// WebSockets, with 1001.
    pub(crate) websockets: u64,
    /// Endless answers, in order.
    pub(crate) streams: u64,
    /// Whatever was in flight at its end.
    pub(crate) cut: u64,
}

impl Instance {
    pub(crate) fn new(app: String, number: u64, cores: usize) -> Self {
        let counts = (0..cores).map(|_| Padded::default()).collect();
        Self {
            app,
            number,
            in_flight: Padded::default(),
            upgraded: AtomicU64::new(0),
            counts,
            settled: Mutex::default(),
        }
    }

    /// Requests in flight, upgraded connections included.
    pub(crate) fn in_flight(&self) -> u64 {
        // SeqCst, as the control thread compares it with acknowledgements that came another way.
        self.in_flight.0.load(Ordering::SeqCst)
    }

    pub(crate) fn begin(&self) {
        self.in_flight.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn end(&self) {
        self.in_flight.0.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn upgraded(&self) -> u64 {
        self.upgraded.load(Ordering::Relaxed)
    }

    pub(crate) fn begin_upgraded(&self) {
        self.upgraded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end_upgraded(&self) {
        self.upgraded.fetch_sub(1, Ordering::Relaxed);
    }

    /// The counts that only `core` writes.
    pub(crate) fn counts(&self, core: usize) -> &CoreCounts {
        &self.counts[core].0
    }

    /// What was ended while it drained, since it was known first.
    fn ended(&self) -> Ended {
        self.counts.iter().fold(Ended::default(), |sum, Padded(core)| Ended {
            websockets: sum.websockets + core.websockets_closed.get(),
            streams: sum.streams + core.streams_ended.get(),
            cut: sum.cut + core.cut.get(),
        })
    }

    /// What was ended since the last drain was settled.
    pub(crate) fn ended_in_this_drain(&self) -> Ended {
        let (all, before) = (self.ended(), *self.settled());
        Ended {
            websockets: all.websockets - before.websockets,
            streams: all.streams - before.streams,
            cut: all.cut - before.cut,
        }
    }

    /// A drain is over, or was called off: the next one begins to count at nothing.
    pub(crate) fn settle(&self) {
        *self.settled() = self.ended();
    }

    fn settled(&self) -> MutexGuard<'_, Ended> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sum over all cores.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts {
            statuses: vec![0; STATUSES],
            latency: vec![0; BOUNDS_US.len() + 1],
            ..Counts::default()
        };
        for Padded(core) in &self.counts {
            core.add_to(&mut total);
        }
        total
    }
}

/// 1xx to 5xx.
const STATUSES: usize = 5;

/// A count that one core writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds without a locked instruction: there is one writer.
    pub(crate) fn add(&self, number: u64) {
        self.0.store(self.0.load(Ordering::Relaxed) + number, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one core has counted of an instance.
#[derive(Debug, Default)]
pub(crate) struct CoreCounts {
    pub(crate) requests: Count,
    pub(crate) failed: Count,
    pub(crate) retried: Count,
    pub(crate) broken: Count,
    pub(crate) cut: Count,
    pub(crate) websockets_closed: Count,
    pub(crate) streams_ended: Count,
    pub(crate) bytes_in: Count,
    pub(crate) bytes_out: Count,
    statuses: [Count; STATUSES],
    latency: [Count; BOUNDS_US.len() + 1],
}

impl CoreCounts {
    /// A response's head has come, `us` µs after its request.
    pub(crate) fn answered(&self, status: u16, us: u64) {
        if let Some(count) = self.statuses.get(usize::from(status / 100).wrapping_sub(1)) {
            count.add(1);
        }
        self.latency[wire::proxy::bucket(us)].add(1);
    }

    fn add_to(&self, total: &mut Counts) {
        total.requests += self.requests.get();
        total.failed += self.failed.get();
        total.retried += self.retried.get();
        total.broken += self.broken.get();
        total.cut += self.cut.get();
        total.websockets_closed += self.websockets_closed.get();
        total.streams_ended += self.streams_ended.get();
        total.bytes_in += self.bytes_in.get();
        total.bytes_out += self.bytes_out.get();
        for (sum, count) in total.statuses.iter_mut().zip(&self.statuses) {
            *sum += count.get();
        }
        for (sum, count) in total.latency.iter_mut().zip(&self.latency) {
            *sum += count.get();
        }
    }
}

/// How a backend is, as far as choosing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Health {
    /// It gets traffic.
    Up = 0,
    /// It is there, but its checks or requests fail: none, unless all are so.
    Failing = 1,
    /// Nothing listens at its address: none.
    Refusing = 2,
}

/// One run of an instance at its address: what connections lead to.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) instance: Arc<Instance>,
    pub(crate) address: SocketAddr,
    pub(crate) run: u32,
    /// Unique within the process.
    pub(crate) uid: u64,
    health: AtomicU8,
}

impl Backend {
    pub(crate) fn new(instance: Arc<Instance>, address: SocketAddr, run: u32, uid: u64) -> Self {
        Self { instance, address, run, uid, health: AtomicU8::new(Health::Up as u8) }
    }

    pub(crate) fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Up,
            1 => Health::Failing,
            _ => Health::Refusing,
        }
    }

    /// Returns what it was before.
    pub(crate) fn set_health(&self, health: Health) -> Health {
        match self.health.swap(health as u8, Ordering::Relaxed) {
            0 => Health::Up,
            1 => Health::Failing,
            _ => Health::Refusing,
        }
    }
}
