//! The sparse side index of a log file: 16-byte entries (time, offset), little-endian, appended now and then.
//!
//! An entry says: at this wall time (ms since 1970) the file was this long, so every line at or behind the
//! offset was written at that time or later. Lines themselves stay as the app wrote them.

/// Bytes of an entry.
pub const ENTRY: usize = 16;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Wall time in ms since 1970.
    pub time_ms: u64,
    /// Length of the log file at that time, in bytes.
    pub offset: u64,
}

impl Entry {
    /// The entry as it lies in the file.
    pub fn to_bytes(self) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&self.time_ms.to_le_bytes());
        bytes[8..].copy_from_slice(&self.offset.to_le_bytes());
        bytes
    }
}

/// All whole entries of an index file; a torn last one is left out.
pub fn entries(file: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let (whole, _torn) = file.as_chunks::<ENTRY>();
    whole.iter().map(|bytes| {
        let [time_ms, offset] =
            [0, 8].map(|at| bytes[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        Entry { time_ms, offset }
    })
}

/// Where to begin reading the log so that no line written at or after `since_ms` is missed.
pub fn offset_since(file: &[u8], since_ms: u64) -> u64 {
    // The clock may have been set back, so the last entry before the time decides, not a binary search.
    entries(file).filter(|entry| entry.time_ms < since_ms).last().map_or(0, |entry| entry.offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_last_offset_before_a_time() {
        let mut file = Vec::new();
        for (time_ms, offset) in [(100, 0), (200, 50), (300, 1 << 40)] {
            file.extend_from_slice(&Entry { time_ms, offset }.to_bytes());
        }
        file.extend_from_slice(&[1, 2, 3]);
        assert_eq!(entries(&file).count(), 3, "the torn entry is left out");
        assert_eq!(offset_since(&file, 0), 0);
        assert_eq!(offset_since(&file, 200), 0, "what was written at 200 may lie before the entry");
        assert_eq!(offset_since(&file, 201), 50);
        assert_eq!(offset_since(&file, u64::MAX), 1 << 40);
    }
}
