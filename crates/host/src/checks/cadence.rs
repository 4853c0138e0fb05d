//! How long to wait between two attempts to find an instance ready.

use std::time::Duration;

use super::NotPassed;

/// First wait between two attempts while nothing answers yet.
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// Longest wait between two attempts while nothing answers yet.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Asks quickly until the instance first answers (or listens), then at the pace of the settings.
pub(super) struct Cadence {
    wait: Duration,
    retry_period: Duration,
    answered: bool,
}

impl Cadence {
    pub(super) fn new(retry_period: Duration) -> Self {
        Cadence { wait: FIRST_WAIT, retry_period, answered: false }
    }

    /// The pause after an attempt.
    pub(super) fn pause_after(&mut self, attempt: &NotPassed) -> Duration {
        self.answered |= matches!(attempt, NotPassed::Answered(_));
        if self.answered {
            return self.retry_period;
        }
        let pause = self.wait;
        self.wait = (self.wait * 3 / 2).min(LONGEST_WAIT);
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
        let pauses: Vec<Duration> = (0..20).map(|_| cadence.pause_after(&no_answer())).collect();
        assert_eq!(pauses[0], Duration::from_millis(5));
        assert!(pauses.is_sorted());
        assert_eq!(pauses[19], Duration::from_millis(250));
        let reaches = pauses.iter().take_while(|pause| **pause < LONGEST_WAIT).sum::<Duration>();
        assert!(reaches < Duration::from_secs(1), "the longest wait is reached within a second: {reaches:?}");
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
