//! Makes a scenario that breaks something as short as can be found.

use std::fmt;

use crate::play::{Report, run};
use crate::scenario::Scenario;

/// More runs than that are not tried.
const MOST_RUNS: usize = 4_000;

/// A scenario of which nothing can be taken away, and what it breaks.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The scenario.
    pub scenario: Scenario,
    /// Its run, with its trace.
    pub report: Report,
}

/// Takes disturbances away as long as something is still broken: first the end, then halves, quarters and so on down to
/// single ones. `None` for a scenario that breaks nothing.
pub fn shrink(scenario: &Scenario) -> Option<Shrunk> {
    let mut best = scenario.clone();
    run(&best, false).broken?;
    let mut runs = 0;
    let mut size = best.disturbances.len().div_ceil(2);
    loop {
        let mut has_shrunk = false;
        let mut end = best.disturbances.len();
        while end > 0 && runs < MOST_RUNS {
            let begin = end.saturating_sub(size);
            let mut shorter = best.clone();
            shorter.disturbances.drain(begin..end);
            runs += 1;
            if run(&shorter, false).broken.is_some() {
                (best, has_shrunk) = (shorter, true);
            }
            end = begin;
        }
        match (size, has_shrunk) {
            (0 | 1, false) => break,
            (1, true) => {}
            _ => size = size.div_ceil(2),
        }
        if runs >= MOST_RUNS {
            break;
        }
    }
    let report = run(&best, true);
    Some(Shrunk { scenario: best, report })
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = self.report.broken.as_deref().unwrap_or("nothing");
        writeln!(f, "broken: {broken}\n\nby {} disturbances:", self.scenario.disturbances.len())?;
        for disturbance in &self.scenario.disturbances {
            writeln!(f, "{disturbance}")?;
        }
        writeln!(f, "\nwhat happened (seconds; | notes, > effects asked for):")?;
        self.report.trace.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
