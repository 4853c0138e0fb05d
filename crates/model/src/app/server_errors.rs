//! Whether a version answers clearly more requests with 5xx than the one before it.

/// Responses of a version that the proxy counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Responses {
    /// All of them.
    pub all: u64,
    /// Those with a status of 500 to 599, and attempts that came to no response.
    pub errors: u64,
}

/// Fewer responses than these say nothing about a version.
const FEWEST_RESPONSES: u64 = 20;
/// Fewer errors than these roll nothing back.
const FEWEST_ERRORS: u64 = 5;
/// The share of errors must have risen by this much …
const RISE: f64 = 0.05;
/// … and to this many times what it was.
const TIMES: f64 = 2.0;
/// Where nothing is known of the old version this share must fail.
const SHARE_ALONE: f64 = 0.5;
/// How many standard deviations of the difference of two shares, were they equal, it must be away from zero. The
/// question is asked every second of the watch window, so chance gets many tries: 4 leaves it about 3 in 100,000 each.
const DEVIATIONS: f64 = 4.0;

impl Responses {
    fn share(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.errors.min(self.all) as f64 / self.all as f64 }
    }

    fn text(self) -> String {
        format!("{} of {} ({:.1} %)", self.errors.min(self.all), self.all, self.share() * 100.0)
    }
}

/// Compares what the old version answered before the switch with what the new one has answered since; gives the reason
/// for a rollback where the new one is clearly worse, with the numbers.
pub fn is_clearly_above(old: Responses, new: Responses) -> Option<String> {
    if new.all < FEWEST_RESPONSES || new.errors < FEWEST_ERRORS {
        return None;
    }
    let answers = format!("answers {} of its requests with 5xx", new.text());
    if old.all < FEWEST_RESPONSES {
        let is_bad = new.share() >= SHARE_ALONE;
        return is_bad.then(|| format!("it {answers}; the version before it had too few to compare"));
    }
    let rose = new.share() - old.share() >= RISE && new.share() >= TIMES * old.share();
    let is_chance = deviations(old, new) < DEVIATIONS;
    (rose && !is_chance).then(|| format!("it {answers}, the version before it {}", old.text()))
}

/// The difference of the two shares in standard deviations (two-proportion z-test, pooled).
fn deviations(old: Responses, new: Responses) -> f64 {
    let both = Responses { all: old.all + new.all, errors: old.errors + new.errors }.share();
    let variance = both * (1.0 - both) * (1.0 / old.all as f64 + 1.0 / new.all as f64);
    let difference = new.share() - old.share();
    if variance > 0.0 { difference / variance.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(old: (u64, u64), new: (u64, u64)) -> Option<String> {
        let responses = |(errors, all)| Responses { all, errors };
        is_clearly_above(responses(old), responses(new))
    }

    #[test]
    fn the_decision() {
        // (errors, all) of the old version, of the new one, whether it is rolled back
        let table = [
            ((0, 1000), (0, 1000), false),
            ((0, 1000), (4, 20), false), // fewer than 5 errors
            ((0, 1000), (9, 19), false), // fewer than 20 responses
            ((0, 1000), (5, 20), true),
            ((0, 1000), (5, 100), true),       // 5 %
            ((0, 1000), (49, 1000), false),    // 4.9 %
            ((0, 100_000), (49, 1000), false), // certain, and less than 5 points
            ((100, 1000), (100, 1000), false),
            ((100, 1000), (190, 1000), false), // less than twice
            ((100, 1000), (200, 1000), true),
            ((100, 1000), (5, 20), false), // 25 % against 10 %, but it may be chance
            ((100, 1000), (10, 20), true),
            ((600, 1000), (1000, 1000), false), // it was no better before
            ((400, 1000), (900, 1000), true),
            ((1, 20), (5, 20), false),
            ((0, 20), (20, 20), true),
            ((0, 0), (9, 20), false), // nothing to compare with: half of them
            ((0, 0), (10, 20), true),
            ((19, 19), (10, 20), true),
            ((20, 20), (20, 20), false),
            ((0, 0), (0, 0), false),
        ];
        for (old, new, rolls_back) in table {
            assert_eq!(verdict(old, new).is_some(), rolls_back, "{old:?} {new:?}: {:?}", verdict(old, new));
        }
    }

    #[test]
    fn the_reason_says_the_numbers() {
        assert_eq!(
            verdict((3, 1000), (120, 400)).as_deref(),
            Some(
                "it answers 120 of 400 (30.0 %) of its requests with 5xx, the version before it 3 of 1000 (0.3 %)"
            )
        );
        assert_eq!(
            verdict((0, 3), (30, 30)).as_deref(),
            Some(
                "it answers 30 of 30 (100.0 %) of its requests with 5xx; the version before it had too few to compare"
            )
        );
    }
}
