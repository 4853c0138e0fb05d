//! A route whose requests wait though instances are there.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A pause that an operator asked for. It ends by itself, whatever becomes of the daemon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    /// By the wall clock, for it is the daemon's word, and is read again after a restart. `None`: it has no end.
    until: Option<SystemTime>,
}

impl Pause {
    /// `until_ms` since 1970; 0: it has no end.
    pub(crate) fn new(until_ms: u64) -> Self {
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(until_ms));
        Self { until: until.filter(|_| until_ms != 0) }
    }

    /// Whether it is over.
    pub(crate) fn is_over(self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }

    /// When it is over; `None`: never.
    pub(crate) fn end(self) -> Option<Instant> {
        self.left().and_then(|left| Instant::now().checked_add(left))
    }

    fn left(self) -> Option<Duration> {
        self.until.map(|until| until.duration_since(SystemTime::now()).unwrap_or_default())
    }
}
