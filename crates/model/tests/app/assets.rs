//! Whose files stand in where an instance says 404, and until when.

use model::app::Status;
use model::settings::{AppSettings, Strategy};

use crate::traffic::{hold, is_drain, of, ok};
use crate::world::{World, seconds};

const KEEP: i64 = 3600;

fn with_assets(change: impl FnOnce(&mut AppSettings)) -> AppSettings {
    of(|it| {
        it.replicas = 2;
        it.assets.prefixes = vec!["/assets".into()];
        change(it);
    })
}

fn settings() -> AppSettings {
    with_assets(|_| ())
}

/// The versions that the route names, with the seconds that they have left.
fn given(world: &World) -> String {
    let Some(assets) = world.app.route().and_then(|route| route.assets) else { return "none".into() };
    assert_eq!((assets.prefixes, assets.folder.as_str()), (vec!["/assets".into()], "lib/*/priv/static"));
    let one = |of: &model::app::AssetsOf| match of.until {
        Some(until) => format!("v{} for {} s", of.label, until.duration_since(world.now).as_secs()),
        None => format!("v{}", of.label),
    };
    assets.versions.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn from_the_switch_on_and_for_a_while_after_the_last_one_has_drained() {
    let mut world = World::with_v1(settings());
    assert_eq!(given(&world), "none", "one version alone gives its files itself");
    hold(&mut world, is_drain);
    world.deploy("2", settings());
    world.pass(3);
    assert_eq!(given(&world), "v2, v1", "what drains may still send pages");
    world.release(is_drain, ok());
    world.settle();
    assert_eq!(given(&world), format!("v2, v1 for {KEEP} s"));
    world.pass(KEEP - 2);
    assert_eq!(given(&world), "v2, v1 for 2 s");
    world.pass(3);
    assert_eq!((given(&world).as_str(), world.app.assets.len()), ("none", 1));
    assert_eq!(world.app.routing.applied, world.app.route(), "the proxy was told");
}

#[test]
fn while_places_are_replaced_one_after_another_each_version_has_the_others_files() {
    let rolling = || with_assets(|it| it.strategy = Strategy::Rolling);
    let mut world = World::with_v1(rolling());
    world.deploy("2", rolling());
    let mut seen = Vec::new();
    for _ in 0..10 {
        world.pass(1);
        let ready = |it: &&model::app::Instance| it.status == Status::Ready;
        if world.app.instances.values().filter(ready).count() == 2 {
            seen.push(given(&world));
        }
    }
    assert!(seen.contains(&"v2, v1".to_owned()), "{seen:?}");
    assert!(seen.last().unwrap().starts_with("v2, v1 for "), "{seen:?}");
}

#[test]
fn after_a_rollback_those_of_the_version_that_was_taken_back() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(4);
    for _ in 0..3 {
        world.crash(1);
        world.pass(2);
    }
    world.pass(30);
    assert!(world.places().contains("v1 ready"), "{}", world.places());
    assert!(given(&world).starts_with("v2 for "), "{}", given(&world));
    assert!(given(&world).ends_with(", v1"), "{}", given(&world));
}

#[test]
fn a_version_that_serves_again_does_not_end() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(200);
    world.activate("1");
    world.pass(200);
    assert_eq!(given(&world), format!("v2 for {} s, v1", remaining(&world)));
    world.pass(KEEP);
    assert_eq!(given(&world), "none");
    assert!(world.app.assets.iter().all(|it| it.until.is_none()), "{:?}", world.app.assets);
}

fn remaining(world: &World) -> i64 {
    let until = world.app.assets.iter().find_map(|it| it.until).expect("one has ended");
    until.duration_since(world.now).as_secs()
}

#[test]
fn who_says_no_prefix_has_none_and_keeps_nothing_in_mind() {
    let mut world = World::with_v1(of(|it| it.replicas = 1));
    assert_eq!(world.app.assets, []);
    world.deploy("2", with_assets(|it| it.replicas = 1));
    world.pass(200);
    assert!(
        given(&world).starts_with("v2, v1 for "),
        "the version before drained after the switch: {}",
        given(&world)
    );
    world.deploy("3", of(|it| it.replicas = 1));
    world.pass(200);
    assert_eq!((given(&world).as_str(), world.app.assets.len()), ("none", 0));
}

#[test]
fn many_versions_in_a_short_time_are_bounded() {
    let mut world = World::with_v1(settings());
    for version in 2..=12 {
        world.deploy(&version.to_string(), with_assets(|it| it.watch_window = seconds(1)));
        world.pass(10);
    }
    let given = given(&world);
    assert!(given.starts_with("v12, v11 for "), "{given}");
    assert_eq!(given.split(", ").count(), 8, "{given}");
}
