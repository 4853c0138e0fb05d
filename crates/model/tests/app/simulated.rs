//! What the simulator has found, each as a story.

use std::time::Duration;

use model::Place;
use model::app::{Command, Effect, Outcome, Refused, ShimFact, Wish};
use model::settings::{AppSettings, Strategy};

use crate::world::{Reply, World, label, with};

fn rolling(replicas: u16) -> AppSettings {
    with(|it| (it.replicas, it.strategy) = (replicas, Strategy::Rolling))
}

fn is_stage(effect: &Effect) -> bool {
    matches!(effect, Effect::Stage { .. })
}

/// The shim of place 1 dies, and what it may have left cannot be ended.
fn lose_sight_of_place_1(world: &mut World) {
    world.script(|_, effect| match effect {
        Effect::Stop { .. } => Reply::Fail("pid 4121 is in state D"),
        _ => Reply::Ok,
    });
    world.kill_shim(1);
    world.script(|_, _| Reply::Ok);
    assert!(world.app.places[&Place(1)].unknown.is_some());
}

#[test]
fn nothing_is_started_where_an_instance_may_still_run_by_no_strategy() {
    for strategy in [Strategy::Parallel, Strategy::Rolling, Strategy::TemporaryShutdown] {
        let mut world = World::with_v1(rolling(1));
        world.command(Command::Follow);
        lose_sight_of_place_1(&mut world);
        world.store_names("2", with(|it| (it.replicas, it.strategy) = (1, strategy))).unwrap();
        world.pass(100);
        assert_eq!(world.app.living(Place(1)).count(), 0, "{strategy:?}: {}", world.story());
        world.pass(3_000);
        assert!(world.app.deployment.is_none(), "{strategy:?}: it ends all the same");
        assert_eq!(world.app.living(Place(1)).count(), 0, "{strategy:?}: {}", world.story());
    }
}

#[test]
fn whoever_asked_before_an_instance_could_not_be_stopped_has_not_looked() {
    let mut world = World::with_v1(rolling(1));
    world.script(|_, effect| if is_stage(effect) { Reply::Hold } else { Reply::Ok });
    world.deploy("2", rolling(1));
    world.deploy("3", rolling(1));
    world.settle();
    lose_sight_of_place_1(&mut world);
    world.release(is_stage, Outcome::Ok { detail: None });
    world.pass(100);
    assert!(world.app.places[&Place(1)].unknown.is_some(), "{}", world.story());
    assert_eq!(world.app.living(Place(1)).count(), 0, "{}", world.story());
}

#[test]
fn empty_place_that_a_deployment_takes_away_stays_empty() {
    let one = |replicas| with(|it| (it.replicas, it.strategy) = (replicas, Strategy::TemporaryShutdown));
    let mut world = World::with_v1(one(2));
    world.script(|_, effect| match effect {
        Effect::Create { .. } => Reply::Fail("no space left on device"),
        _ => Reply::Ok,
    });
    world.kill_shim(2);
    world.script(|_, effect| if is_stage(effect) { Reply::Hold } else { Reply::Ok });
    let id = world.deploy("2", one(1));
    world.settle();
    world.release(is_stage, Outcome::Ok { detail: None });
    world.script(|_, _| Reply::Ok);
    world.pass(300);
    assert_eq!(world.ended(id.0), "committed", "{}", world.story());
    assert_eq!(world.app.living(Place(2)).count(), 0, "one version is left: {}", world.story());
}

#[test]
fn version_whose_package_is_being_removed_is_not_deployed_before_it_is_gone() {
    let mut world = World::with_v1(rolling(1));
    for version in ["2", "3"] {
        world.deploy(version, rolling(1));
        world.pass(300);
    }
    let is_forget = |effect: &Effect| matches!(effect, Effect::Forget { .. });
    world.script(move |_, effect| if is_forget(effect) { Reply::Hold } else { Reply::Ok });
    world.command(Command::Delete { version: label("1") });
    world.settle();
    let deploy = |world: &mut World| {
        let deployment = world.next_deployment();
        let version = Box::new(World::package("1", rolling(1)));
        world.try_command(Command::Deploy { version, wish: Wish::default(), deployment }, World::operator())
    };
    assert_eq!(deploy(&mut world), Err(Refused::BeingRemoved { version: label("1") }));
    world.release(is_forget, Outcome::Ok { detail: None });
    assert_eq!(deploy(&mut world), Ok(()));
}

#[test]
fn instance_whose_drain_cannot_be_watched_keeps_the_time_that_a_drain_may_take() {
    let proxied =
        || AppSettings { replicas: 1, drain_timeout: Duration::from_secs(20), ..AppSettings::default() };
    let mut world = World::with_v1(proxied());
    world.script(|_, effect| match effect {
        Effect::Drain { .. } => Reply::Fail("the proxy answered nonsense"),
        _ => Reply::Ok,
    });
    world.deploy("2", proxied());
    world.pass(15);
    assert!(world.story().contains("could not be drained: the proxy answered nonsense"), "{}", world.story());
    let draining = |world: &World| world.app.instances.values().filter(|it| it.is_draining()).count();
    assert_eq!(draining(&world), 1, "what is in flight in it may end: {}", world.story());
    world.pass(30);
    assert_eq!(draining(&world), 0, "{}", world.story());
    assert_eq!(world.places(), "1b v2 ready");
}

/// Version 2 is turned back while it is not known whether the old instance of place 1 has ended.
fn turned_back_beside_an_unknown_instance(replicas: u16) -> (World, u64) {
    let mut world = World::with_v1(rolling(replicas));
    world.script(|_, effect| match effect {
        Effect::Stop { instance } if instance.0 == 1 => Reply::Unknown("its shim did not answer"),
        _ => Reply::Ok,
    });
    let id = world.deploy("2", rolling(replicas));
    for _ in 0..100 {
        if world.app.places[&Place(1)].unknown.is_some() {
            break;
        }
        world.pass(1);
    }
    assert!(world.app.deployment.is_some(), "{}", world.story());
    let deployment = world.next_deployment();
    world.command(Command::Rollback { wish: Wish::default(), deployment });
    world.pass(300);
    (world, id.0)
}

#[test]
fn way_back_ends_although_nothing_can_be_started_in_a_place() {
    let (world, id) = turned_back_beside_an_unknown_instance(2);
    assert_eq!(world.ended(id), "rolled back", "{}", world.story());
    assert_eq!(world.places(), "2a v1 ready", "{}", world.story());
}

#[test]
fn last_instance_that_serves_is_not_ended_for_one_that_nobody_may_start() {
    let (world, id) = turned_back_beside_an_unknown_instance(1);
    assert_eq!(world.ended(id), "rollback failed", "{}", world.story());
    assert_eq!(world.places(), "1b v2 ready", "{}", world.story());
    assert!(world.app.stuck.is_some());
}

#[test]
fn watch_window_ends_although_nobody_may_start_anything_in_a_place() {
    let mut world = World::with_v1(rolling(2));
    let id = world.deploy(
        "2",
        with(|it| {
            (it.replicas, it.strategy) = (2, Strategy::Rolling);
            it.watch_window = Duration::from_secs(60);
        }),
    );
    world.pass(30);
    assert!(world.app.deployment.as_ref().is_some_and(|it| it.is_serving()), "{}", world.story());
    lose_sight_of_place_1(&mut world);
    world.pass(60);
    assert_eq!(world.ended(id.0), "committed", "{}", world.story());
    assert_eq!(world.places(), "2b v2 ready", "{}", world.story());
}

#[test]
fn tree_of_an_instance_that_may_still_run_is_not_removed() {
    let (world, _) = turned_back_beside_an_unknown_instance(2);
    let unknown = world.app.places[&Place(1)].unknown.unwrap();
    assert!(world.app.instances.contains_key(&unknown), "{}", world.story());
}

#[test]
fn canary_that_is_lost_where_nothing_may_be_started_leads_back() {
    let mut world = World::with_v1(crate::world::canary());
    let id = world.deploy("2", crate::world::canary());
    world.pass(3);
    let of_new = world.app.deployment.as_ref().unwrap().lanes[&Place(1)].new.unwrap();
    world.script(|_, effect| match effect {
        Effect::Stop { .. } => Reply::Fail("pid 4121 is in state D"),
        _ => Reply::Ok,
    });
    world.shim(of_new, ShimFact::Gone);
    world.settle();
    world.script(|_, _| Reply::Ok);
    world.pass(60);
    assert_eq!(world.ended(id.0), "rolled back", "{}", world.story());
    assert!(world.app.version_called(&label("2")).is_some_and(|it| it.ghost.is_none()));
}
