//! The two clocks: one for people, one for waiting.

use rustix::time::{ClockId, clock_gettime};

/// Wall time, ms since 1970.
pub(crate) fn wall_ms() -> u64 {
    read(ClockId::Realtime)
}

/// ms since boot, suspended time included: never set back.
pub(crate) fn since_boot_ms() -> u64 {
    read(ClockId::Boottime)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}
