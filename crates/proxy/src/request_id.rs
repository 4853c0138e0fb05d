//! Names for requests: 32 hexadecimal digits, no two alike.

use std::cell::Cell;

use hyper::header::HeaderValue;

/// Makes the ids of one core: a random number and a counter, mixed so that neither shows.
#[derive(Debug)]
pub(crate) struct RequestIds {
    random: u64,
    counter: Cell<u64>,
}

impl RequestIds {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { random: getrandom::u64()?, counter: Cell::new(getrandom::u64()?) })
    }

    pub(crate) fn next(&self) -> HeaderValue {
        let counter = self.counter.get().wrapping_add(1);
        self.counter.set(counter);
        let mut text = [0; 32];
        let (high, low) = text.split_at_mut(16);
        hex(mix(counter ^ self.random), high);
        hex(mix(counter), low);
        HeaderValue::from_bytes(&text).expect("hexadecimal digits are visible characters")
    }
}

/// A bijection (the finaliser of SplitMix64): different counters stay different.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

fn hex(number: u64, text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (position, byte) in text.iter_mut().enumerate() {
        *byte = DIGITS[(number >> (60 - 4 * position)) as usize & 15];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_are_alike() {
        let ids = RequestIds::new().unwrap();
        let seen: HashSet<HeaderValue> = (0..10_000).map(|_| ids.next()).collect();
        assert_eq!(seen.len(), 10_000);
        assert!(seen.iter().all(|id| id.len() == 32 && id.to_str().unwrap().is_ascii()));
    }
}
