//! How long to wait between two attempts to find an instance ready.

use std::time::Duration;

use super::NotPassed;

/// Shortest wait between two attempts while nothing answers yet.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);

/// Longest wait between two attempts while nothing answers yet.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// A wait is this part of all waits before it: an instance is found ready at most a twentieth later than it was.
const PART: u32 = 20;

/// Asks quickly until the instance first answers (or listens), then at the pace of the settings.
pub(super) struct Cadence {
    waited: Duration,
    retry_period: Duration,
    answered: bool,
}

impl Cadence {
    pub(super) fn new(retry_period: Duration) -> Self {
        Cadence { waited: Duration::ZERO, retry_period, answered: false }
    }

    /// The pause after an attempt.
    pub(super) fn pause_after(&mut self, attempt: &NotPassed) -> Duration {
        self.answered |= matches!(attempt, NotPassed::Answered(_));
        if self.answered {
            return self.retry_period;
        }
        let pause = (self.waited / PART).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        self.waited += pause;
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_answer() -> NotPassed {
        NotPassed::NoAnswer("connection refused".into())
    }

    #[test]
    fn from_5_ms_to_250_ms_while_nothing_answers() {
        let mut cadence = Cadence::new(Duration::from_secs(5));
        let pauses: Vec<Duration> = (0..120).map(|_| cadence.pause_after(&no_answer())).collect();
        assert_eq!(pauses[0], Duration::from_millis(5));
        assert!(pauses.is_sorted());
        assert_eq!(pauses[119], Duration::from_millis(250));
        let reaches = pauses.iter().take_while(|pause| **pause < LONGEST_WAIT).sum::<Duration>();
        assert!(reaches <= Duration::from_millis(5_250), "the longest wait comes after 5 s: {reaches:?}");
    }

    #[test]
    fn a_boot_is_not_waited_for_much_longer_than_it_takes() {
        let mut cadence = Cadence::new(Duration::from_secs(5));
        let mut waited = Duration::ZERO;
        while waited < Duration::from_secs(4) {
            let pause = cadence.pause_after(&no_answer());
            assert!(pause <= Duration::from_millis(5).max(waited / 20), "{pause:?} after {waited:?}");
            waited += pause;
        }
    }

    #[test]
    fn the_retry_period_from_the_first_answer_on() {
        let period = Duration::from_secs(5);
        let mut cadence = Cadence::new(period);
        cadence.pause_after(&no_answer());
        assert_eq!(cadence.pause_after(&NotPassed::Answered("503".into())), period);
        assert_eq!(cadence.pause_after(&no_answer()), period);
    }
}
