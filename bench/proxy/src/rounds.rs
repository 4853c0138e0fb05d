//! bellrock-proxy beside nginx and haproxy: rounds in turns, so that all get their share of what else the machine does.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::child::Program;
use crate::client::Round;
use crate::contender::{Contender, Name, Site};
use crate::figures::{Figures, Rounds};
use crate::ports;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds; each measures all
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each is measured in a round
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Connections, kept for a whole round
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Measure bellrock-proxy alone: for a profiler
    #[arg(long)]
    alone: bool,
    /// The program to measure [default: bellrock-proxy beside this one]
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Before a round counts: connections are made, caches are filled.
const WARM_UP: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Args) -> Result<()> {
    ensure!(args.rounds > 0 && args.seconds > 0 && args.connections > 0, "nothing would be measured");
    let own = std::env::current_exe().context("this program has no path")?;
    let proxy = args.program.clone().unwrap_or_else(|| own.with_file_name("bellrock-proxy"));
    ensure!(proxy.is_file(), "there is no {}: build it with cargo build --release -p proxy", proxy.display());
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let (_upstream, contenders) = start_all(&own, &proxy, folder.path(), args.alone)?;
    let mut rounds = Rounds::default();
    for round in 0..args.rounds {
        for place in 0..contenders.len() {
            // another one begins each round
            let contender = &contenders[(round + place) % contenders.len()];
            let figures = measure(contender, args)?;
            println!("round {}  {:15}{:>8.0} requests/s", round + 1, contender.name.text(), figures.rps);
            rounds.add(contender.name, figures);
        }
    }
    print!("\n{rounds}");
    println!("\n{}", rounds.last_line());
    Ok(())
}

/// The server behind, and those in front of it.
fn start_all(own: &Path, proxy: &Path, folder: &Path, alone: bool) -> Result<(Program, Vec<Contender>)> {
    let upstream = ports::free()?;
    let behind = Program::start(own, &["upstream", &upstream.to_string()], upstream)?;
    let site = Site { folder, upstream, proxy };
    let names: &[Name] = if alone { &[Name::Bellrock] } else { &Name::ALL };
    let contenders = names.iter().map(|name| Contender::start(*name, &site)).collect::<Result<_>>()?;
    Ok((behind, contenders))
}

fn measure(contender: &Contender, args: &Args) -> Result<Figures> {
    let from = Instant::now() + WARM_UP;
    let lasts = Duration::from_secs(args.seconds);
    let round = Round { target: contender.address, connections: args.connections, from, lasts };
    let load = thread::spawn(move || round.run());
    thread::sleep(from.saturating_duration_since(Instant::now()));
    let before = contender.program.cpu();
    thread::sleep((from + lasts).saturating_duration_since(Instant::now()));
    let cpu = contender.program.cpu() - before;
    let measured = load.join().map_err(|_| anyhow::anyhow!("the client panicked"))?;
    let measured = measured.with_context(|| format!("{} failed", contender.name.text()))?;
    Ok(Figures::new(&measured, lasts, cpu))
}
