//! The swap of a real release, back and forth, while it is polled every 10 ms and asked without a pause over 16 kept
//! connections: what other proxies' figures are of, too.

use std::time::Duration;

use anyhow::{Result, ensure};
use api::deployment::Phase;
use clap::Args;
use testkit::TempHost;

use crate::asking::Asking;

/// Two versions by turns.
const VERSIONS: [&str; 2] = ["beacon-module-changed", "beacon-base"];

#[derive(Args)]
pub struct Options {
    /// Swaps; each is a deployment of the other version
    #[arg(long, default_value_t = 6)]
    swaps: u32,
    /// How the instances are replaced
    #[arg(long, default_value = "parallel")]
    strategy: String,
    /// Connections that are kept, and asked without a pause
    #[arg(long, default_value_t = 16)]
    connections: u16,
    /// Milliseconds from one poll to the next, each over a connection of its own
    #[arg(long, default_value_t = 10)]
    poll_ms: u64,
}

pub async fn run(options: &Options) -> Result<()> {
    let host = TempHost::start().await;
    let app = host.app("beacon", &format!("strategy = '{}'", options.strategy));
    app.deploy("beacon-base", Phase::Committed).await;
    let (mut polls, mut kept) = (Asking::default(), Asking::default());
    polls.poll(host.http(), Duration::from_millis(options.poll_ms));
    (0..options.connections).for_each(|_| kept.keep(host.http()));
    for swap in 0..options.swaps as usize {
        app.deploy(VERSIONS[swap % VERSIONS.len()], Phase::Committed).await;
    }
    let (polls, kept) = tokio::task::block_in_place(|| (polls.end(), kept.end()));
    println!("kept connections that were closed under a request, which was sent again: {}", kept.again);
    println!(
        "swap: swaps={} polls={} lost_polls={} kept={} lost_kept={}",
        options.swaps, polls.requests, polls.lost, kept.requests, kept.lost
    );
    ensure!(polls.lost + kept.lost == 0, "requests were lost");
    Ok(())
}
