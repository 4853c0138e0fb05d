//! Integers that do not fit in 64 bits.

use std::fmt;

use num_bigint::{BigInt, Sign};

use super::{Items, Term};

/// An integer that does not fit in an `i64`. It takes the memory of its digits: most are never calculated with, for which
/// [`BigInteger::to_big_int`] is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BigInteger {
    /// 1 when it is negative, else 0; then its magnitude, the lowest byte first and the highest not 0.
    bytes: Items<u8>,
}

impl BigInteger {
    /// Whether it is below 0.
    pub fn is_negative(&self) -> bool {
        self.bytes.first() == Some(&1)
    }

    /// Its magnitude, the lowest byte first; the highest is not 0.
    pub fn digits(&self) -> &[u8] {
        self.bytes.get(1..).unwrap_or_default()
    }

    /// How many bits its magnitude has.
    pub fn bits(&self) -> u64 {
        let digits = self.digits();
        let unused = digits.last().map_or(0, |highest| highest.leading_zeros());
        // A slice has fewer than 2^61 bytes.
        digits.len() as u64 * 8 - u64::from(unused)
    }

    /// The number.
    pub fn to_big_int(&self) -> BigInt {
        BigInt::from_bytes_le(if self.is_negative() { Sign::Minus } else { Sign::Plus }, self.digits())
    }
}

impl Term {
    /// The integer of this magnitude, whose lowest byte comes first.
    pub(crate) fn integer_of_digits(is_negative: bool, digits: &[u8]) -> Self {
        let length = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
        let digits = &digits[..length];
        if let Some(small) = small(is_negative, digits) {
            return Self::Integer(small);
        }
        let mut bytes = Items::with_capacity(1 + length);
        bytes.push(u8::from(is_negative));
        bytes.extend(digits.iter().copied());
        Self::BigInteger(BigInteger { bytes })
    }
}

/// The integer, if it fits.
fn small(is_negative: bool, digits: &[u8]) -> Option<i64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..digits.len())?.copy_from_slice(digits);
    let magnitude = u64::from_le_bytes(bytes);
    if is_negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}

impl fmt::Display for BigInteger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_big_int().fmt(formatter)
    }
}

impl fmt::Debug for BigInteger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_big_int().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_small() {
        for small in [0, 1, -1, i64::MAX, i64::MIN] {
            assert_eq!(Term::integer(small), Term::Integer(small));
        }
        for large in [i128::from(i64::MAX) + 1, i128::from(i64::MIN) - 1, -(1 << 90), i128::MAX] {
            let term = Term::integer(large);
            let Term::BigInteger(integer) = &term else { panic!("{term:?}") };
            let number = BigInt::from(large);
            assert_eq!((integer.to_big_int(), integer.bits()), (number.clone(), number.bits()));
            assert_eq!((integer.to_string(), integer.is_negative()), (large.to_string(), large < 0));
        }
    }
}
