//! The whole product: every kind of deployment × every fault point that it reaches × every fault. Each ends right.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use engine::fault_points::{CommandKind, EffectKind, EventKind, FactKind, FaultPoint, VerdictKind};
use model::settings::Strategy;
use simulator::{Action, Ask, Disturbance, Report, Scenario, Versions, What, run};

/// A kind of deployment: what comes before it, and what is asked for then.
struct Story {
    name: &'static str,
    before: Vec<Ask>,
    asks: Vec<Ask>,
}

/// Time for one deployment to end.
const ENOUGH: Duration = Duration::from_secs(300);

fn story(name: &'static str, before: &[Ask], asks: &[Ask]) -> Story {
    Story { name, before: before.to_vec(), asks: asks.to_vec() }
}

fn deploy(label: &str) -> Ask {
    Ask::Deploy(label.into())
}

fn stories() -> Vec<Story> {
    let (one, two, bad) = (deploy("1"), deploy("2"), deploy("3-bad"));
    let both = [one.clone(), two.clone()];
    let one = std::slice::from_ref(&one);
    vec![
        story("first", &[], one),
        story("first, bad", &[], std::slice::from_ref(&bad)),
        story("full", one, std::slice::from_ref(&two)),
        story("full, bad", one, std::slice::from_ref(&bad)),
        story("rollback", &both, &[Ask::Rollback]),
        story("activation", &both, &[Ask::Activate("1".into())]),
        story("scale up", one, &[Ask::Scale(3)]),
        story("scale down", one, &[Ask::Scale(1)]),
        story("stop", one, &[Ask::Stop]),
        story("start", &[one[0].clone(), Ask::Stop], &[Ask::Start]),
        story("restart", one, &[Ask::Restart(None)]),
        story("variables", one, &[Ask::Set { value: 1, later: false }]),
        story("superseded", one, &[two.clone(), deploy("4")]),
        story("cancelled", one, &[two, Ask::Cancel { queued: false }]),
        story("deletion", &[both[0].clone(), both[1].clone(), deploy("4")], &[Ask::Delete("1".into())]),
    ]
}

impl Story {
    /// The story by a strategy, and the time at which what it is about begins.
    fn scenario(&self, strategy: Strategy) -> (Scenario, Duration) {
        let mut at = Duration::from_secs(1);
        let mut disturbances = Vec::new();
        let mut add = |at, ask: &Ask| disturbances.push(Disturbance { at, what: What::Asks(ask.clone()) });
        for ask in &self.before {
            add(at, ask);
            at += ENOUGH;
        }
        let begins = at;
        for ask in &self.asks {
            add(at, ask);
            at += Duration::from_secs(3);
        }
        // Nothing is asked for then any more: it only keeps all from going well before the story is over.
        add(begins + ENOUGH, &Ask::Follow);
        (Scenario::of(Versions { seed: 7, all: Some(strategy) }, disturbances), begins)
    }
}

/// The numbers of the fault points that a scenario reaches from a time on, with what may go wrong at each.
fn faults(story: &Story, strategy: Strategy) -> (Scenario, Report, Vec<(usize, FaultPoint, Action)>) {
    let (scenario, begins) = story.scenario(strategy);
    let (prelude, _) =
        Story { name: story.name, before: story.before.clone(), asks: Vec::new() }.scenario(strategy);
    let mut prelude = prelude;
    prelude.disturbances.retain(|it| it.at < begins);
    let skipped = if story.before.is_empty() { 0 } else { run(&prelude, false).reached.len() };
    let whole = run(&scenario, false);
    assert_eq!(whole.broken, None, "{}, {strategy:?}", story.name);
    // A prelude ends with one more start of the daemon, which is adopted once.
    let first = skipped.saturating_sub(2);
    let reached = whole.reached.iter().copied().enumerate().skip(first);
    let faults = reached.flat_map(|(number, point)| {
        let mut actions = vec![Action::Kill];
        if matches!(point, FaultPoint::BeforeEffect(_)) {
            actions.push(Action::Repeat);
        }
        let cannot_fail = point == FaultPoint::BeforeEffect(EffectKind::Drain);
        if matches!(point, FaultPoint::BeforeEffect(_) | FaultPoint::BeforeCommit(_)) && !cannot_fail {
            actions.push(Action::Fail);
        }
        actions.into_iter().map(move |action| (number, point, action))
    });
    let faults = faults.collect();
    (scenario, whole, faults)
}

/// Plays every fault of a strategy; returns what was reached.
fn play(strategy: Strategy) -> BTreeSet<FaultPoint> {
    let mut reached = BTreeSet::new();
    let mut runs = 0;
    for story in stories() {
        let (scenario, whole, faults) = faults(&story, strategy);
        assert!(!faults.is_empty(), "{}", story.name);
        reached.extend(faults.iter().map(|(_, point, _)| *point));
        for (number, point, action) in faults {
            let scenario = Scenario { at: BTreeMap::from([(number, action)]), ..scenario.clone() };
            let report = run(&scenario, false);
            runs += 1;
            let what = || format!("{}, {strategy:?}: {action:?} at {point} ({number})", story.name);
            assert_eq!(report.broken, None, "{}", what());
            // A daemon that dies, or an effect that is done twice, changes nothing about how a deployment ends. (A
            // command that dies with the daemon before it is durable was never given, so what follows it differs.)
            let was_given = !matches!(point, FaultPoint::BeforeCommit(EventKind::Command(_)));
            if action != Action::Fail && was_given && story.asks.len() == 1 {
                assert_eq!(report.ended, whole.ended, "{}", what());
            }
        }
    }
    assert!(runs > 500, "{runs} runs");
    reached
}

/// What these stories do not reach, each with its reason; the random scenarios do.
fn is_elsewhere(point: FaultPoint) -> bool {
    let (FaultPoint::BeforeCommit(event) | FaultPoint::AfterCommit(event)) = point else { return false };
    match event {
        // They change nothing on the host.
        EventKind::Command(
            CommandKind::Follow | CommandKind::PinTo | CommandKind::ClearGhosts | CommandKind::Pin,
        ) => true,
        // Disturbances, of which there are none here.
        EventKind::Shim(FactKind::LogDropped | FactKind::Warning | FactKind::Gone) => true,
        EventKind::Check(VerdictKind::NeverReady | VerdictKind::Healthy | VerdictKind::Unhealthy) => true,
        EventKind::ServerErrors => true,
        _ => false,
    }
}

#[test]
fn parallel() {
    play(Strategy::Parallel);
}

#[test]
fn rolling() {
    play(Strategy::Rolling);
}

#[test]
fn temporary_shutdown() {
    play(Strategy::TemporaryShutdown);
}

/// A new effect or event is a new fault point, and this asks for a story that reaches it.
#[test]
fn every_fault_point_is_reached_by_a_story() {
    let mut reached = BTreeSet::new();
    for strategy in [Strategy::Parallel, Strategy::Rolling, Strategy::TemporaryShutdown] {
        for story in stories() {
            reached.extend(faults(&story, strategy).2.into_iter().map(|(_, point, _)| point));
        }
    }
    let missing: Vec<String> = FaultPoint::all()
        .filter(|point| !reached.contains(point) && !is_elsewhere(*point))
        .map(|point| point.to_string())
        .collect();
    assert!(missing.is_empty(), "no story reaches {missing:?}");
}
