//! The decision as tables.

use super::*;
use crate::units::Size;

fn settings(change: impl FnOnce(&mut WatchdogSettings)) -> AppSettings {
    let mut settings = AppSettings::default();
    change(&mut settings.watchdog);
    settings
}

fn run(instance: u64) -> Run {
    (InstanceId(instance), 1)
}

fn atoms(count: u64) -> Counts {
    Counts { atoms: Some(Reading { count, limit: 100 }), ..Counts::default() }
}

/// What is told of one instance that has so many atoms of 100, look by look.
fn told(settings: &AppSettings, counts: &[u64]) -> Vec<String> {
    let mut watchdog = Watchdog::default();
    let look = |count: &u64| {
        let findings = watchdog.look(&BTreeMap::from([(run(1), atoms(*count))]), settings);
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    counts.iter().map(look).collect()
}

#[test]
fn a_change_is_told_once_and_a_moment_is_none() {
    let settings = settings(|_| {});
    let high = |count| format!("has {count} atoms of 100 ({count} %)");
    let exceeds = |count| format!("exceeds with {count} atoms of 100 ({count} %)");
    let well = |count| format!("is well again with {count} atoms of 100 ({count} %)");
    let none = String::new;
    assert_eq!(told(&settings, &[50, 74, 75, 80]), [none(), none(), high(75), none()]);
    assert_eq!(told(&settings, &[95, 80, 95, 96]), [high(95), none(), none(), exceeds(96)]);
    assert_eq!(told(&settings, &[95, 95, 86, 85, 86]), [high(95), exceeds(95), none(), high(85), none()]);
    assert_eq!(told(&settings, &[76, 71, 70, 74, 75]), [high(76), none(), well(70), none(), high(75)]);
    assert_eq!(told(&settings, &[95, 95, 10]), [high(95), exceeds(95), well(10)]);
}

#[test]
fn nothing_is_known_of_a_node_that_does_not_answer() {
    let settings = settings(|_| {});
    let mut watchdog = Watchdog::default();
    watchdog.look(&BTreeMap::from([(run(1), atoms(95))]), &settings);
    assert!(watchdog.look(&BTreeMap::from([(run(1), Counts::default())]), &settings).is_empty());
    assert_eq!(watchdog.look(&BTreeMap::from([(run(1), atoms(95))]), &settings).len(), 1);
    assert!(watchdog.worst(&settings.watchdog).is_some());
    // its next run begins anew
    let next = (InstanceId(1), 2);
    assert_eq!(watchdog.look(&BTreeMap::from([(next, atoms(95))]), &settings)[0].state, State::High);
    assert!(watchdog.worst(&settings.watchdog).is_none());
}

fn worst(settings: &AppSettings, counts: &[(u64, Counts)]) -> Option<(u64, Meter)> {
    let mut watchdog = Watchdog::default();
    for _ in 0..LOOKS {
        let counted = counts.iter().map(|(instance, counts)| (run(*instance), *counts)).collect();
        watchdog.look(&counted, settings);
    }
    watchdog.worst(&settings.watchdog).map(|finding| (finding.run.0.0, finding.meter))
}

#[test]
fn who_is_nearest_to_its_end_is_restarted_first() {
    let of = |count, limit| Some(Reading { count, limit });
    let counts = [
        (1, Counts { atoms: of(91, 100), ports: of(99, 1000), ..Counts::default() }),
        (2, Counts { processes: of(97, 100), atoms: of(95, 100), ..Counts::default() }),
        (3, Counts { atoms: of(89, 100), ..Counts::default() }),
    ];
    assert_eq!(worst(&settings(|_| {}), &counts), Some((2, Meter::Processes)));
    assert_eq!(worst(&settings(|it| it.act = 98), &counts), None);
    assert_eq!(worst(&settings(|it| it.action = WatchdogAction::Tell), &counts), None);
}

#[test]
fn what_has_no_limit_of_its_own_gets_it_from_the_settings() {
    let counts = Counts {
        ets_tables: Some(Reading { count: 8000, limit: 8192 }),
        memory_bytes: Some(480_000_000),
        run_queue: Some(1000),
        mailbox: Some(50_000),
        ..Counts::default()
    };
    // the limit of ETS tables is nominal
    assert_eq!(worst(&settings(|_| {}), &[(1, counts)]), None);
    assert_eq!(
        worst(&settings(|it| it.ets_tables = Some(8000)), &[(1, counts)]),
        Some((1, Meter::EtsTables))
    );
    assert_eq!(worst(&settings(|it| it.run_queue = Some(900)), &[(1, counts)]), Some((1, Meter::RunQueue)));
    assert_eq!(worst(&settings(|it| it.mailbox = Some(50_000)), &[(1, counts)]), Some((1, Meter::Mailbox)));
    let mut limited = settings(|_| {});
    limited.resources.memory = Some(Size(500_000_000));
    assert_eq!(worst(&limited, &[(1, counts)]), Some((1, Meter::Memory)));
    limited.watchdog.memory = Some(Size(1_000_000_000));
    assert_eq!(worst(&limited, &[(1, counts)]), None);
}

#[test]
fn the_largest_instance_is_restarted_for_the_host_where_that_helps() {
    let host_memory = Some(Reading { count: 95, limit: 100 });
    let of = |memory_bytes| Counts { memory_bytes: Some(memory_bytes), host_memory, ..Counts::default() };
    let other = Counts { memory_bytes: Some(40), ..Counts::default() };
    let settings = settings(|_| {});
    assert_eq!(worst(&settings, &[(1, of(50)), (2, other)]), Some((1, Meter::HostMemory)));
    assert_eq!(worst(&settings, &[(1, of(9)), (2, other)]), None);
}
