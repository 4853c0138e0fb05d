//! Restarts that a watchdog asks for: one at a time, one in a while, however many nodes have too much of something or hang.

use std::collections::BTreeMap;

use model::InstanceId;
use model::app::{Command, Event, Level, Origin, Refused, Verdict};
use model::settings::{AppSettings, HealthAction, HealthKind, Strategy, WatchdogAction};
use model::watchdog::{Counts, Reading, State, Watchdog};

use crate::world::{Boot, World, settings, with};

/// An app with a watchdog, as the daemon puts them together.
struct Watched {
    world: World,
    watchdog: Watchdog,
    /// Seconds at which it restarted something.
    restarts: Vec<i64>,
}

impl Watched {
    fn new(mut settings: AppSettings) -> Self {
        settings.health.action.get_or_insert(HealthAction::Restart);
        Watched { world: World::with_v1(settings), watchdog: Watchdog::default(), restarts: Vec::new() }
    }

    /// Looks every 10 s for so many minutes; `percent` says what each instance has of its atoms.
    fn watch(&mut self, minutes: u64, percent: impl Fn(InstanceId) -> u64) {
        let began = self.world.now;
        for _ in 0..minutes * 6 {
            let active = self.world.app.active().expect("v1 is");
            let settings = self.world.app.revision(active).expect("v1 has one").settings.clone();
            let ready = self.world.app.instances.values().filter(|it| it.is_ready());
            let counts =
                |id| Counts { atoms: Some(Reading { count: percent(id), limit: 100 }), ..Counts::default() };
            let counted: BTreeMap<_, _> = ready.map(|it| ((it.id, it.run), counts(it.id))).collect();
            for finding in self.watchdog.look(&counted, &settings) {
                let level = match finding.state {
                    State::Well => Level::Info,
                    State::High => Level::Warning,
                    State::Exceeds => Level::Alarm,
                };
                let (instance, run) = finding.run;
                let text = finding.to_string();
                self.world.event(Event::Watchdog { instance, run, level, text }).expect("it lives");
            }
            if let Some(finding) = self.watchdog.worst(&settings.watchdog).cloned() {
                let place = self.world.app.instances[&finding.run.0].place;
                if self.restart(place.0, &finding.to_string()).is_ok() {
                    self.restarts.push(self.world.now.duration_since(began).as_secs());
                }
            }
            self.world.pass(10);
        }
    }

    fn restart(&mut self, place: u16, reason: &str) -> Result<(), Refused> {
        let deployment = self.world.next_deployment();
        let by = Origin::Watchdog { reason: reason.to_owned() };
        self.world.try_command(Command::Restart { place: Some(model::Place(place)), deployment }, by)
    }

    fn alarms(&self) -> usize {
        self.world
            .story()
            .lines()
            .filter(|line| line.contains("! instance") && line.contains("exceeds"))
            .count()
    }
}

#[test]
fn of_three_at_once_one_is_restarted_and_the_others_are_told() {
    let mut watched = Watched::new(with(|it| it.replicas = 3));
    let last = *watched.world.app.instances.keys().next_back().unwrap();
    watched.watch(5, |id| if id <= last { 95 } else { 5 });
    assert_eq!(watched.restarts, [10]);
    assert_eq!(watched.alarms(), 3, "{}", watched.world.story());
    assert!(watched.world.story().contains("restart v1 by a watchdog: exceeds with 95 atoms of 100 (95 %)"));
    watched.watch(25, |id| if id <= last { 95 } else { 5 });
    // 10 min after one another: 5 min have passed
    assert_eq!(watched.restarts, [10, 310, 910]);
    assert_eq!(watched.alarms(), 3, "each is told once");
    assert_eq!((watched.world.ready(), watched.world.fewest_ready), (3, 3));
    let forced: u64 = watched.world.app.places.values().map(|it| it.forced_restarts).sum();
    assert_eq!(forced, 3);
}

#[test]
fn one_that_exceeds_again_right_after_is_told_and_waits() {
    let mut watched = Watched::new(with(|it| it.replicas = 1));
    watched.watch(29, |_| 95);
    assert_eq!(watched.restarts, [10, 610, 1210]);
    // each of the three restarted ones, and the one that waits
    assert_eq!(watched.alarms(), 4, "{}", watched.world.story());
    assert_eq!(watched.world.fewest_ready, 1);
}

#[test]
fn of_three_at_once_that_exceed_again_right_after_one_is_restarted_in_a_while() {
    let mut watched = Watched::new(with(|it| it.replicas = 3));
    watched.watch(29, |_| 95);
    assert_eq!(watched.restarts, [10, 610, 1210]);
    let forced: Vec<u64> = watched.world.app.places.values().map(|it| it.forced_restarts).collect();
    assert_eq!(forced, [1, 1, 1], "the fresh one waits behind the others");
    // the three, and each of the fresh ones
    assert_eq!(watched.alarms(), 6, "{}", watched.world.story());
    assert_eq!(watched.world.fewest_ready, 3);
}

#[test]
fn nothing_is_restarted_while_another_place_is_not_ready() {
    let mut watched = Watched::new(with(|it| it.replicas = 2));
    watched.world.boots("1", Boot::Silent);
    let second = watched.world.in_place(2);
    watched.world.exits(second, 1);
    let refused = watched.restart(1, "exceeds").unwrap_err();
    assert_eq!(refused.to_string(), "a watchdog restarts nothing now: place 2 has no ready instance");
    assert_eq!(watched.world.app.watchdog_restarted_at, None);
}

#[test]
fn who_may_not_restart_is_refused() {
    let why = |settings, place| {
        let mut watched = Watched::new(settings);
        let deployment = watched.world.next_deployment();
        let by = Origin::Watchdog { reason: "exceeds".into() };
        watched.world.try_command(Command::Restart { place, deployment }, by).unwrap_err().to_string()
    };
    let tells = why(with(|it| it.watchdog.action = WatchdogAction::Tell), Some(model::Place(1)));
    assert_eq!(tells, "a watchdog restarts nothing now: the app's settings do not let it");
    let all = why(settings(), None);
    assert_eq!(all, "a watchdog restarts nothing now: it restarts one instance at a time");
    assert!(why(settings(), Some(model::Place(9))).starts_with("there is no place 9"));
}

#[test]
fn an_operator_is_not_held_up_and_a_watchdog_waits_for_deployments() {
    let mut watched = Watched::new(with(|it| it.replicas = 2));
    watched.restart(1, "exceeds").unwrap();
    assert!(matches!(watched.restart(2, "exceeds"), Err(Refused::Busy { .. })));
    watched.world.pass(60);
    assert!(matches!(watched.restart(2, "exceeds"), Err(Refused::WatchdogTooSoon { .. })));
    let deployment = watched.world.next_deployment();
    watched.world.command(Command::Restart { place: None, deployment });
    watched.world.pass(60);
    watched.watch(10, |_| 5);
    watched.restart(2, "exceeds").unwrap();
}

#[test]
fn members_take_turns_for_a_watchdog_too() {
    let mut watched = Watched::new(with(|it| (it.replicas, it.strategy) = (3, Strategy::Member)));
    let last = *watched.world.app.instances.keys().next_back().unwrap();
    watched.watch(30, |id| if id <= last { 95 } else { 5 });
    assert_eq!(watched.restarts.len(), 3, "{}", watched.world.story());
    assert_eq!(watched.world.fewest_ready, 2, "one at a time");
}

impl Watched {
    /// For so many minutes does what the daemon does with an instance that stays unhealthy, looking every second.
    fn heal(&mut self, minutes: u64) {
        let began = self.world.now;
        for _ in 0..minutes * 60 {
            let due = self.world.app.ailing().filter(|(_, due)| *due <= self.world.now);
            if let Some(place) = due.map(|(it, _)| it.place)
                && self.restart(place.0, "unhealthy").is_ok()
            {
                self.restarts.push(self.world.now.duration_since(began).as_secs());
            }
            self.world.pass(1);
        }
    }
}

#[test]
fn of_three_that_hang_at_once_one_is_replaced_in_a_while() {
    let mut watched = Watched::new(with(|it| it.replicas = 3));
    (1..=3).for_each(|place| watched.world.unhealthy(place));
    assert_eq!(watched.world.ready(), 0);
    watched.heal(5);
    assert_eq!((watched.restarts.as_slice(), watched.world.ready()), (&[60][..], 1));
    watched.restarts.clear();
    watched.heal(30);
    // 10 min after one another: 5 min have passed
    assert_eq!((watched.restarts.as_slice(), watched.world.ready()), (&[360, 960][..], 3));
    assert!(watched.world.story().contains("restart v1 by a watchdog: unhealthy"));
}

#[test]
fn one_that_is_well_again_in_time_is_left_alone_and_so_is_every_one_that_shall_only_be_told() {
    let mut watched = Watched::new(with(|it| (it.replicas, it.watchdog.action) = (2, WatchdogAction::Tell)));
    let first = watched.world.in_place(1);
    watched.world.unhealthy(1);
    watched.heal(0);
    watched.world.pass(59);
    watched.world.verdict(first, Verdict::Healthy);
    watched.heal(2);
    assert_eq!(watched.restarts, [0; 0]);
    watched.world.unhealthy(1);
    let refused = watched.restart(1, "unhealthy").unwrap_err().to_string();
    assert_eq!(refused, "a watchdog restarts nothing now: the app's settings do not let it");
    watched.heal(2);
    assert_eq!(watched.restarts, [60], "whatever is done about what nodes have");

    let mut watched = Watched::new(with(|it| it.health.action = Some(HealthAction::Tell)));
    watched.world.unhealthy(1);
    watched.heal(20);
    assert_eq!((watched.restarts.as_slice(), watched.world.app.ailing()), (&[][..], None));
}

#[test]
fn unless_somebody_says_so_only_a_check_of_the_node_restarts() {
    let action = |kind| with(|it| it.health.kind = Some(kind)).health_action();
    assert_eq!(action(HealthKind::Node), HealthAction::Restart);
    assert_eq!(action(HealthKind::Tcp), HealthAction::Tell);
    assert_eq!(
        with(|it| it.health.action = Some(HealthAction::Restart)).health_action(),
        HealthAction::Restart
    );
}

#[test]
fn restarts_for_health_and_for_what_a_node_has_take_turns() {
    let mut watched = Watched::new(with(|it| it.replicas = 2));
    watched.restart(1, "exceeds").unwrap();
    watched.world.pass(200);
    watched.world.unhealthy(2);
    watched.heal(10);
    assert_eq!(watched.restarts, [400], "10 min after the other");
    watched.world.pass(300);
    assert!(matches!(watched.restart(1, "exceeds"), Err(Refused::WatchdogTooSoon { .. })));
}

#[test]
fn a_state_that_does_not_say_since_when_means_for_long() {
    let mut watched = Watched::new(with(|it| it.replicas = 2));
    watched.world.unhealthy(2);
    let mut state = serde_json::to_value(&watched.world.app).unwrap();
    for (_, instance) in state["instances"].as_object_mut().unwrap() {
        instance["status"].as_object_mut().unwrap().remove("since");
    }
    watched.world.app = serde_json::from_value(state).unwrap();
    watched.restart(2, "unhealthy").unwrap();
}
