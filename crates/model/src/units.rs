//! Durations and sizes as people write them (`"30 s"`, `"64 MiB"`) and as we store them (ms and bytes).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is not a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUnit {
    /// A number stands alone.
    #[error("{0} has no unit")]
    NoUnit(String),
    /// A unit that is none of ours.
    #[error("{0:?} is not a unit")]
    UnknownUnit(String),
    /// Not even a number.
    #[error("{0:?} is not {1}")]
    NotANumber(String, &'static str),
    /// More than we can count.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

const MS: u64 = 1;
const SECOND: u64 = 1000 * MS;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Every spelling of a unit of time that is understood, with its length in milliseconds.
const TIME_UNITS: &[(&str, u64)] = &[
    ("ms", MS),
    ("s", SECOND),
    ("sec", SECOND),
    ("second", SECOND),
    ("seconds", SECOND),
    ("m", MINUTE),
    ("min", MINUTE),
    ("minute", MINUTE),
    ("minutes", MINUTE),
    ("h", HOUR),
    ("hour", HOUR),
    ("hours", HOUR),
    ("d", DAY),
    ("day", DAY),
    ("days", DAY),
];

/// Reads `"30 s"`, `"250ms"`, `"1 h 30 min"`: whole numbers, each with its unit.
pub fn parse_duration(text: &str) -> Result<Duration, BadUnit> {
    let not_one = || BadUnit::NotANumber(text.to_owned(), "a duration");
    let too_large = || BadUnit::TooLarge(text.to_owned());
    let mut rest = text.trim();
    let mut ms: u64 = 0;
    if rest.is_empty() {
        return Err(not_one());
    }
    while !rest.is_empty() {
        let (digits, after) = split_where(rest, |c| !c.is_ascii_digit());
        if digits.is_empty() {
            return Err(not_one());
        }
        let (unit, after) = split_where(after.trim_start(), |c| !c.is_alphabetic());
        if unit.is_empty() {
            return Err(if after.is_empty() { BadUnit::NoUnit(digits.to_owned()) } else { not_one() });
        }
        let (_, unit_ms) = TIME_UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| BadUnit::UnknownUnit(unit.to_owned()))?;
        let number: u64 = digits.parse().map_err(|_| too_large())?;
        ms = number.checked_mul(*unit_ms).and_then(|part| ms.checked_add(part)).ok_or_else(too_large)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(ms))
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

/// Writes a duration in the largest unit that holds it without a remainder: `"90 s"`, `"10 min"`.
pub fn format_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, length) = [("days", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND)]
        .into_iter()
        .find(|(_, length)| ms >= *length && ms % length == 0)
        .unwrap_or(if ms == 0 { ("s", SECOND) } else { ("ms", MS) });
    let unit = if (unit, ms) == ("days", DAY) { "day" } else { unit };
    format!("{} {unit}", ms / length)
}

/// `#[serde(with = "units::millis")]`: a [`Duration`] as a whole number of milliseconds.
pub mod millis {
    use super::{Deserialize, Duration};

    /// Writes the duration in milliseconds.
    pub fn serialize<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads milliseconds.
    pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// A number of bytes; text is `"10 MB"` (10⁷) or `"64 MiB"` (2²⁶), JSON the plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Size(pub u64);

impl Size {
    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let (digits, unit) = split_where(text.trim(), |c| !c.is_ascii_digit());
        if digits.is_empty() {
            return Err(BadUnit::NotANumber(text.to_owned(), "a size"));
        }
        let unit = unit.trim_start();
        if unit.is_empty() {
            return Err(BadUnit::NoUnit(digits.to_owned()));
        }
        let number: u64 = digits.parse().map_err(|_| BadUnit::TooLarge(text.to_owned()))?;
        let unit_bytes =
            unit.parse::<bytesize::Unit>().map_err(|_| BadUnit::UnknownUnit(unit.to_owned()))? * 1u64;
        number.checked_mul(unit_bytes).map(Size).ok_or_else(|| BadUnit::TooLarge(text.to_owned()))
    }
}

impl fmt::Display for Size {
    /// The largest unit that holds it without a remainder.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 8] = [
            ("TiB", 1 << 40),
            ("TB", 1_000_000_000_000),
            ("GiB", 1 << 30),
            ("GB", 1_000_000_000),
            ("MiB", 1 << 20),
            ("MB", 1_000_000),
            ("KiB", 1 << 10),
            ("kB", 1000),
        ];
        let (unit, bytes) = UNITS
            .into_iter()
            .find(|(_, bytes)| self.0 >= *bytes && self.0.is_multiple_of(*bytes))
            .unwrap_or(("B", 1));
        f.pad(&format!("{} {unit}", self.0 / bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        let fine = [
            ("30 s", 30_000),
            ("250ms", 250),
            (" 1 h 30 min ", 5_400_000),
            ("7 days", 604_800_000),
            ("0 s", 0),
        ];
        for (text, ms) in fine {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        let no_unit = |number: &str| BadUnit::NoUnit(number.to_owned());
        assert_eq!(parse_duration("30"), Err(no_unit("30")));
        assert_eq!(parse_duration("5 min 3"), Err(no_unit("3")));
        assert_eq!(parse_duration("3 weeks"), Err(BadUnit::UnknownUnit("weeks".to_owned())));
        for text in ["", "s", "-1 s", "1.5 s", "1 s,"] {
            assert!(matches!(parse_duration(text), Err(BadUnit::NotANumber(..))), "{text}");
        }
        for text in ["99999999999999999999 s", "18446744073709551615 h"] {
            assert_eq!(parse_duration(text), Err(BadUnit::TooLarge(text.to_owned())));
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in
            [("10 MB", 10_000_000), ("64MiB", 67_108_864), ("0 B", 0), ("1 kB", 1000), ("2 GiB", 1 << 31)]
        {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        assert_eq!("10".parse::<Size>(), Err(BadUnit::NoUnit("10".to_owned())));
        assert_eq!("10 lots".parse::<Size>(), Err(BadUnit::UnknownUnit("lots".to_owned())));
        assert!(matches!("much".parse::<Size>(), Err(BadUnit::NotANumber(..))));
        assert!(matches!("18446744073709551615 MB".parse::<Size>(), Err(BadUnit::TooLarge(_))));
    }

    proptest! {
        #[test]
        fn durations_read_back(ms in 0u64..=u64::MAX) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn sizes_read_back(bytes in any::<u64>(), zeros in 0u32..40) {
            let size = Size(bytes.checked_shl(zeros).unwrap_or(bytes));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9]{0,3}\\PC{0,12}") {
            let _ = (parse_duration(&text), text.parse::<Size>());
        }
    }
}
