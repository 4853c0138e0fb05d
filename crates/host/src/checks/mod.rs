//! Checks of running instances: readiness first, then health, for as long as the instance runs.
//!
//! A reconciler: it takes no orders but compares the checks that a snapshot wants with those that run, and tells
//! what they find as events. A daemon that starts anew therefore checks again without anything being remembered.

mod probe;
mod watcher;

pub use probe::{NotPassed, Probe, ProbeTarget};
pub use watcher::Checker;

use std::time::Duration;

/// First wait between two attempts while nothing answers yet.
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// Longest wait between two attempts while nothing answers yet.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
