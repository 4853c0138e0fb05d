//! Mistakes that the engine makes on purpose are found, and the scenario that finds one is short.

use engine::Mistake;
use simulator::{Scenario, Shrunk, run, shrink};

/// Plays seeds until the mistake is seen, and shrinks the scenario.
fn found(mistake: Mistake) -> Shrunk {
    let with = |seed| Scenario { mistake: Some(mistake), ..Scenario::random(seed, 60) };
    let scenario = (1..=40).map(with).find(|scenario| run(scenario, false).broken.is_some());
    let scenario = scenario.unwrap_or_else(|| panic!("no seed shows that the engine {mistake:?}"));
    let shrunk = shrink(&scenario).expect("it was broken, and is as small as can be now");
    let innocent = Scenario { mistake: None, ..shrunk.scenario.clone() };
    assert_eq!(run(&innocent, false).broken, None, "without the mistake nothing is broken");
    shrunk
}

#[track_caller]
fn check(mistake: Mistake, most_disturbances: usize, says: &str) {
    let shrunk = found(mistake);
    let broken = shrunk.report.broken.clone().expect("what is shrunk is still broken");
    assert!(broken.contains(says), "{broken}");
    assert!(shrunk.scenario.disturbances.len() <= most_disturbances, "{shrunk}");
    assert!(shrunk.to_string().contains(&broken), "the trace says so");
}

#[test]
fn acting_before_remembering_is_found() {
    check(Mistake::ActsBeforeItRemembers, 4, "is performed and is not in the journal's outbox");
}

#[test]
fn forgetting_the_outbox_after_a_start_is_found() {
    check(Mistake::ForgetsTheOutbox, 4, "it does not come to rest");
}

#[test]
fn doing_two_things_to_one_instance_at_once_is_found() {
    check(Mistake::KeepsNoOrder, 4, "are done side by side");
}

#[test]
fn dropping_a_fact_that_could_not_be_journalled_is_found() {
    check(Mistake::DropsFacts, 4, "a fact was dropped");
}
