//! How many requests may be tried again: a few, so that retries do not finish off what is overloaded.

use std::cell::Cell;

/// Retries within a window: at most a fifth of its requests, and a few more.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    window: Cell<u64>,
    now: Cell<Counts>,
    before: Cell<Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    requests: u64,
    retries: u64,
}

/// Two of these are looked at: the current one and the one before.
const WINDOW_MS: u64 = 5_000;
const SHARE: u64 = 5;
const FLOOR: u64 = 10;

impl RetryBudget {
    /// A request came.
    pub(crate) fn request(&self, now: u64) {
        let counts = self.turn(now);
        self.now.set(Counts { requests: counts.requests + 1, ..counts });
    }

    /// Takes one retry out of the budget, if there is one.
    pub(crate) fn take(&self, now: u64) -> bool {
        let (counts, before) = (self.turn(now), self.before.get());
        let allowed = (counts.requests + before.requests) / SHARE + FLOOR;
        if counts.retries + before.retries >= allowed {
            return false;
        }
        self.now.set(Counts { retries: counts.retries + 1, ..counts });
        true
    }

    /// The counts of the window that `now` lies in.
    fn turn(&self, now: u64) -> Counts {
        let window = now / WINDOW_MS;
        let passed = window - self.window.replace(window).min(window);
        if passed > 0 {
            let last = self.now.take();
            self.before.set(if passed == 1 { last } else { Counts::default() });
        }
        self.now.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(budget: &RetryBudget, now: u64) -> usize {
        (0..1000).filter(|_| budget.take(now)).count()
    }

    #[test]
    fn a_fifth_of_the_requests_and_ten() {
        let budget = RetryBudget::default();
        assert_eq!(takes(&budget, 0), 10);
        (0..100).for_each(|_| budget.request(1));
        assert_eq!(takes(&budget, 2), 20);
    }

    #[test]
    fn it_is_filled_again_with_time() {
        let budget = RetryBudget::default();
        assert_eq!(takes(&budget, 0), 10);
        assert_eq!(takes(&budget, WINDOW_MS), 0, "the last window still counts");
        assert_eq!(takes(&budget, 2 * WINDOW_MS), 10);
        assert_eq!(takes(&budget, 9 * WINDOW_MS), 10);
    }
}
