//! Records of an append-only file: `u32 length | u32 crc | payload`, little-endian; `crc` covers the payload.
//!
//! What a crash in the middle of an append leaves (a torn tail) is cut by the reader: [`Records`] ends before
//! the first record that is not whole, and [`Records::good_length`] says where the file is to be truncated.

use crate::crc::crc32;
use crate::frame::MAX_FRAME;

/// Bytes before a record's payload.
pub const HEADER: usize = 8;

/// Appends one record.
pub fn put(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32(payload).to_le_bytes());
    out.extend_from_slice(payload);
}

/// Walks over the whole records at the start of `bytes`.
pub struct Records<'a> {
    rest: &'a [u8],
    good: usize,
}

impl<'a> Records<'a> {
    /// Records of a file's content.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, good: 0 }
    }

    /// Bytes of all records returned so far; at the end, the length without the torn tail.
    pub fn good_length(&self) -> usize {
        self.good
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (payload, rest) = split(self.rest)?;
        self.good += HEADER + payload.len();
        self.rest = rest;
        Some(payload)
    }
}

/// The first whole record's payload, and what follows. An empty payload is no record: a file system may
/// leave zeros where an append was lost.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if length == 0 || length > MAX_FRAME {
        return None;
    }
    let (payload, rest) = rest.split_at_checked(length)?;
    (crc32(payload) == u32::from_le_bytes(*crc)).then_some((payload, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_cut_at_every_byte_keeps_its_whole_records() {
        let payloads: [&[u8]; 3] = [b"one", b"two and more", b"3"];
        let mut file = Vec::new();
        let mut ends = vec![0];
        for payload in payloads {
            put(payload, &mut file);
            ends.push(file.len());
        }
        for cut in 0..=file.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            let mut records = Records::new(&file[..cut]);
            assert_eq!(records.by_ref().collect::<Vec<_>>(), payloads[..whole], "cut at {cut}");
            assert_eq!(records.good_length(), ends[whole], "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_ends_the_file() {
        let mut file = Vec::new();
        put(b"one", &mut file);
        put(b"two", &mut file);
        let last = file.len() - 1;
        file[last] ^= 1;
        assert_eq!(Records::new(&file).collect::<Vec<_>>(), [b"one"]);
    }

    #[test]
    fn zeros_are_no_records() {
        assert_eq!(Records::new(&[0; 64]).count(), 0);
    }
}
