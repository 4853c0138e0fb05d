//! Commands that are under way in this daemon, and those that an operator gave up.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::shim::ShimId;

/// Commands by the id of their runner; `H` is a handle of the runner.
///
/// Giving up is remembered, not only done: it may come before the runner is there, or while its connection is lost.
/// The one who runs the command asks at each step whether it was given up.
pub(super) struct Entries<H>(Mutex<HashMap<ShimId, Entry<H>>>);

struct Entry<H> {
    runner: Option<H>,
    given_up: bool,
}

impl<H> Default for Entry<H> {
    fn default() -> Self {
        Entry { runner: None, given_up: false }
    }
}

impl<H> Default for Entries<H> {
    fn default() -> Self {
        Entries(Mutex::default())
    }
}

impl<H: Clone> Entries<H> {
    fn with<R>(&self, work: impl FnOnce(&mut HashMap<ShimId, Entry<H>>) -> R) -> R {
        work(&mut self.0.lock().expect("nobody panics while holding it"))
    }

    /// Whether a command was given up.
    pub(super) fn is_given_up(&self, id: &ShimId) -> bool {
        self.with(|entries| entries.get(id).is_some_and(|entry| entry.given_up))
    }

    /// Its runner answers. Says whether the command was given up before this; who gives it up from now on gets the
    /// runner.
    pub(super) fn connected(&self, id: &ShimId, runner: &H) -> bool {
        self.with(|entries| {
            let entry = entries.entry(id.clone()).or_default();
            entry.runner = Some(runner.clone());
            entry.given_up
        })
    }

    /// Gives a command up, and returns its runner if that is there.
    pub(super) fn give_up(&self, id: &ShimId) -> Option<H> {
        self.with(|entries| {
            let entry = entries.entry(id.clone()).or_default();
            entry.given_up = true;
            entry.runner.clone()
        })
    }

    /// It has ended.
    pub(super) fn ended(&self, id: &ShimId) {
        self.with(|entries| entries.remove(id));
    }

    /// Drops those that have ended, given up too late to matter.
    pub(super) fn forget(&self, has_ended: impl Fn(&ShimId) -> bool) {
        self.with(|entries| entries.retain(|id, entry| entry.runner.is_some() || !has_ended(id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ShimId {
        ShimId::new("run-beacon-e7").unwrap()
    }

    #[test]
    fn giving_up_before_the_runner_is_there_is_remembered() {
        let entries = Entries::default();
        assert_eq!(entries.give_up(&id()), None::<u8>);
        assert!(entries.is_given_up(&id()));
        assert!(entries.connected(&id(), &1), "so it is not started");
        entries.ended(&id());
        assert!(!entries.is_given_up(&id()));
    }

    #[test]
    fn giving_up_afterwards_gets_the_runner_and_counts_for_the_next_connection() {
        let entries = Entries::default();
        assert!(!entries.connected(&id(), &1));
        assert_eq!(entries.give_up(&id()), Some(1));
        assert!(entries.connected(&id(), &2), "connected again, it is ended by whoever waits for it");
    }

    #[test]
    fn what_was_given_up_too_late_is_forgotten() {
        let entries = Entries::<u8>::default();
        entries.give_up(&id());
        entries.forget(|_| false);
        assert!(entries.is_given_up(&id()));
        entries.forget(|_| true);
        assert!(!entries.is_given_up(&id()));
    }
}
