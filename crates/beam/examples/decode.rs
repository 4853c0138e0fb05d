//! `decode FILE`: how fast the external term in a file is decoded, and how much memory it takes:
//! `decode_mb_s= memory_vs_wire=`. Made for `erl` to write the file and to measure `binary_to_term/1` beside it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a measurement needs a file, a clock and the process's memory; the crate does not"
)]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use beam::etf::{self, Limits};
use bytes::Bytes;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: decode FILE")?;
    let limits = Limits { bytes: 1 << 30, terms: 1 << 30, ..Limits::default() };

    // The first, before anything that is freed could be used again; with what it came in, if it keeps that.
    let before = resident_bytes()?;
    let bytes = Bytes::from(std::fs::read(&path)?);
    let wire = bytes.len() as f64;
    let term = etf::decode(&bytes, limits)?;
    drop(bytes);
    let memory = resident_bytes()?.saturating_sub(before);
    drop(black_box(term));

    let bytes = Bytes::from(std::fs::read(&path)?);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let began = Instant::now();
        let term = black_box(etf::decode(&bytes, limits)?);
        best = best.min(began.elapsed().as_secs_f64());
        drop(term);
    }
    println!("decode_mb_s={:.0} memory_vs_wire={:.2}", wire / 1e6 / best, memory as f64 / wire);
    Ok(())
}

/// The second field of `/proc/self/statm`, in pages of 4 KB.
fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split_whitespace().nth(1).ok_or("statm has no second field")?.parse()?;
    Ok(pages * 4096)
}
