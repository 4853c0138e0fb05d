//! The buckets of latency histograms.

/// Upper bounds of the buckets, in µs; one more bucket holds what is longer than the last.
pub const BOUNDS_US: [u64; 24] = [
    100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000,
    50_000, 70_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000, 5_000_000, 10_000_000,
];

/// The bucket of a latency in µs: an index into a histogram of `BOUNDS_US.len() + 1` counts.
pub fn bucket(us: u64) -> usize {
    BOUNDS_US.partition_point(|bound| *bound < us)
}

/// The upper bound, in µs, of the bucket in which the quantile lies (0.5, 0.99 …); `None` without counts, and where
/// it lies beyond the last bound.
pub fn quantile_us(counts: &[u64], quantile: f64) -> Option<u64> {
    let total: u64 = counts.iter().sum();
    let rank = (total as f64 * quantile).ceil() as u64;
    let mut seen = 0;
    let bucket = counts.iter().position(|count| {
        seen += count;
        total > 0 && seen >= rank.max(1)
    })?;
    BOUNDS_US.get(bucket).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_lies_at_or_below_its_bound() {
        assert_eq!([0, 100, 101, 10_000_000, 10_000_001].map(bucket), [0, 0, 1, 23, 24]);
    }

    #[test]
    fn quantiles() {
        let mut counts = [0; BOUNDS_US.len() + 1];
        assert_eq!(quantile_us(&counts, 0.5), None);
        counts[2] = 99;
        counts[24] = 1;
        assert_eq!(quantile_us(&counts, 0.5), Some(300));
        assert_eq!(quantile_us(&counts, 0.99), Some(300));
        assert_eq!(quantile_us(&counts, 1.0), None, "longer than any bound");
    }
}
