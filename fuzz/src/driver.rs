//! Drives a target on stable: inputs are seeds of its corpus with random changes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::Target;

/// Largest input.
const MOST_BYTES: usize = 64 << 10;

/// An input that takes longer is a finding: its work does not follow from its size.
const LONGEST: Duration = Duration::from_secs(10);

/// Bytes and numbers that parsers stumble over.
const INTERESTING: [&[u8]; 14] = [
    b"\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\r\n\r\n",
    b"\r\n",
    b"../",
    b"/",
    b"\"",
    b"'''",
    b"{}",
    b"[[",
    b"99999999999999999999",
    b"\xc3\x28",
];

/// An input that a target does not bear.
#[derive(Debug)]
pub struct Finding {
    /// The input.
    pub input: Vec<u8>,
    /// What was wrong.
    pub why: String,
}

/// Random numbers from a seed that reproduces them (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or(0)
    }
}

/// Runs a target for so long; returns how many inputs it bore.
///
/// # Errors
/// The first that it did not bear.
pub fn drive(target: &Target, seed: u64, within: Duration) -> Result<u64, Box<Finding>> {
    let corpus = (target.corpus)();
    let mut random = Random(seed | 1);
    let end = Instant::now() + within;
    let mut inputs = 0;
    for input in &corpus {
        bear(target, input)?;
    }
    while Instant::now() < end {
        let mut input = corpus.get(random.below(corpus.len())).cloned().unwrap_or_default();
        for _ in 0..=random.below(6) {
            change(&mut input, &corpus, &mut random);
        }
        input.truncate(MOST_BYTES);
        bear(target, &input)?;
        inputs += 1;
    }
    Ok(inputs)
}

fn bear(target: &Target, input: &[u8]) -> Result<(), Box<Finding>> {
    let began = Instant::now();
    let run = AssertUnwindSafe(|| (target.run)(input));
    let why = match catch_unwind(run) {
        Err(panic) => panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_else(|| "it panicked".to_owned()),
        Ok(()) if began.elapsed() > LONGEST => format!("it took {} s", began.elapsed().as_secs()),
        Ok(()) => return Ok(()),
    };
    Err(Box::new(Finding { input: input.to_vec(), why }))
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(8) {
        0 => flip(input, at, random),
        1 => input.truncate(at),
        2 => insert(input, at, INTERESTING[random.below(INTERESTING.len())]),
        3 => {
            let bytes = random.next().to_le_bytes();
            insert(input, at, &bytes[..random.below(bytes.len())]);
        }
        4 => {
            let end = (at + random.below(64)).min(input.len());
            input.drain(at..end);
        }
        5 => {
            // Again what is there, many times: nesting and lengths.
            let end = (at + random.below(32)).min(input.len());
            let piece = input[at..end].repeat(1 + random.below(64));
            insert(input, at, &piece);
        }
        6 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            insert(input, at, &other[from..(from + random.below(512)).min(other.len())]);
        }
        _ => {
            // Over what is there, so that lengths before it stay right.
            let bytes = INTERESTING[random.below(INTERESTING.len())];
            for (place, byte) in input.iter_mut().skip(at).zip(bytes) {
                *place = *byte;
            }
        }
    }
}

fn flip(input: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_bears_not_all_is_found_out() {
        fn run(bytes: &[u8]) {
            assert!(!bytes.windows(2).any(|two| two == b"\r\n"), "two lines");
        }
        let target = Target { name: "lines", run, corpus: || vec![b"one line".to_vec()] };
        let finding = drive(&target, 7, Duration::from_secs(60)).expect_err("it is random, and long enough");
        assert!(finding.why.contains("two lines") && finding.input.contains(&b'\r'), "{finding:?}");
    }

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let inputs = |seed| {
            let mut random = Random(seed);
            let corpus = vec![b"seed".to_vec()];
            let mut input = corpus[0].clone();
            (0..50).for_each(|_| change(&mut input, &corpus, &mut random));
            input
        };
        assert_eq!(inputs(3), inputs(3));
        assert_ne!(inputs(3), inputs(5));
    }
}
