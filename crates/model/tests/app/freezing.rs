//! What a freeze refuses, and what it does not.

use insta::assert_snapshot;
use model::Place;
use model::app::{Command, Origin, Refused, Wish};
use model::settings::{AppSettings, Autoscale};

use crate::world::{World, with};

fn one() -> AppSettings {
    with(|it| {
        (it.replicas, it.max) = (1, Some(3));
        it.autoscale = Autoscale { cpu: Some(70), ..Autoscale::default() };
    })
}

fn freeze(minutes: Option<i64>, world: &mut World) {
    let until = minutes.map(|minutes| world.now + jiff::SignedDuration::from_mins(minutes));
    world.command(Command::Freeze { reason: "the sale".into(), until });
}

/// Versions 1 and 2 were committed; 2 is active.
fn frozen(minutes: Option<i64>) -> World {
    let mut world = World::with_v1(one());
    world.deploy("2", one());
    world.pass(200);
    world.forget();
    freeze(minutes, &mut world);
    world
}

#[test]
fn whatever_changes_the_app_is_refused_with_who_and_why() {
    let mut world = frozen(None);
    assert_snapshot!(world.last_line(), @"0   frozen by ada: the sale");
    let by_load = Origin::Autoscaler { reason: "1 → 2".into() };
    let deployment = world.next_deployment();
    let label = |text: &str| text.parse().unwrap();
    let version = || Box::new(World::package("3", one()));
    let name = "B".parse().unwrap();
    let changes = [(name, Some("1".parse().unwrap()))].into();
    let asked = [
        (Command::Deploy { version: version(), wish: Wish::default(), deployment }, World::operator()),
        (Command::Deploy { version: version(), wish: Wish::default(), deployment }, Origin::Store),
        (
            Command::Activate { version: label("1"), settings: None, wish: Wish::default(), deployment },
            World::operator(),
        ),
        (Command::PinTo { version: label("1"), deployment }, World::operator()),
        (Command::SetVariables { changes, later: false, deployment }, World::operator()),
        (Command::Scale { replicas: 2, deployment }, by_load),
    ];
    let before = world.app.clone();
    for (command, by) in asked {
        let refused = world.try_command(command, by).unwrap_err();
        assert_eq!(refused.to_string(), "the app is frozen by ada: the sale");
    }
    assert_eq!(world.app, before);
    world.command(Command::Unfreeze);
    assert_eq!(world.try_command(Command::Unfreeze, World::operator()), Err(Refused::NotFrozen));
    world.deploy("3", one());
}

#[test]
fn what_keeps_it_running_goes_on() {
    let mut world = frozen(None);
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: Some(Place(1)), deployment });
    world.pass(10);
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 2, deployment });
    world.pass(10);
    world.kill_shim(1);
    world.pass(60);
    assert_eq!(world.ready(), 2, "a lost instance is made anew");
    let deployment = world.next_deployment();
    world.command(Command::Rollback { wish: Wish::default(), deployment });
    world.pass(200);
    assert!(world.places().contains("v1 ready") && !world.places().contains("v2"), "{}", world.places());
    assert!(world.app.frozen.is_some());
}

#[test]
fn what_runs_goes_on_and_what_waits_for_it_is_dropped() {
    let mut world = World::with_v1(one());
    world.deploy("2", one());
    world.pass(10);
    let waiting = world.deploy("3", one());
    freeze(None, &mut world);
    world.pass(300);
    assert_eq!(world.ended(waiting.0), "failed");
    assert!(
        world.story().contains("dropped from the queue: the app is frozen by ada: the sale"),
        "{}",
        world.story()
    );
}

#[test]
fn it_ends_by_itself() {
    let mut world = frozen(Some(10));
    let deployment = world.next_deployment();
    world.refused(Command::Activate {
        version: "1".parse().unwrap(),
        settings: None,
        wish: Wish::default(),
        deployment,
    });
    assert!(
        world.last_line().contains("refused: the app is frozen by ada until 20"),
        "{}",
        world.last_line()
    );
    world.pass(601);
    assert_snapshot!(world.last_line(), @"600   no longer frozen: its time is over (it was: the sale)");
    assert_eq!((world.app.frozen.as_ref(), world.app.wake_at()), (None, None));
    let over = Command::Freeze { reason: "late".into(), until: Some(world.now) };
    assert!(matches!(world.try_command(over, World::operator()), Err(Refused::Past { .. })));
}

#[test]
fn who_froze_it_is_told_without_a_name_too() {
    for (by, who) in [
        (Origin::Operator { uid: 1000, user: Some("ada".into()) }, "ada"),
        (Origin::Operator { uid: 1000, user: None }, "uid 1000"),
        (Origin::Store, "the store"),
        (Origin::Autoscaler { reason: "1 → 2".into() }, "the load"),
    ] {
        assert_eq!(by.to_string(), who);
    }
    let mut world = World::with_v1(one());
    let freeze = Command::Freeze { reason: "the sale".into(), until: None };
    world.try_command(freeze, Origin::Operator { uid: 1000, user: None }).unwrap();
    let deployment = world.next_deployment();
    let version = Box::new(World::package("3", one()));
    world.refused(Command::Deploy { version, wish: Wish::default(), deployment });
    assert_snapshot!(world.last_line(), @"0 refused: the app is frozen by uid 1000: the sale");
}
