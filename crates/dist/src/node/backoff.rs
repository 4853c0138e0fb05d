//! How long to wait between two attempts.

use std::time::Duration;

/// Waits that double up to a limit, each off by up to a half, so that many who lost the same node do not come back at
/// once.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, next: shortest.min(longest) }
    }

    /// How long to wait now.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        wait.mul_f64(0.5 + fastrand::f64()).min(self.longest)
    }

    /// Begins anew.
    pub(super) fn reset(&mut self) {
        self.next = self.shortest.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_limit() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(1000));
        for middle in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next();
            assert!(
                wait >= ms(middle / 2) && wait <= ms(middle * 3 / 2).min(ms(1000)),
                "{wait:?} at {middle}"
            );
        }
        backoff.reset();
        assert!(backoff.next() <= ms(150));
    }
}
