//! The turned clock: the host's time at the start of a life and what has passed in its runtime, whose time is paused and
//! jumps to the next timer when every task waits.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

/// The host's time in one life of the daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TurnedClock {
    began_at: Timestamp,
    began: Instant,
}

/// The clock that a life's engine reads: it is set by this much against the host's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock {
    pub(crate) time: TurnedClock,
    pub(crate) set_by: SignedDuration,
}

impl engine::Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.time.now() + self.set_by
    }

    async fn sleep_until(&self, time: Timestamp) {
        let time = if time == Timestamp::MAX { time } else { time - self.set_by };
        self.time.sleep_until(time).await;
    }
}

impl TurnedClock {
    /// A clock that shows a time now; made inside of the life's runtime.
    pub(crate) fn new(began_at: Timestamp) -> Self {
        TurnedClock { began_at, began: Instant::now() }
    }
}

impl engine::Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).expect("a life is short");
        self.began_at.checked_add(passed).expect("a life is short")
    }

    async fn sleep_until(&self, time: Timestamp) {
        if time == Timestamp::MAX {
            return std::future::pending().await;
        }
        sleep(Duration::try_from(time.duration_since(self.now())).unwrap_or_default()).await;
    }
}
