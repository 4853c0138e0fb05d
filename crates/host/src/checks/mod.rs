//! Checks of running instances: readiness first, then health, for as long as the instance runs.
//!
//! A reconciler: it takes no orders but compares the checks that a snapshot wants with those that run, and tells
//! what they find as events. A daemon that starts anew therefore checks again without anything being remembered.

mod cadence;
mod confinement;
mod node;
mod probe;
mod watcher;

pub use confinement::Confinement;
pub use probe::{NotPassed, Probe, ProbeTarget};
pub use watcher::Checker;

#[cfg(test)]
mod tests;
