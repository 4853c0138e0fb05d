//! How strongly what was counted speaks against a new version, compared with the old one over the same time.
//!
//! The test is a sequential likelihood ratio test. Time is cut into short stretches. In each, both versions answered
//! requests, and some of those were bad (an error; slower than a bound). Were the versions equal in that stretch, each
//! bad one would be the new version's with the share that it had of all requests; were the new one `ρ` times as bad,
//! with a larger share. The ratio of the two likelihoods is multiplied up over the stretches, and averaged over some `ρ`.
//! For a new version that is no worse it is a supermartingale that begins at 1, so by Ville's inequality the chance that
//! it *ever* reaches `1/α` is at most `α`: it may be looked at as often as one likes, and stretches in which both are
//! bad (a database is away) speak for neither. (Given the stretch's sums the number of the new version's bad requests
//! is hypergeometric; the binomial that is used here spreads more, so the bound holds, Hoeffding 1963, theorem 4.)

use serde::{Deserialize, Serialize};

/// How many times as bad as the old version the new one is supposed to be.
const RATIOS: [f64; 6] = [1.5, 2.0, 4.0, 8.0, 16.0, 32.0];

/// Logarithms are kept as whole numbers of this, so that a journalled state is read back exactly.
const NAT: f64 = 1e6;

/// Logarithms of the likelihood ratios, one for each of [`RATIOS`], in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Evidence([i64; RATIOS.len()]);

/// What one version answered in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// The bad ones among them.
    pub(super) bad: u64,
    /// All of them.
    pub(super) all: u64,
}

impl Evidence {
    /// Takes what both versions answered in the same stretch of time. Where one of them answered nothing, nothing is
    /// learned.
    pub(super) fn weigh(&mut self, old: Share, new: Share) {
        if old.all == 0 || new.all == 0 {
            return;
        }
        let (all_old, all_new) = (old.all as f64, new.all as f64);
        let equal = all_new / (all_new + all_old);
        for (sum, ratio) in self.0.iter_mut().zip(RATIOS) {
            let worse = ratio * all_new / (ratio * all_new + all_old);
            let of_new = new.bad.min(new.all) as f64 * (worse / equal).ln();
            let of_old = old.bad.min(old.all) as f64 * ((1.0 - worse) / (1.0 - equal)).ln();
            *sum = sum.saturating_add(((of_new + of_old) * NAT).round() as i64);
        }
    }

    /// Whether it is so strong that a version that is no worse would ever come there with a chance of `alpha` at most.
    pub(super) fn is_beyond(&self, alpha: f64) -> bool {
        self.logarithm() >= -alpha.ln()
    }

    /// The natural logarithm of the mean of the likelihood ratios.
    fn logarithm(&self) -> f64 {
        let all = self.0.map(|sum| sum as f64 / NAT);
        let most = all.iter().copied().fold(f64::MIN, f64::max);
        let mean = all.iter().map(|one| (one - most).exp()).sum::<f64>() / RATIOS.len() as f64;
        most + mean.ln()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(bad: u64, all: u64) -> Share {
        Share { bad, all }
    }

    fn after(stretches: &[(Share, Share)]) -> f64 {
        let mut evidence = Evidence::default();
        for (old, new) in stretches {
            evidence.weigh(*old, *new);
        }
        evidence.logarithm()
    }

    #[test]
    fn nothing_is_learned_from_nothing() {
        for stretch in
            [(share(0, 0), share(5, 5)), (share(5, 5), share(0, 0)), (share(0, 900), share(0, 100))]
        {
            assert!(after(&[stretch]).abs() < 1e-6, "{stretch:?}");
        }
    }

    #[test]
    fn errors_of_the_new_version_alone_weigh_most_where_it_gets_the_least() {
        let one_in_ten = after(&[(share(0, 900), share(3, 100))]);
        let half = after(&[(share(0, 500), share(3, 500))]);
        assert!(one_in_ten > 4.0 && half > 1.0 && one_in_ten > half, "{one_in_ten} {half}");
    }

    #[test]
    fn what_befalls_both_speaks_for_neither() {
        let away = after(&[(share(0, 900), share(0, 100)), (share(900, 900), share(100, 100))]);
        assert!(away < 0.0, "{away}");
        // The same sums, taken together, would look like a much worse version: it had more of the requests then.
        let shifted = [(share(1, 900), share(0, 100)), (share(90, 100), share(810, 900))];
        assert!(after(&shifted) < 0.0, "{}", after(&shifted));
    }

    /// Binomial chances of `bad` among `all`.
    fn chance(bad: u64, all: u64, rate: f64) -> f64 {
        let ways = (0..bad).fold(1.0, |ways, it| ways * (all - it) as f64 / (bad - it) as f64);
        ways * rate.powf(bad as f64) * (1.0 - rate).powf((all - bad) as f64)
    }

    proptest! {
        /// The expectation of the likelihood ratio of one stretch is at most 1 where the new version is no worse.
        #[test]
        fn it_is_a_supermartingale(old in 1u64..12, new in 1u64..12, rate in 0.01f64..0.6, better in 0.0f64..1.0) {
            let mut mean = 0.0;
            for (bad_old, bad_new) in (0..=old).flat_map(|a| (0..=new).map(move |b| (a, b))) {
                let likely = chance(bad_old, old, rate) * chance(bad_new, new, rate * better);
                mean += likely * after(&[(share(bad_old, old), share(bad_new, new))]).exp();
            }
            prop_assert!(mean <= 1.0 + 1e-5, "{mean}");
        }
    }
}
