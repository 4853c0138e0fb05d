//! Figures for people: `1.8 s`, `34 s`, `10 min 6 s`, `31.4 MB`. JSON has raw numbers instead.

use std::time::Duration;

/// A duration as people say it, with two figures of what matters.
pub fn duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let s = ms / 1000;
    match s {
        0 => format!("{ms} ms"),
        1..10 => format!("{}.{} s", s, ms % 1000 / 100),
        10..60 => format!("{s} s"),
        60..3600 => two((s / 60, "min"), (s % 60, "s")),
        3600..86_400 => two((s / 3600, "h"), (s % 3600 / 60, "min")),
        _ => two((s / 86_400, "d"), (s % 86_400 / 3600, "h")),
    }
}

fn two((large, large_unit): (u64, &str), (small, small_unit): (u64, &str)) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

/// A size as people say it, in powers of ten.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) if bytes < size * 100 => {
            format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size)
        }
        Some((size, unit)) => format!("{} {unit}", bytes / size),
        None => format!("{bytes} B"),
    }
}

/// The upper bound of a bucket of latencies, given in µs, as people say it; `u64::MAX` is beyond all bounds.
pub fn latency(us: u64) -> String {
    match us {
        u64::MAX => "longer than 10 s".to_owned(),
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 if us.is_multiple_of(1_000) => format!("{} ms", us / 1_000),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => format!("{} s", us / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let shown = |ms| duration(Duration::from_millis(ms));
        let all = [0, 999, 1000, 1870, 34_000, 60_000, 606_000, 7_260_000, 90_000_000].map(shown);
        assert_eq!(
            all,
            ["0 ms", "999 ms", "1.0 s", "1.8 s", "34 s", "1 min", "10 min 6 s", "2 h 1 min", "1 d 1 h"]
        );
    }

    #[test]
    fn latencies() {
        let all = [700, 1_500, 20_000, 1_000_000, u64::MAX].map(latency);
        assert_eq!(all, ["700 µs", "1.5 ms", "20 ms", "1 s", "longer than 10 s"]);
    }

    #[test]
    fn sizes() {
        let all = [0, 999, 1000, 31_450_000, 118_000_000, 2_500_000_000].map(bytes);
        assert_eq!(all, ["0 B", "999 B", "1.0 kB", "31.4 MB", "118 MB", "2.5 GB"]);
    }
}
