//! How often we show that we live, and how long the peer may be silent (OTP, kernel, `net_ticktime`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// OTP's default, which holds until the node told us its own.
const DEFAULT_TICKTIME: Duration = Duration::from_secs(60);
/// Until the node told us its ticktime, which may be short.
const FIRST_TICK: Duration = Duration::from_secs(1);
/// What a node may say.
const TICKTIMES: std::ops::RangeInclusive<u64> = 1..=24 * 3600;

/// Of one connection.
#[derive(Debug)]
pub(crate) struct Pace {
    tick_ms: AtomicU64,
    silence_ms: AtomicU64,
}

impl Default for Pace {
    fn default() -> Self {
        let pace = Self { tick_ms: AtomicU64::new(0), silence_ms: AtomicU64::new(0) };
        pace.set(DEFAULT_TICKTIME.as_secs());
        pace.tick_ms.store(FIRST_TICK.as_millis() as u64, Ordering::Relaxed);
        pace
    }
}

impl Pace {
    /// Follows the node's ticktime.
    pub(crate) fn set(&self, ticktime_secs: u64) {
        let ticktime_ms = ticktime_secs.clamp(*TICKTIMES.start(), *TICKTIMES.end()) * 1000;
        // a node drops who is silent for its ticktime, give or take a quarter, and ticks four times in it
        self.tick_ms.store(ticktime_ms / 4, Ordering::Relaxed);
        self.silence_ms.store(ticktime_ms + ticktime_ms / 4, Ordering::Relaxed);
    }

    /// How long we may write nothing.
    pub(crate) fn tick(&self) -> Duration {
        Duration::from_millis(self.tick_ms.load(Ordering::Relaxed))
    }

    /// How long the peer may write, or take, nothing.
    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_nodes() {
        let pace = Pace::default();
        assert_eq!((pace.tick(), pace.silence()), (FIRST_TICK, Duration::from_secs(75)));
        pace.set(4);
        assert_eq!((pace.tick(), pace.silence()), (Duration::from_secs(1), Duration::from_secs(5)));
        pace.set(0);
        assert!(pace.tick() > Duration::ZERO);
    }
}
