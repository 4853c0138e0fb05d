//! Restarts that the watchdog asks for: one at a time, one in a while, however many nodes have too much of something.

use std::collections::BTreeMap;

use model::InstanceId;
use model::app::{Command, Event, Level, Origin, Refused};
use model::settings::{AppSettings, Strategy, WatchdogAction};
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
    fn new(settings: AppSettings) -> Self {
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
