//! Hot upgrades: our install beside the bare `release_handler:install_release/2` of an equal relup, planning for a large release,
//! and all of it beside the full deployment of the same change.

mod crowd;
mod full;
mod planning;

use anyhow::Result;
use clap::Args;

use crate::figures::{Figures, tell};
use crowd::Crowd;

#[derive(Args)]
pub struct Options {
    /// Rounds; each goes up and down once
    #[arg(long, default_value_t = 8)]
    rounds: u32,
    /// Processes of the changed module
    #[arg(long, default_value_t = 10_000)]
    processes: u32,
    /// Processes of the large crowd, which is measured in fewer rounds; 0: not at all
    #[arg(long, default_value_t = 50_000)]
    large: u32,
    /// Modules of the release that is planned
    #[arg(long, default_value_t = 3_000)]
    modules: u32,
    /// Full deployments, and as many hot upgrades; 0: none
    #[arg(long, default_value_t = 6)]
    deployments: u32,
    /// Little of everything: whether it works, no figures to be told
    #[arg(long)]
    quick: bool,
}

pub async fn run(options: &Options) -> Result<()> {
    let options = if options.quick {
        &Options { rounds: 1, processes: 100, large: 0, modules: 60, deployments: 2, quick: true }
    } else {
        options
    };
    let crowd = measured(options.processes, options.rounds).await?;
    if options.large > 0 {
        measured(options.large, options.rounds.div_ceil(3)).await?;
    }
    let planning = planning::run(options.modules, options.rounds).await?;
    let vs_full = if options.deployments > 0 { full::run(options.deployments).await? } else { f64::NAN };
    println!(
        "hot: wall_vs_release_handler={:.2} pause_vs_release_handler={:.2} plan_3000_ms={:.1} vs_full={vs_full:.3}",
        crowd.wall.median(),
        crowd.pause.median(),
        planning.median(),
    );
    Ok(())
}

/// Ours as a ratio to `release_handler`'s, in each round.
struct Ratios {
    wall: Figures,
    pause: Figures,
}

async fn measured(processes: u32, rounds: u32) -> Result<Ratios> {
    let mut crowd = Crowd::gather(processes).await?;
    for round in 0..rounds {
        crowd.round(round).await?;
    }
    let (ours, theirs) = (&crowd.ours.figures, &crowd.theirs.figures);
    let what = |who: &str, what: &str| format!("{processes} processes, {who}: {what}, ms");
    for (who, figures) in [("ours", ours), ("release_handler", theirs)] {
        tell(&what(who, "wall"), &figures.wall);
        tell(&what(who, "pause"), &figures.pause);
    }
    tell(&what("ours", "pause as told"), &ours.told);
    tell(&what("ours", "before it"), &ours.prepared);
    tell(&what("ours", "a look at the end"), &ours.looked);
    let ratio = |ours: &Figures, theirs: &Figures| ours.paired(theirs, |ours, theirs| ours / theirs);
    Ok(Ratios { wall: ratio(&ours.wall, &theirs.wall), pause: ratio(&ours.pause, &theirs.pause) })
}
