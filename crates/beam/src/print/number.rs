//! Numbers as text.

use crate::term::BigInteger;

/// Integers up to this size are written in base 10: more takes time that grows with the square.
pub const MOST_DECIMAL_BITS: u64 = 1 << 16;

/// An integer; one that is too long is written in base 16 after this prefix.
pub(super) fn big(value: &BigInteger, prefix: &str) -> String {
    if value.bits() <= MOST_DECIMAL_BITS {
        return value.to_string();
    }
    let sign = if value.is_negative() { "-" } else { "" };
    format!("{sign}{prefix}{}", value.to_big_int().magnitude().to_str_radix(16).to_uppercase())
}

/// Beyond it (in both directions) integers that follow each other are not all floats.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// As `float_to_list(_, [short])`: the fewest digits that read back as the same, in the notation that is shorter,
/// but in the scientific one from 2^53.
pub(super) fn float(value: f64) -> String {
    // The shortest digits as `d.ddde-10`.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    let scientific = format!("{digits}{point}e{exponent}");
    // All digits with a point, never an exponent.
    let decimal = format!("{value}");
    let point = if decimal.contains('.') { "" } else { ".0" };
    let decimal = format!("{decimal}{point}");
    if value.abs() < LARGEST_EXACT && decimal.len() <= scientific.len() { decimal } else { scientific }
}

/// A float that is a whole number below 10^16, as Elixir writes it: with all digits.
pub(super) fn whole_float(value: f64) -> Option<String> {
    let magnitude = value.abs();
    ((1.0..1.0e16).contains(&magnitude) && value.fract() == 0.0).then(|| format!("{value:.1}"))
}
