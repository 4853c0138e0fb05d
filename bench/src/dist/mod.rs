//! Our own distribution beside native nodes, in one run: calls, terms, and questions to a crowded node.

mod calls;
mod crowd;
mod scene;
mod terms;
mod traced;

use anyhow::Result;
use clap::Args;

use calls::Calls;
use crowd::Crowd;
use scene::Scene;
use terms::Terms;
use traced::Traced;

pub use terms::MemoryOptions;

#[derive(Args)]
pub struct Options {
    /// Rounds
    #[arg(long, default_value_t = 9)]
    rounds: u32,
    /// Little of everything in one round: whether it works, no figures to be told
    #[arg(long)]
    quick: bool,
}

/// How much of everything is done in a round.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Calls one after the other.
    sequential: u32,
    /// Calls of each of those that call at once.
    each: u32,
    /// Elements of the two corpora.
    processes: u32,
    mixed: u32,
    /// Elements of the large answer.
    large: u32,
    /// Processes of the crowded node.
    crowd: u32,
    /// Questions to it.
    tops: u32,
    /// Messages within a node, one each ms, while a function is traced and while it is not.
    traced: u32,
}

impl Amount {
    /// Seconds for each kind; corpora as large as in the first measurements, and an answer of some 60 MB.
    const FULL: Self = Self {
        sequential: 8_000,
        each: 200,
        processes: 100_000,
        mixed: 90_000,
        large: 1_400_000,
        crowd: 100_000,
        tops: 10,
        traced: 3_000,
    };
    const QUICK: Self = Self {
        sequential: 200,
        each: 10,
        processes: 2_000,
        mixed: 2_000,
        large: 50_000,
        crowd: 2_000,
        tops: 3,
        traced: 200,
    };
}

pub async fn run(options: &Options) -> Result<()> {
    let (amount, rounds) = if options.quick { (Amount::QUICK, 1) } else { (Amount::FULL, options.rounds) };
    let scene = Scene::start().await?;
    let mut calls = Calls::default();
    let mut terms = Terms::prepare(&scene, &amount).await?;
    let mut crowd = Crowd::gather(&scene, &amount).await?;
    let mut traced = Traced::new(&scene);
    for round in 0..rounds {
        calls.round(&scene, &amount, round).await?;
        terms.round(&scene).await?;
        crowd.round(&amount).await?;
        traced.round(&amount).await?;
    }
    calls.tell();
    terms.tell();
    crowd.tell();
    traced.tell();
    println!(
        "dist: seq_vs_native={:.2} inflight128_vs_native={:.2} decode_vs_otp={:.2} memory_vs_wire={:.1} top100_ms={:.1} trace_p99={:.2}",
        calls.sequential_vs_native(),
        calls.in_flight_vs_native(),
        terms.decode_vs_otp(),
        terms.memory_vs_wire(),
        crowd.top_ms(),
        traced.p99_ratio(),
    );
    Ok(())
}

/// What a measurement in a process of its own says: see [`MemoryOptions`].
pub fn run_memory(options: &MemoryOptions) -> Result<()> {
    terms::run_memory(options)
}
