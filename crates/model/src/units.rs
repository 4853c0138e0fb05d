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
