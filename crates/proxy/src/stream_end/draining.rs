//! The time that a drain has.

use std::time::Duration;

use tokio::time::Instant;

/// A drain that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining {
    /// When it began.
    pub since: Instant,
    /// What is in flight after this is cut.
    pub within: Duration,
}

impl Draining {
    /// When what is left is cut.
    pub fn deadline(self) -> Instant {
        self.since + self.within
    }

    /// When a connection is asked to go: `share` of it, 0 to 1, lies in the first half of the drain, so that
    /// clients do not come back all at once, and each still has half of it to finish.
    pub fn moment(self, share: f64) -> Instant {
        self.since + self.within.mul_f64(share.clamp(0.0, 1.0) / 2.0)
    }

    /// A share at random. Without randomness all go at once.
    pub fn share() -> f64 {
        let random = getrandom::u32().unwrap_or(0);
        f64::from(random) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_lie_in_the_first_half() {
        let draining = Draining { since: Instant::now(), within: Duration::from_secs(30) };
        assert_eq!(draining.moment(0.0), draining.since);
        assert_eq!(draining.moment(1.0), draining.since + Duration::from_secs(15));
        assert_eq!(draining.moment(7.0), draining.since + Duration::from_secs(15));
        assert_eq!(draining.deadline(), draining.since + Duration::from_secs(30));
        let mut tenths = [0; 10];
        for _ in 0..1_000 {
            tenths[((Draining::share() * 10.0) as usize).min(9)] += 1;
        }
        // 100 each, give or take 9.5; 5 deviations are one failure in a million
        assert!(tenths.iter().all(|count| (50..=150).contains(count)), "spread evenly: {tenths:?}");
        let moment = draining.moment(Draining::share());
        assert!(draining.since <= moment && moment <= draining.since + Duration::from_secs(15));
    }
}
