//! Bytes to send: without a pattern that would hide a mix-up, and the same in every run.

use bytes::Bytes;

/// The longest body or message.
pub(super) const LONGEST: usize = 8 * 1024 * 1024;

/// Where bodies begin: each at another place of the same bytes.
const OFFSETS: usize = 65_536;
const STRIDE: u64 = 7919;

/// The bytes that bodies and messages are cut out of.
#[derive(Debug, Clone)]
pub(super) struct Noise(Bytes);

impl Noise {
    /// Enough for bodies of that length.
    pub(super) fn for_length(longest: usize) -> Noise {
        // xorshift64* (Vigna, 2014)
        let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
        let words = (longest + OFFSETS).div_ceil(8);
        let bytes: Vec<u8> = (0..words)
            .flat_map(|_| {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
            })
            .collect();
        Noise(Bytes::from(bytes))
    }

    /// The body of a request: others have another one.
    pub(super) fn body(&self, number: u64, length: usize) -> Bytes {
        let offset = (number.wrapping_mul(STRIDE) % OFFSETS as u64) as usize;
        self.0.slice(offset..offset + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_another_body_of_the_length_asked_for() {
        let noise = Noise::for_length(1000);
        let bodies: std::collections::BTreeSet<_> =
            (0..1000).map(|number| noise.body(number, 1000)).collect();
        assert_eq!(bodies.len(), 1000);
        assert!(bodies.iter().all(|body| body.len() == 1000));
    }
}
