//! The whole product: every kind of deployment × every fault point that it reaches × every fault. Each ends right, and
//! where clients were promised instances there is no moment without them.
//!
//! `make test` takes each point of each kind once, at the first time that it is reached, and all strategies where versions
//! are replaced. With `BELLROCK_TEST_ALL=1` (`make test-faults`) each kind is deployed by each strategy and each point is
//! taken every time that it is reached.

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
    /// Whether it goes another way by each strategy.
    replaces: bool,
    /// Whether it goes another way where instances are upgraded hot.
    upgrades: bool,
}

/// Time for one deployment to end when nothing goes wrong; what takes longer ends when all goes well again.
const ENOUGH: Duration = Duration::from_secs(150);

/// A way in which versions are replaced.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Full(Strategy),
    Hot,
}

const WAYS: [Way; 5] = [
    Way::Full(Strategy::Parallel),
    Way::Full(Strategy::Rolling),
    Way::Full(Strategy::TemporaryShutdown),
    Way::Full(Strategy::Member),
    Way::Hot,
];

fn story(name: &'static str, before: &[Ask], asks: &[Ask]) -> Story {
    Story { name, before: before.to_vec(), asks: asks.to_vec(), replaces: false, upgrades: false }
}

fn replacing(name: &'static str, before: &[Ask], asks: &[Ask]) -> Story {
    Story { replaces: true, ..story(name, before, asks) }
}

fn upgrading(name: &'static str, before: &[Ask], asks: &[Ask]) -> Story {
    Story { upgrades: true, ..story(name, before, asks) }
}

fn deploy(label: &str) -> Ask {
    Ask::Deploy(label.into())
}

fn stories() -> Vec<Story> {
    let (one, two, bad) = (deploy("1"), deploy("2"), deploy("3-bad"));
    let both = [one.clone(), two.clone()];
    // Nothing comes of following the store that is followed but that time passes.
    let mut late = vec![two.clone()];
    late.extend(vec![Ask::Follow; 6]);
    late.push(Ask::Cancel { queued: false });
    let one = std::slice::from_ref(&one);
    vec![
        story("first", &[], one),
        story("first, bad", &[], std::slice::from_ref(&bad)),
        replacing("full", one, std::slice::from_ref(&two)),
        replacing("full, bad", one, std::slice::from_ref(&bad)),
        upgrading("rollback", &both, &[Ask::Rollback]),
        upgrading("activation", &both, &[Ask::Activate("1".into())]),
        story("scale up", one, &[Ask::Scale(3)]),
        story("scale down", one, &[Ask::Scale(1)]),
        story("stop", one, &[Ask::Stop]),
        story("start", &[one[0].clone(), Ask::Stop], &[Ask::Start]),
        replacing("restart", one, &[Ask::Restart(None)]),
        story("restart of a place", one, &[Ask::Restart(Some(1))]),
        story("variables", one, &[Ask::Set { value: 1, later: false }]),
        upgrading("superseded", one, &[two.clone(), deploy("4")]),
        upgrading("cancelled", one, &[two.clone(), Ask::Cancel { queued: false }]),
        upgrading("cancelled late", one, &late),
        story("pause", one, &[Ask::Pause(60), Ask::Resume]),
        story("maintenance", one, &[Ask::BeginMaintenance, Ask::EndMaintenance]),
        story("freeze", one, &[Ask::Freeze, Ask::Unfreeze]),
        story("deletion", &[both[0].clone(), both[1].clone(), deploy("4")], &[Ask::Delete("1".into())]),
    ]
}

impl Story {
    /// The story by a way, and the time at which what it is about begins.
    fn scenario(&self, way: Way) -> (Scenario, Duration) {
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
        let (strategy, hot) = match way {
            Way::Full(strategy) => (strategy, false),
            Way::Hot => (Strategy::Parallel, true),
        };
        (Scenario::of(Versions { seed: 7, all: Some(strategy), hot }, disturbances), begins)
    }
}

/// What may go wrong at a point.
fn actions(point: FaultPoint) -> &'static [Action] {
    match point {
        FaultPoint::BeforeEffect(_) => &[Action::Kill, Action::Fail, Action::Lose, Action::Repeat],
        FaultPoint::BeforeCommit(_) => &[Action::Kill, Action::Fail],
        FaultPoint::DuringEffect(_) | FaultPoint::AfterEffect(_) | FaultPoint::AfterCommit(_) => {
            &[Action::Kill]
        }
    }
}

/// A story as it goes without a fault, and the numbers of the fault points that it reaches.
struct Told {
    scenario: Scenario,
    whole: Report,
    reached: Vec<(usize, FaultPoint)>,
}

fn tell(story: &Story, way: Way) -> Told {
    let (scenario, begins) = story.scenario(way);
    let mut prelude = scenario.clone();
    prelude.disturbances.retain(|it| it.at < begins);
    let skipped = if story.before.is_empty() { 0 } else { run(&prelude, false).reached.len() };
    let whole = run(&scenario, false);
    assert_eq!(whole.broken, None, "{}, {way:?}", story.name);
    // A prelude ends with one more start of the daemon, which is adopted once.
    let first = skipped.saturating_sub(2);
    let reached = whole.reached.iter().copied().enumerate().skip(first).collect();
    Told { scenario, whole, reached }
}

fn wants_all() -> bool {
    std::env::var_os("BELLROCK_TEST_ALL").is_some_and(|value| value == "1")
}

/// Those of a story's points at which faults are played: each once, or all of them.
fn chosen(told: &Told) -> Vec<(usize, FaultPoint)> {
    let mut seen = BTreeSet::new();
    let all = wants_all();
    told.reached.iter().copied().filter(|(_, point)| seen.insert(*point) || all).collect()
}

/// Plays every fault of a way.
fn play(way: Way) {
    let (mut runs, mut promised) = (0, 0);
    let goes_its_own_way = |story: &Story| story.replaces || (way == Way::Hot && story.upgrades);
    let is_due =
        |story: &Story| goes_its_own_way(story) || way == Way::Full(Strategy::Rolling) || wants_all();
    for story in stories().iter().filter(|story| is_due(story)) {
        let told = tell(story, way);
        let points = chosen(&told);
        assert!(!points.is_empty(), "{}", story.name);
        for (number, point) in points {
            for action in actions(point) {
                let at = BTreeMap::from([(number, *action)]);
                let report = run(&Scenario { at, ..told.scenario.clone() }, false);
                (runs, promised) = (runs + 1, promised + report.promised);
                let what = || format!("{}, {way:?}: {action:?} at {point} ({number})", story.name);
                assert_eq!(report.broken, None, "{}", what());
                // A daemon that dies, or an effect that is done twice, changes nothing about how a deployment ends. (A
                // command that dies with the daemon before it is durable was never given, so what follows it differs.)
                let was_given = !matches!(point, FaultPoint::BeforeCommit(EventKind::Command(_)));
                if matches!(action, Action::Kill | Action::Repeat) && was_given && story.asks.len() == 1 {
                    assert_eq!(report.ended, told.whole.ended, "{}", what());
                }
            }
        }
    }
    println!("{way:?}: {runs} runs, clients were promised instances at {promised} turns");
    assert!(runs > 300 && promised > runs, "{runs} runs, {promised} turns");
}

/// What these stories do not reach, each with its reason; the random scenarios do, but for the watchdog.
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
        EventKind::ServerErrors | EventKind::ProxyHealth => true,
        // It restarts an instance as a wish to restart does, which is here.
        EventKind::Watchdog => true,
        // Versions of these stories have no canary.
        EventKind::Command(CommandKind::Promote) | EventKind::CanaryCounts => true,
        _ => false,
    }
}

#[test]
fn parallel() {
    play(Way::Full(Strategy::Parallel));
}

#[test]
fn rolling() {
    play(Way::Full(Strategy::Rolling));
}

#[test]
fn temporary_shutdown() {
    play(Way::Full(Strategy::TemporaryShutdown));
}

#[test]
fn member() {
    play(Way::Full(Strategy::Member));
}

#[test]
fn hot() {
    play(Way::Hot);
}

/// A new effect or event is a new fault point, and this asks for a story that reaches it.
#[test]
fn every_fault_point_is_reached_by_a_story() {
    let stories = stories();
    let told = stories.iter().flat_map(|story| WAYS.map(|way| tell(story, way)));
    let reached: BTreeSet<FaultPoint> =
        told.flat_map(|told| told.reached.into_iter().map(|(_, point)| point)).collect();
    let missing: Vec<String> = FaultPoint::all()
        .filter(|point| !reached.contains(point) && !is_elsewhere(*point))
        .map(|point| point.to_string())
        .collect();
    assert!(missing.is_empty(), "no story reaches {missing:?}");
    assert!(reached.contains(&FaultPoint::DuringEffect(EffectKind::Drain)));
}
