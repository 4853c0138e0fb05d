//! The decision as tables and laws.

use proptest::prelude::*;

use super::*;
use crate::units::Size;

const RANGE: RangeInclusive<u16> = 2..=6;

fn by_cpu() -> Autoscale {
    Autoscale { cpu: Some(70), ..Autoscale::default() }
}

/// Thousandths of a core that all use together, one for each collection, the last one now.
fn window(settings: &Autoscale, figures: &[Figures]) -> (Window, Duration) {
    let mut window = Window::new(Duration::ZERO);
    // Long after the last deployment.
    let mut at = Duration::from_secs(3600);
    for figures in figures {
        at += settings.collect;
        window.collect(at, *figures, settings);
    }
    (window, at)
}

fn cpu(figures: &[u64]) -> Vec<Figures> {
    figures.iter().map(|it| Figures { cpu: Some(*it), ..Figures::default() }).collect()
}

fn check(settings: &Autoscale, places: u16, figures: &[Figures], advice: Option<&str>) {
    let (window, at) = window(settings, figures);
    let decided = window.decide(at, places, &RANGE, settings).map(|it| it.reason);
    assert_eq!(decided.as_deref(), advice, "{places} places, {figures:?}");
}

#[test]
fn up_by_as_many_as_are_needed() {
    let check = |places, figures: &[u64], advice| check(&by_cpu(), places, &cpu(figures), advice);
    check(3, &[2610, 2610, 2610], Some("3 → 4: CPU p50 of 20 s 87 % > 70 %"));
    check(3, &[4000, 4000, 4000], Some("3 → 6: CPU p50 of 20 s 133 % > 70 %"));
    check(3, &[9000, 9000, 9000], Some("3 → 6: CPU p50 of 20 s 300 % > 70 %"));
    check(2, &[9000, 9000, 9000], Some("2 → 4: CPU p50 of 20 s 450 % > 70 %"));
    check(3, &[2100, 2100, 2100], None);
    check(6, &[9000, 9000, 9000], None);
}

#[test]
fn up_only_when_most_of_the_window_says_so() {
    let check = |figures: &[u64], advice| check(&by_cpu(), 3, &cpu(figures), advice);
    check(&[2000, 2000, 2700], None);
    check(&[2000, 2700, 2700], Some("3 → 4: CPU p50 of 20 s 90 % > 70 %"));
    check(&[2700, 2700], None);
    check(&[], None);
}

#[test]
fn down_by_one_when_the_rest_would_have_some_to_spare() {
    let check = |places, figures: &[u64], advice| check(&by_cpu(), places, &cpu(figures), advice);
    // Two places at 80 % of 70 % each.
    check(3, &[1120; 7], Some("3 → 2: CPU p90 of 1 min 37 % ≤ 37 %"));
    check(3, &[1121; 7], None);
    check(6, &[0; 7], Some("6 → 5: CPU p90 of 1 min 0 % ≤ 47 %"));
    check(2, &[0; 7], None);
    check(3, &[0; 6], None);
    check(3, &[0, 0, 0, 0, 0, 2000, 0], None);
}

#[test]
fn every_figure_must_allow_it_and_any_may_ask() {
    let both = Autoscale { memory: Some(Size(500)), requests: Some(10), ..by_cpu() };
    let with = |memory, requests| Figures { cpu: Some(10), memory, requests, ..Figures::default() };
    check(&both, 3, &[with(Some(1600), Some(0)); 7], Some("3 → 4: memory p50 of 20 s 533 B > 500 B"));
    check(
        &both,
        3,
        &[with(Some(100), Some(35_000)); 7],
        Some("3 → 4: requests p50 of 20 s 11.6 requests/s > 10.0 requests/s"),
    );
    check(&both, 3, &[with(Some(1000), Some(0)); 7], None);
    check(&both, 3, &[with(Some(100), None); 7], None);
    let all = "3 → 2: CPU p90 of 1 min 0 % ≤ 37 %, memory p90 of 1 min 33 B ≤ 266 B, \
               requests p90 of 1 min 0.0 requests/s ≤ 5.3 requests/s";
    check(&both, 3, &[with(Some(100), Some(0)); 7], Some(all));
}

#[test]
fn what_nodes_say_counts_like_the_rest() {
    let nodes =
        Autoscale { run_queue: Some(2), node_memory: Some(Size(400_000_000)), ..Autoscale::default() };
    let with = |waiting, megabytes: u64| Figures {
        run_queue: Some(waiting),
        node_memory: Some(megabytes * 1_000_000),
        ..Figures::default()
    };
    check(
        &nodes,
        3,
        &[with(7_500, 300); 7],
        Some("3 → 4: run queue p50 of 20 s 2.5 per scheduler > 2.0 per scheduler"),
    );
    check(&nodes, 3, &[with(0, 1500); 7], Some("3 → 4: node memory p50 of 20 s 500 MB > 400 MB"));
    let down = "3 → 2: run queue p90 of 1 min 0.1 per scheduler ≤ 1.0 per scheduler, \
                node memory p90 of 1 min 100 MB ≤ 213 MB";
    check(&nodes, 3, &[with(500, 300); 7], Some(down));
    check(&nodes, 3, &[with(500, 700); 7], None);
}

#[test]
fn what_is_unknown_decides_nothing() {
    let unknown = Figures::default();
    check(&by_cpu(), 3, &[unknown; 10], None);
    let gap = [cpu(&[9000]), vec![unknown], cpu(&[9000])].concat();
    check(&by_cpu(), 3, &gap, None);
    check(&Autoscale::default(), 3, &cpu(&[9000; 10]), None);
}

#[test]
fn nothing_before_the_cool_down_is_over_and_nothing_from_before_it_counts() {
    let settings = by_cpu();
    let (mut window, mut at) = window(&settings, &cpu(&[9000; 10]));
    assert!(window.decide(at, 3, &RANGE, &settings).is_some());
    window.rest(at);
    for (seconds, decides) in [(10, false), (20, false), (30, true)] {
        at += settings.collect;
        window.collect(at, Figures { cpu: Some(9000), ..Figures::default() }, &settings);
        assert_eq!(window.decide(at, 3, &RANGE, &settings).is_some(), decides, "after {seconds} s");
    }
}

#[test]
fn the_newest_figures_are_shown_for_one_instance() {
    let settings = Autoscale { requests: Some(10), ..by_cpu() };
    let (window, _) = window(&settings, &cpu(&[100, 2100]));
    let looks = window.looks(3, &settings);
    assert_eq!(looks[0], Look { metric: Metric::Cpu, now: Some(700), target: 700 });
    assert_eq!(looks[1], Look { metric: Metric::Requests, now: None, target: 10_000 });
}

proptest! {
    /// Whatever is seen: never out of the range (nor further out of it), never more than twice as many, never more than
    /// one fewer, and never a change back by the very figures that led to it.
    #[test]
    fn laws(
        figures in proptest::collection::vec(proptest::option::of(0u64..20_000), 0..40),
        places in 1u16..12,
        low in 1u16..6,
        more in 0u16..6,
        target in 1u32..300,
        (up, down) in (1u8..=100, 1u8..=100),
    ) {
        let settings = Autoscale { cpu: Some(target), up_percentile: up, down_percentile: down, ..Autoscale::default() };
        let range = low..=low + more;
        let all: Vec<Figures> = figures.iter().map(|cpu| Figures { cpu: *cpu, ..Figures::default() }).collect();
        let (window, at) = window(&settings, &all);
        prop_assert!(window.samples.len() <= 8, "bounded by the longest window");
        if let Some(Advice { places: to, .. }) = window.decide(at, places, &range, &settings) {
            prop_assert!(to != places);
            prop_assert!(to <= places || (to <= *range.end() && to <= 2 * places));
            prop_assert!(to >= places || (to >= *range.start() && to == places - 1));
        }
    }

    /// A steady load comes to rest, and at a number of places that bears it.
    #[test]
    fn a_steady_load_comes_to_rest(load in 0u64..10_000, target in 10u32..300, mut places in 1u16..20) {
        let settings = Autoscale { cpu: Some(target), ..Autoscale::default() };
        let range = 1..=2000;
        let (window, at) = window(&settings, &cpu(&[load; 8]));
        let mut changes = 0;
        let mut turns = 0;
        let mut rose = None;
        while let Some(advice) = window.decide(at, places, &range, &settings) {
            let rises = advice.places > places;
            turns += u32::from(rose.is_some_and(|rose| rose != rises));
            (rose, places, changes) = (Some(rises), advice.places, changes + 1);
            prop_assert!(changes < 2000 && turns == 0, "to and fro at {places}");
        }
        prop_assert!(load <= u64::from(places) * u64::from(target) * 10);
    }
}
