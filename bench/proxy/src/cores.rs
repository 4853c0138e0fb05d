//! The processors of this machine.

use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};

/// How many there are for us.
pub(crate) fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Keeps the calling thread on one of them. Where that is not allowed it runs anywhere, as the others do.
pub(crate) fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core % count());
    let _ = sched_setaffinity(None, &set);
}
