//! Terms: how fast they are decoded beside `binary_to_term/1`, and how much memory they take.

use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, id};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use beam::Term;
use beam::etf::{self, Limits};
use bytes::Bytes;
use clap::Args;
use fs_err as fs;

use super::Amount;
use super::scene::{Scene, ms};
use crate::figures::{Figures, tell};
use crate::resident::Memory;

/// For terms of our own making.
const LIMITS: Limits = Limits { depth: etf::MAX_DEPTH, bytes: 1 << 30, terms: 1 << 30, atoms: 1 << 16 };

/// Decodes a file and tells the memory that its term takes: in a process where nothing was freed that could be used
/// again.
#[derive(Args)]
pub struct MemoryOptions {
    /// An external term
    file: PathBuf,
}

/// An external term, and how long it took to decode, MB/s.
struct Corpus {
    name: &'static str,
    bytes: Bytes,
    file: PathBuf,
    ours: Figures,
    native: Figures,
    /// Memory of the decoded term, and of what it came in if it keeps that, as a ratio to what it came in.
    memory: Figures,
}

pub(super) struct Terms(Vec<Corpus>);

impl Terms {
    pub(super) async fn prepare(scene: &Scene, amount: &Amount) -> Result<Self> {
        let kinds = [("processes", amount.processes), ("mixed", amount.mixed)];
        let mut corpora = Vec::new();
        for (name, count) in kinds {
            corpora.push(Corpus::make(scene, name, count).await?);
        }
        Ok(Self(corpora))
    }

    pub(super) async fn round(&mut self, scene: &Scene) -> Result<()> {
        for corpus in &mut self.0 {
            corpus.round(scene).await?;
        }
        Ok(())
    }

    /// The ratio of the corpus for which it is lower.
    pub(super) fn decode_vs_otp(&self) -> f64 {
        let ratios =
            self.0.iter().map(|it| it.ours.paired(&it.native, |ours, native| ours / native).median());
        ratios.fold(f64::INFINITY, f64::min)
    }

    /// The ratio of the corpus for which it is higher.
    pub(super) fn memory_vs_wire(&self) -> f64 {
        self.0.iter().map(|corpus| corpus.memory.median()).fold(0.0, f64::max)
    }

    pub(super) fn tell(&self) {
        for corpus in &self.0 {
            println!("{}: {:.1} MB", corpus.name, corpus.megabytes());
            tell("  decode, MB/s", &corpus.ours);
            tell("  binary_to_term, MB/s", &corpus.native);
            tell("  memory, ratio to the wire", &corpus.memory);
        }
    }
}

impl Corpus {
    async fn make(scene: &Scene, name: &'static str, count: u32) -> Result<Self> {
        let answer = scene.caller.native("corpus", [Term::atom(name), Term::Integer(count.into())]).await?;
        let bytes = answer.as_binary().context("the node made no corpus")?.to_bytes();
        let file = scene.world.folder().join(name);
        fs::write(&file, &bytes)?;
        let (ours, native, memory) = (Figures::default(), Figures::default(), Figures::default());
        Ok(Self { name, bytes, file, ours, native, memory })
    }

    fn megabytes(&self) -> f64 {
        self.bytes.len() as f64 / 1e6
    }

    async fn round(&mut self, scene: &Scene) -> Result<()> {
        let native_ms = ms(&scene.caller.native("decode", [Term::atom(self.name)]).await?)?;
        self.native.push(self.megabytes() * 1000.0 / native_ms);
        let bytes = self.bytes.clone();
        let seconds = tokio::task::spawn_blocking(move || seconds_to_decode(&bytes)).await??;
        self.ours.push(self.megabytes() / seconds);
        let output = Command::new(env::current_exe()?).arg("dist-memory").arg(&self.file).output()?;
        if !output.status.success() {
            bail!("dist-memory ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        self.memory.push(String::from_utf8(output.stdout)?.trim().parse()?);
        Ok(())
    }
}

/// Without the dropping of it, as a node's process keeps what it decodes.
fn seconds_to_decode(bytes: &Bytes) -> Result<f64> {
    let begin = Instant::now();
    let term = black_box(etf::decode(bytes, LIMITS)?);
    let seconds = begin.elapsed().as_secs_f64();
    drop(term);
    Ok(seconds)
}

pub(super) fn run_memory(options: &MemoryOptions) -> Result<()> {
    let pid = i32::try_from(id())?;
    let before = Memory::of(pid)?.rss;
    let bytes = Bytes::from(fs::read(&options.file)?);
    let wire = bytes.len() as f64;
    let term = etf::decode(&bytes, LIMITS)?;
    // long binaries are parts of what the term came in, which stays then
    drop(bytes);
    let after = Memory::of(pid)?.rss;
    println!("{:.3}", after.saturating_sub(before) as f64 / wire);
    drop(black_box(term));
    Ok(())
}
