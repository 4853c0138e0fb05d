//! What a function is, written so that only equal ones are equal: each part says what it is and how long.

use std::collections::BTreeSet;

use md5::{Digest, Md5};

pub(super) struct Text {
    whole: Vec<u8>,
    /// Without the values that [`Self::value`] adds.
    skeleton: Vec<u8>,
    most: usize,
    pub(super) calls: BTreeSet<(u32, u8)>,
}

impl Text {
    pub(super) fn new(most: usize) -> Self {
        Self { whole: Vec::new(), skeleton: Vec::new(), most, calls: BTreeSet::new() }
    }

    pub(super) fn length(&self) -> usize {
        self.whole.len()
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.whole.len() > self.most
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.whole.push(byte);
        self.skeleton.push(byte);
    }

    pub(super) fn number(&mut self, kind: u8, number: u32) {
        for text in [&mut self.whole, &mut self.skeleton] {
            text.push(kind);
            text.extend_from_slice(&number.to_be_bytes());
        }
    }

    pub(super) fn sized(&mut self, kind: u8, bytes: &[u8]) {
        self.value(kind, bytes);
        self.skeleton.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.skeleton.extend_from_slice(bytes);
    }

    /// A number, string or binary: the skeleton has its place only. What comes after too much is not kept: nobody asks for
    /// it.
    pub(super) fn value(&mut self, kind: u8, bytes: &[u8]) {
        self.byte(kind);
        self.whole.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        if !self.is_too_long() {
            self.whole.extend_from_slice(bytes);
        }
    }

    pub(super) fn literal(&mut self, whole: &[u8; 16], skeleton: &[u8; 16]) {
        self.byte(b'T');
        self.whole.extend_from_slice(whole);
        self.skeleton.extend_from_slice(skeleton);
    }

    /// 64 bits for the whole and for the skeleton.
    pub(super) fn digests(&self) -> (u64, u64) {
        let digest = |text: &[u8]| {
            let digest: [u8; 16] = Md5::digest(text).into();
            digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
        };
        (digest(&self.whole), digest(&self.skeleton))
    }
}
