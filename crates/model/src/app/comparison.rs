//! Whether a new version that gets a share of the requests does worse than the old one. A pure function of what the
//! proxy counted of both over the same time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Share};
use crate::human;

/// The chance that a version that is no worse than the old one is ever found to be, in a whole canary, is at most this;
/// half of it for errors, half for latency. See [`alpha`].
const ALPHA: f64 = 0.01;
/// Fewer errors than these abort nothing: one client that tries again and again is not a bad version.
const FEWEST_ERRORS: u64 = 5;
/// The share of errors must be higher by this much …
const RISE: f64 = 0.002;
/// … and be this many times the old version's.
const TIMES: f64 = 1.5;
/// An old version with this share of errors is bad itself: then a new one that is as bad says nothing …
const BAD: f64 = 0.05;
/// … and is only aborted for this many times the old one's share.
const TIMES_BAD: f64 = 4.0;
/// A p95 that is higher by less than this many µs is no difference, whatever the ratio.
const LEAST_SLOWER_US: u64 = 5_000;
/// The quantile of the latency that is compared.
const QUANTILE: f64 = 0.95;

/// What the proxy counted of one version in a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Responses, and attempts that came to none.
    pub requests: u64,
    /// Those with a status of 500 to 599, and attempts that came to no response.
    pub errors: u64,
    /// Responses by the time to their head: how many took at most so many µs and longer than the bound before;
    /// `u64::MAX`: longer than all bounds.
    #[serde(with = "pairs")]
    pub latency: BTreeMap<u64, u64>,
}

/// By which rules two versions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Fewest requests of each version.
    pub minimum_requests: u64,
    /// The new version's p95 may be this many percent above the old one's.
    pub latency_margin: u32,
}

/// What both versions answered in one window, and how strongly it speaks against the new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// What the old version answered.
    pub old: Counted,
    /// What the new version answered in the same time.
    pub new: Counted,
    errors: Evidence,
    slowness: Evidence,
}

/// What a comparison comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// One of them has had too few requests to tell.
    TooFew,
    /// Both answer so many errors that nothing can be said.
    BothBad,
    /// The new one does clearly worse.
    Worse {
        /// In what, with the numbers.
        reason: String,
    },
    /// The new one does not do clearly worse.
    NoWorse,
}

impl Counted {
    /// Adds what was counted in another stretch of time.
    pub fn add(&mut self, more: &Counted) {
        self.requests = self.requests.saturating_add(more.requests);
        self.errors = self.errors.saturating_add(more.errors);
        for (bound, count) in &more.latency {
            let sum = self.latency.entry(*bound).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// The share of errors, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { self.errors.min(self.requests) as f64 / self.requests as f64 }
    }

    /// The bound, in µs, below which 95 of 100 responses came; `None` without responses.
    pub fn p95_us(&self) -> Option<u64> {
        let rank = (self.responses() as f64 * QUANTILE).ceil() as u64;
        let mut seen = 0u64;
        self.latency.iter().filter(|(_, count)| **count > 0).map(|(bound, count)| (*bound, *count)).find_map(
            |(bound, count)| {
                seen = seen.saturating_add(count);
                (seen >= rank).then_some(bound)
            },
        )
    }

    fn responses(&self) -> u64 {
        self.latency.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn slower_than(&self, bound: u64) -> Share {
        let slower = self.latency.iter().filter(|(it, _)| **it > bound);
        Share { bad: slower.fold(0, |sum, (_, count)| sum.saturating_add(*count)), all: self.responses() }
    }

    fn failed(&self) -> Share {
        Share { bad: self.errors, all: self.requests }
    }

    fn text(&self) -> String {
        format!("{} of {} ({:.2} %)", self.errors.min(self.requests), self.requests, self.share() * 100.0)
    }
}

/// The chance of a wrong abort that a window may spend, for errors and for latency each. All of them together, however
/// many windows a canary has, spend [`ALPHA`]: 1/(1·2) + 1/(2·3) + 1/(3·4) + … = 1.
fn alpha(window: u32) -> f64 {
    ALPHA / 2.0 / (f64::from(window) * (f64::from(window) + 1.0))
}

impl Comparison {
    /// Takes what both answered in one stretch of time.
    pub fn add(&mut self, old: &Counted, new: &Counted, rules: Rules) {
        // The bound comes from what was known before the stretch, so that the test holds.
        if let Some(bound) = self.slow_beyond(rules) {
            self.slowness.weigh(old.slower_than(bound), new.slower_than(bound));
        }
        self.errors.weigh(old.failed(), new.failed());
        self.old.add(old);
        self.new.add(new);
    }

    /// What is slow, in µs: above the old version's p95 with the margin.
    fn slow_beyond(&self, rules: Rules) -> Option<u64> {
        let p95 = self.old.p95_us().filter(|p95| *p95 != u64::MAX)?;
        let with_margin = p95.saturating_add(p95.saturating_mul(rules.latency_margin.into()) / 100);
        Some(with_margin.max(p95.saturating_add(LEAST_SLOWER_US)))
    }

    /// What it comes to in the window with this number, from 1.
    pub fn finding(&self, rules: Rules, window: u32) -> Finding {
        if self.old.requests.min(self.new.requests) < rules.minimum_requests {
            return Finding::TooFew;
        }
        let alpha = alpha(window.max(1));
        let is_bad = self.old.share() >= BAD;
        let times = if is_bad { TIMES_BAD } else { TIMES };
        if self.fails_more(times) && self.errors.is_beyond(alpha) {
            let (old, new) = (self.old.text(), self.new.text());
            let reason = format!("it answers {new} of its requests with 5xx, the old version {old}");
            return Finding::Worse { reason };
        }
        if is_bad && self.new.share() >= BAD {
            return Finding::BothBad;
        }
        match self.slower(rules) {
            Some(reason) if self.slowness.is_beyond(alpha) => Finding::Worse { reason },
            _ => Finding::NoWorse,
        }
    }

    fn fails_more(&self, times: f64) -> bool {
        let (old, new) = (self.old.share(), self.new.share());
        self.new.errors >= FEWEST_ERRORS && new - old >= RISE && new >= times * old
    }

    fn slower(&self, rules: Rules) -> Option<String> {
        let (bound, old, new) = (self.slow_beyond(rules)?, self.old.p95_us()?, self.new.p95_us()?);
        (new > bound).then(|| {
            let margin = rules.latency_margin;
            format!(
                "95 of 100 of its responses come within {}, of the old version's within {} ({margin} % more would be allowed)",
                human::latency(new),
                human::latency(old)
            )
        })
    }
}

/// Numbers cannot be keys of JSON's objects.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<u64, u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u64, u64>, D::Error> {
        Ok(Vec::<(u64, u64)>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { minimum_requests: 50, latency_margin: 50 };

    fn counted(errors: u64, requests: u64, latency: &[(u64, u64)]) -> Counted {
        Counted { requests, errors, latency: latency.iter().copied().collect() }
    }

    /// What comes of twenty stretches that are all like this one.
    fn finding(old: &Counted, new: &Counted) -> Finding {
        let mut comparison = Comparison::default();
        for _ in 0..20 {
            comparison.add(old, new, RULES);
        }
        comparison.finding(RULES, 1)
    }

    fn word(finding: &Finding) -> &'static str {
        match finding {
            Finding::TooFew => "too few",
            Finding::BothBad => "both bad",
            Finding::Worse { .. } => "worse",
            Finding::NoWorse => "no worse",
        }
    }

    #[test]
    fn errors() {
        // (errors, requests) of the old version and of the new one in each of twenty stretches
        for (old, new, expected) in [
            ((0, 100), (0, 2), "too few"),
            ((0, 2), (2, 100), "too few"),
            ((0, 0), (0, 0), "too few"),
            ((0, 100), (0, 100), "no worse"),
            ((1, 1000), (2, 100), "worse"),
            ((1, 1000), (1, 1000), "no worse"),
            ((2, 1000), (1, 1000), "no worse"),
            ((0, 10_000), (1, 1000), "no worse"), // certain, and less than 0.2 points
            ((40, 1000), (50, 1000), "no worse"), // less than 1.5 times
            ((500, 1000), (50, 100), "both bad"),
            ((60, 1000), (60, 1000), "both bad"),
            ((500, 1000), (1000, 1000), "both bad"), // less than 4 times what is bad itself
            ((60, 1000), (900, 1000), "worse"),
            ((60, 1000), (1, 1000), "no worse"), // it mends what is bad
        ] {
            let responses = |(errors, requests)| counted(errors, requests, &[]);
            assert_eq!(word(&finding(&responses(old), &responses(new))), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn latency() {
        const OLD: &[(u64, u64)] = &[(20_000, 95), (50_000, 5)];
        for (new, expected) in [
            (&[(20_000u64, 95u64), (50_000, 5)][..], "no worse"),
            (&[(30_000, 100)], "no worse"), // half as much again
            (&[(20_000, 80), (50_000, 20)], "worse"),
            (&[(20_000, 80), (u64::MAX, 20)], "worse"),
            (&[(20_000, 96), (u64::MAX, 4)], "no worse"), // by p95 it is not
            (&[(100, 100)], "no worse"),
        ] {
            let found = finding(&counted(0, 100, OLD), &counted(0, 100, new));
            assert_eq!(word(&found), expected, "{new:?}");
        }
        let quick = counted(0, 100, &[(300, 100)]);
        let found = finding(&quick, &counted(0, 100, &[(5_000, 100)]));
        assert_eq!(word(&found), "no worse", "less than 5 ms is no difference");
    }

    #[test]
    fn the_reason_says_the_numbers() {
        let found = finding(&counted(1, 1000, &[]), &counted(2, 100, &[]));
        let reason =
            "it answers 40 of 2000 (2.00 %) of its requests with 5xx, the old version 20 of 20000 (0.10 %)";
        assert_eq!(found, Finding::Worse { reason: reason.into() });
        let found = finding(&counted(0, 100, &[(20_000, 100)]), &counted(0, 100, &[(200_000, 100)]));
        let reason = "95 of 100 of its responses come within 200 ms, of the old version's within 20 ms (50 % more would be allowed)";
        assert_eq!(found, Finding::Worse { reason: reason.into() });
    }

    #[test]
    fn it_is_journalled_as_it_is() {
        let mut comparison = Comparison::default();
        comparison.add(&counted(1, 333, &[(700, 330), (u64::MAX, 2)]), &counted(7, 99, &[(500, 92)]), RULES);
        comparison.add(&counted(1, 333, &[(700, 330), (u64::MAX, 2)]), &counted(7, 99, &[(500, 92)]), RULES);
        let json = serde_json::to_string(&comparison).unwrap();
        assert_eq!(serde_json::from_str::<Comparison>(&json).unwrap(), comparison);
    }

    /// Numbers from a seed, evenly between 0 and 1 (splitmix64).
    struct Dice(u64);

    impl Dice {
        fn throw(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
        }

        /// What a version answers within a second: so many requests, each an error or slow with these chances.
        fn second(&mut self, requests: f64, errors: f64, slow: f64) -> Counted {
            let mut counted = Counted::default();
            let requests = requests as u64 + u64::from(self.throw() < requests.fract());
            for _ in 0..requests {
                let bound = if self.throw() < slow { 200_000 } else { 20_000 };
                let one = Counted {
                    requests: 1,
                    errors: u64::from(self.throw() < errors),
                    latency: [(bound, 1)].into(),
                };
                counted.add(&one);
            }
            counted
        }
    }

    /// A canary that is looked at every second.
    #[derive(Clone, Copy)]
    struct Trial {
        /// All requests of a second.
        rate: f64,
        /// The new version's part of them.
        share: f64,
        /// Shares of errors and of slow ones: old, new.
        errors: (f64, f64),
        slow: (f64, f64),
        windows: u32,
        seconds: u32,
    }

    impl Trial {
        /// The second, counted over all windows, in which the new version is found to be worse.
        fn run(self, seed: u64) -> Option<u32> {
            let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
            (1..=self.windows).find_map(|window| {
                let mut comparison = Comparison::default();
                (1..=self.seconds).find_map(|second| {
                    let old = dice.second(self.rate * (1.0 - self.share), self.errors.0, self.slow.0);
                    let new = dice.second(self.rate * self.share, self.errors.1, self.slow.1);
                    comparison.add(&old, &new, RULES);
                    let is_worse = matches!(comparison.finding(RULES, window), Finding::Worse { .. });
                    is_worse.then_some((window - 1) * self.seconds + second)
                })
            })
        }

        /// How many of 100 canaries find it to be worse within so many seconds.
        fn found_within(self, seconds: u32) -> usize {
            (0..100).filter(|seed| self.run(*seed).is_some_and(|second| second <= seconds)).count()
        }
    }

    const EQUAL: Trial = Trial {
        rate: 100.0,
        share: 0.1,
        errors: (0.001, 0.001),
        slow: (0.04, 0.04),
        windows: 3,
        seconds: 60,
    };

    #[test]
    fn what_is_equal_is_seldom_found_to_be_worse_however_often_one_looks() {
        for trial in [
            EQUAL,
            Trial { errors: (0.03, 0.03), share: 0.5, ..EQUAL },
            Trial { errors: (0.01, 0.01), rate: 20.0, share: 0.25, ..EQUAL },
            Trial { slow: (0.05, 0.05), share: 0.5, ..EQUAL }, // p95 falls on either side of the bound
        ] {
            let wrong = trial.found_within(u32::MAX);
            assert!(wrong <= 1, "{wrong} of 100 with {:?} of {} a second", trial.errors, trial.rate);
        }
    }

    #[test]
    fn two_percent_of_errors_against_a_tenth_are_found_soon() {
        let bad = Trial { errors: (0.001, 0.02), windows: 1, seconds: 600, ..EQUAL };
        for (rate, share, within) in
            [(100.0, 0.05, 150), (100.0, 0.25, 60), (200.0, 0.5, 20), (1000.0, 0.05, 20), (20.0, 0.5, 180)]
        {
            let found = Trial { rate, share, ..bad }.found_within(within);
            assert!(found >= 98, "{found} of 100 within {within} s: {rate} a second, {share} of them");
        }
    }

    #[test]
    fn a_tenth_of_slow_responses_more_is_found_soon() {
        let slow = Trial { slow: (0.01, 0.11), share: 0.25, windows: 1, seconds: 120, ..EQUAL };
        let found = slow.found_within(60);
        assert!(found >= 97, "{found} of 100");
    }
}
