//! The soak: hundreds of deployments and crashes of a real BEAM, thousands of crashes of a stub. What is held is read
//! after each round; the last quarter's median must not be above the first's.

mod beam;
mod bounds;
mod disk;
mod stub;

use anyhow::{Result, bail};
use clap::Args;

use bounds::Series;

#[derive(Args)]
pub struct Options {
    /// Deployments of a real release in three places; each is followed by a crash of every place
    #[arg(long, default_value_t = 100)]
    deployments: u32,
    /// Crashes of a stub that is restarted without waiting
    #[arg(long, default_value_t = 10_000)]
    crashes: u64,
}

pub async fn run(options: &Options) -> Result<()> {
    println!("stub: {} crashes without backoff", options.crashes);
    let mut kept = told(&stub::run(options.crashes).await?);
    println!("beam: {} deployments, each followed by 3 crashes", options.deployments);
    kept &= told(&beam::run(options.deployments).await?);
    println!(
        "soak: deployments={} crashes={} stub_crashes={} kept={}",
        options.deployments,
        options.deployments * u32::from(beam::PLACES),
        options.crashes,
        if kept { "yes" } else { "no" },
    );
    if !kept {
        bail!("a bound was not kept");
    }
    Ok(())
}

/// Prints each series and says whether all kept their bounds.
fn told(series: &[Series]) -> bool {
    for one in series {
        println!("  {one}");
    }
    series.iter().all(Series::kept)
}
