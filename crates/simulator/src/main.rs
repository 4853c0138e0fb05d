//! `make simulate`: random scenarios, seed after seed, until so many turns of the engine were taken.

#![allow(unreachable_pub, reason = "nothing is outside of a program")]

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use simulator::{Scenario, Storage, run, shrink};

/// Drives the real engine in a simulated host through random scenarios.
#[derive(Debug, Parser)]
struct Arguments {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Turns of the engine to be taken, over as many seeds as that needs.
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// Only the first seed, with all that happens.
    #[arg(long)]
    trace: bool,
    /// Things that happen to the app and its host in each scenario.
    #[arg(long, default_value_t = 60)]
    disturbances: usize,
    /// Where the app is kept.
    #[arg(long, value_enum, default_value_t = Kept::Memory)]
    journal: Kept,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kept {
    /// In memory.
    Memory,
    /// In the real journal.
    Sqlite,
}

/// A line about progress comes after so many turns.
const TELL_EVERY: u64 = 100_000;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scenario = |seed| {
        let mut scenario = Scenario::random(seed, arguments.disturbances);
        scenario.storage = match arguments.journal {
            Kept::Memory => Storage::Memory,
            Kept::Sqlite => Storage::Sqlite,
        };
        scenario
    };
    if arguments.trace {
        let report = run(&scenario(arguments.seed), true);
        report.trace.iter().for_each(|line| println!("{line}"));
        return if report.broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let began = Instant::now();
    let (mut turns, mut promised, mut lives, mut deployments, mut passed) = (0, 0, 0, 0, 0);
    let mut seed = arguments.seed;
    while turns < arguments.steps {
        let report = run(&scenario(seed), false);
        if report.broken.is_some() {
            return tell_failure(seed, &arguments, &scenario(seed));
        }
        let told = turns / TELL_EVERY;
        turns += report.turns;
        promised += report.promised;
        lives += report.lives;
        deployments += report.ended.len();
        passed += report.passed.as_secs();
        if turns / TELL_EVERY > told {
            eprintln!("{turns} turns, seed {seed}, {:.0} s", began.elapsed().as_secs_f64());
        }
        seed += 1;
    }
    println!(
        "simulate: turns={turns} seeds={}..{seed} lives={lives} deployments={deployments} promised={promised} \
         simulated_hours={} seconds={:.0} broken=0",
        arguments.seed,
        passed / 3600,
        began.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

fn tell_failure(seed: u64, arguments: &Arguments, scenario: &Scenario) -> ExitCode {
    eprintln!("seed {seed} breaks something; shrinking");
    if let Some(shrunk) = shrink(scenario) {
        println!("{shrunk}");
    }
    println!(
        "seed {seed}; all of it: cargo run --release -p simulator -- --seed {seed} --disturbances {} --trace",
        arguments.disturbances
    );
    ExitCode::FAILURE
}
