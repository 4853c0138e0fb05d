//! Measures Bellrock beside its rivals and beside a bare release, each within one run: `cargo xtask bench NAME`.
//!
//! A machine's mood changes from minute to minute. So everything that is compared is measured in turn, in rounds,
//! and what is told is the median over the rounds of the difference or the ratio within one round. The last line
//! that a bench prints is for machines; `bench/README.md` says how to read it.

#![allow(unreachable_pub, reason = "nothing is outside of a program")]

mod asking;
mod chaos;
mod deploy;
mod dist;
mod figures;
mod hot;
mod memory;
mod package_bench;
mod proxy_restart;
mod release;
mod resident;
mod restart;
mod rival;
mod serving;
mod soak;
mod swap;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "bench", about = "Measures Bellrock beside its rivals")]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Crash to serving again, against the release's bare boot, runit and s6
    Restart(restart::Options),
    /// A full deployment of three places, against three bare boots at once
    Deploy(deploy::Options),
    /// Memory at rest and after a flood of output: daemon and shims, beside runit and s6
    Memory(memory::Options),
    /// A package of 100 MB: verify, unpack, link, beside sha256sum, tar and cp
    Package(package_bench::Options),
    /// A release swapped back and forth while it is polled and asked over kept connections: is anything lost?
    Swap(swap::Options),
    /// The proxy killed: how soon a client is answered again
    ProxyRestart(proxy_restart::Options),
    /// Hundreds of deployments and thousands of crashes: does anything grow?
    Soak(soak::Options),
    /// Our own distribution beside native nodes: calls, terms, questions to a crowded node
    Dist(dist::Options),
    /// Hot upgrades beside OTP's release_handler and beside a full deployment
    Hot(hot::Options),
    /// The memory of one term, for `dist`
    #[command(hide = true)]
    DistMemory(dist::MemoryOptions),
    /// Deployments under load while daemon, proxy and app are killed: is any request lost?
    Chaos(chaos::Options),
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: could not start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match Arguments::parse().bench {
        Bench::Package(options) => package_bench::run(&options),
        Bench::Restart(options) => runtime.block_on(unless_ended(restart::run(&options))),
        Bench::Deploy(options) => runtime.block_on(unless_ended(deploy::run(&options))),
        Bench::Memory(options) => runtime.block_on(unless_ended(memory::run(&options))),
        Bench::Swap(options) => runtime.block_on(unless_ended(swap::run(&options))),
        Bench::ProxyRestart(options) => runtime.block_on(unless_ended(proxy_restart::run(&options))),
        Bench::Soak(options) => runtime.block_on(unless_ended(soak::run(&options))),
        Bench::Dist(options) => runtime.block_on(unless_ended(dist::run(&options))),
        Bench::Hot(options) => runtime.block_on(unless_ended(hot::run(&options))),
        Bench::DistMemory(options) => dist::run_memory(&options),
        Bench::Chaos(options) => runtime.block_on(unless_ended(chaos::run(&options))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A bench that is given up takes along what it has started, as one does that ends by itself.
async fn unless_ended(bench: impl Future<Output = Result<()>>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = bench => outcome,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}
