//! The short run: some seeds, in memory and in the real journal; `make simulate` is the long one.

use simulator::{Report, Scenario, Storage, run, shrink};

/// Runs a seed, and panics with the shortest scenario that breaks what it breaks.
fn holds(scenario: &Scenario) -> Report {
    let report = run(scenario, false);
    if report.broken.is_some() {
        let shrunk = shrink(scenario).map(|it| it.to_string()).unwrap_or_default();
        panic!("seed {}: make simulate SEED={0}\n{shrunk}", scenario.versions.seed);
    }
    report
}

#[test]
fn whatever_happens_the_invariants_hold_and_everything_comes_to_rest() {
    let reports: Vec<Report> = (1..=120).map(|seed| holds(&Scenario::random(seed, 60))).collect();
    let sum = |number: fn(&Report) -> u64| reports.iter().map(number).sum::<u64>();
    // What is looked at happens: the daemon dies, deployments end in each way, clients are promised instances.
    assert!(sum(|it| it.lives) > 1_000, "{} lives", sum(|it| it.lives));
    assert!(sum(|it| it.promised) > 2_000, "promised at {} turns", sum(|it| it.promised));
    assert!(sum(|it| it.restarts) > 10, "a watchdog restarted {}", sum(|it| it.restarts));
    for how in ["committed", "rolled back", "failed", "cancelled", "superseded"] {
        let number = reports.iter().flat_map(|it| it.ended.values()).filter(|it| **it == how).count();
        assert!(number > 5, "{number} deployments were {how}");
    }
}

#[test]
fn the_same_holds_with_the_real_journal() {
    for seed in 1..=6 {
        let scenario = Scenario { storage: Storage::Sqlite, ..Scenario::random(seed, 60) };
        holds(&scenario);
    }
}

#[test]
fn a_seed_runs_the_same_way_each_time_whatever_the_journal() {
    for seed in [3, 4] {
        let scenario = Scenario::random(seed, 60);
        let first = run(&scenario, true);
        assert!(first.trace.len() > 100, "{} lines", first.trace.len());
        assert_eq!(first.trace, run(&scenario, true).trace);
        let scenario = Scenario { storage: Storage::Sqlite, ..scenario };
        assert_eq!(first.trace, run(&scenario, true).trace);
    }
}
