//! Something that instances wait for until the test opens it.

use std::sync::{Arc, Condvar, Mutex};

use crate::rig::DEADLINE;

/// Closed at first.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open.
    pub(crate) fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        let (_open, waited) = self.0.1.wait_timeout_while(closed, DEADLINE, |open| !*open).unwrap();
        assert!(!waited.timed_out(), "the test did not open the gate");
    }
}
