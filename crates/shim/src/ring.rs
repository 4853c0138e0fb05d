//! A ring of bytes that forgets the oldest when it is full.

use std::collections::VecDeque;

/// Bytes between a producer that never waits and a consumer that may.
pub(crate) struct Ring {
    bytes: VecDeque<u8>,
    limit: usize,
}

impl Ring {
    /// An empty ring for at most `limit` bytes; memory is taken as it fills.
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: VecDeque::new(), limit }
    }

    /// Appends; returns how many of the oldest bytes (of `new` too, if it is longer than the ring) were lost.
    pub(crate) fn push(&mut self, new: &[u8]) -> usize {
        let kept = &new[new.len().saturating_sub(self.limit)..];
        let overflow = (self.bytes.len() + kept.len()).saturating_sub(self.limit);
        self.bytes.drain(..overflow);
        self.bytes.extend(kept);
        overflow + new.len() - kept.len()
    }

    /// Moves up to `limit` of the oldest bytes to the end of `into`.
    pub(crate) fn pop(&mut self, limit: usize, into: &mut Vec<u8>) {
        let length = self.bytes.len().min(limit);
        into.extend(self.bytes.drain(..length));
    }

    /// Gives the memory back, if it is empty.
    pub(crate) fn rest(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = VecDeque::new();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A copy of the newest bytes, at most `limit`.
    pub(crate) fn newest(&self, limit: usize) -> Vec<u8> {
        self.bytes.range(self.bytes.len().saturating_sub(limit)..).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let mut ring = Ring::new(4);
        assert_eq!(ring.push(b"abc"), 0);
        assert_eq!(ring.push(b"de"), 1);
        assert_eq!(ring.newest(9), b"bcde");
        assert_eq!(ring.newest(2), b"de");
        let mut out = Vec::new();
        ring.pop(3, &mut out);
        assert_eq!(out, b"bcd");
        assert!(!ring.is_empty());
    }

    #[test]
    fn more_than_fits_at_once_leaves_its_end() {
        let mut ring = Ring::new(4);
        ring.push(b"xy");
        assert_eq!(ring.push(b"0123456"), 5);
        assert_eq!(ring.newest(9), b"3456");
    }
}
