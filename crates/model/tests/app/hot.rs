//! Deployments that take running instances to another version.

use insta::assert_snapshot;
use model::DeploymentId;
use model::app::{Command, Effect, Event, Outcome, Verdict, Way, Wish};
use model::settings::{AppSettings, Strategy, UpgradeMode};

use crate::world::{Reply, World, web};

fn auto() -> AppSettings {
    AppSettings { upgrade: UpgradeMode::Auto, ..web() }
}

fn wish(way: Way) -> Wish {
    Wish { way, ..Wish::default() }
}

fn deploy(world: &mut World, way: Way, settings: AppSettings) {
    let deployment = world.next_deployment();
    let version = Box::new(World::package("2", settings));
    world.command(Command::Deploy { version, wish: wish(way), deployment });
}

/// Version 1 serves; version 2 is taken in hot, under a script.
fn hot(script: impl FnMut(&model::app::App, &Effect) -> Reply + 'static) -> World {
    let mut world = World::with_v1(auto());
    world.script(script);
    world.deploy("2", auto());
    world
}

fn all_well() -> World {
    hot(|_, _| Reply::Ok)
}

fn is_upgrade_of(place: u16) -> impl Fn(&model::app::App, &Effect) -> bool {
    move |app, effect| matches!(effect, Effect::Upgrade { instance, .. } if app.instances[instance].place.0 == place)
}

fn is_ghosted(world: &World) -> bool {
    world
        .app
        .version_called(&"2".parse().expect("it is a label"))
        .is_some_and(|version| version.ghost.is_some())
}

#[test]
fn one_instance_after_another_and_the_first_is_the_gate() {
    let mut world = all_well();
    world.pass(4);
    assert_eq!(world.places(), "1a v2 ready, 2a v1 ready, 3a v1 ready");
    world.pass(2);
    assert_eq!(world.places(), "1a v2 ready, 2a v2 ready, 3a v2 ready");
    world.pass(130);
    assert_snapshot!(world.story());
    assert_eq!((world.ended(2), world.fewest_ready, world.fewest_offered), ("committed", 3, 3));
    assert!(world.app.instances.values().all(|it| it.hot.is_none() && it.run == 1 && it.upgrades == 1));
    assert!(world.records[&DeploymentId(2)].is_hot());
    world.crash(1);
    world.verdict(world.in_place(1), Verdict::Ready);
    assert_eq!(
        world.places(),
        "1a v2 ready, 2a v2 ready, 3a v2 ready",
        "the next start is of the new version"
    );
}

#[test]
fn where_the_plan_says_no_it_is_a_full_deployment() {
    let mut world = hot(|_, effect| match effect {
        Effect::Plan { .. } => Reply::Fail("OTP changes (BR-H001)"),
        _ => Reply::Ok,
    });
    world.pass(300);
    assert_snapshot!(world.story());
    assert_eq!(
        (world.ended(2), world.places().as_str()),
        ("committed", "1b v2 ready, 2b v2 ready, 3b v2 ready")
    );
    assert!(!world.records[&DeploymentId(2)].is_hot());
}

#[test]
fn who_wants_it_hot_or_not_at_all_gets_nothing_else() {
    let mut world = World::with_v1(web());
    world.script(|_, effect| match effect {
        Effect::Plan { .. } => Reply::Fail("OTP changes (BR-H001)"),
        _ => Reply::Ok,
    });
    deploy(&mut world, Way::Hot, web());
    world.pass(1);
    assert_snapshot!(world.story());
    assert_eq!((world.ended(2), is_ghosted(&world)), ("failed", false));
}

#[test]
fn the_wish_goes_before_the_settings() {
    for (way, settings, is_hot) in [
        (Way::AsSet, web(), false),
        (Way::AsSet, auto(), true),
        (Way::Full, auto(), false),
        (Way::Auto, web(), true),
        (Way::Hot, web(), true),
    ] {
        let mut world = World::with_v1(settings.clone());
        deploy(&mut world, way, settings);
        world.pass(300);
        assert_eq!(
            (world.ended(2), world.records[&DeploymentId(2)].is_hot()),
            ("committed", is_hot),
            "{way:?}"
        );
    }
}

#[test]
fn strategies_and_numbers_of_places_that_forbid_it() {
    let canary = || AppSettings { canary: crate::world::canary().canary, ..auto() };
    for (settings, is_hot) in [
        (AppSettings { replicas: 2, ..auto() }, false),
        (AppSettings { strategy: Strategy::TemporaryShutdown, ..auto() }, false),
        (AppSettings { strategy: Strategy::Rolling, ..auto() }, true),
        (canary(), false),
    ] {
        let mut world = World::with_v1(auto());
        world.deploy("2", settings);
        world.pass(3000);
        assert_eq!((world.ended(2), world.records[&DeploymentId(2)].is_hot()), ("committed", is_hot));
    }
}

#[test]
fn an_instance_that_refuses_makes_it_full() {
    let mut world = hot(|app, effect| match is_upgrade_of(2)(app, effect) {
        true => Reply::Fail("<0.99.0> uses the code before the last (BR-H060)"),
        false => Reply::Ok,
    });
    world.pass(300);
    assert_snapshot!(world.story());
    assert_eq!((world.ended(2), world.fewest_offered), ("committed", 3));
}

#[test]
fn an_instance_of_which_nobody_knows_what_it_runs_is_replaced() {
    for way in [Way::Auto, Way::Hot] {
        let mut world = World::with_v1(web());
        world.script(|app, effect| match is_upgrade_of(2)(app, effect) {
            true => Reply::Unknown("no answer"),
            false => Reply::Ok,
        });
        deploy(&mut world, way, web());
        world.pass(300);
        let after = match way {
            Way::Hot => ("rolled back", "1a v1 ready, 2b v1 ready, 3a v1 ready"),
            _ => ("committed", "1b v2 ready, 2b v2 ready, 3b v2 ready"),
        };
        assert_eq!((world.ended(2), world.places().as_str()), after, "{}", world.story());
        assert_eq!((world.fewest_offered, is_ghosted(&world)), (3, false), "{}", world.story());
    }
}

#[test]
fn a_crash_while_it_is_watched_takes_all_back() {
    let mut world = all_well();
    world.pass(20);
    world.crash(2);
    world.verdict(world.in_place(2), Verdict::Ready);
    assert_snapshot!(world.story());
    assert_eq!((world.ended(2), is_ghosted(&world)), ("rolled back", true));
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    assert!(world.app.instances.values().all(|it| it.hot.is_none()));
}

#[test]
fn errors_and_failing_checks_take_all_back() {
    let mut failing = all_well();
    failing.pass(20);
    failing.unhealthy(3);
    failing.pass(1);
    let mut errors = all_well();
    errors.pass(20);
    let target = errors.app.deployment.as_ref().and_then(|it| it.to).unwrap();
    errors.event(Event::ServerErrors { target, reason: "5 % of 900 answers are 5xx".into() }).unwrap();
    errors.settle();
    for world in [failing, errors] {
        assert_eq!((world.ended(2), is_ghosted(&world)), ("rolled back", true), "{}", world.story());
        assert!(world.app.instances.values().all(|it| it.hot.is_none() && it.run == 1));
    }
}

#[test]
fn what_cannot_be_taken_back_is_replaced_beside_it() {
    let mut world = hot(|_, effect| match effect {
        Effect::Undo { .. } => Reply::Fail("a process does not answer"),
        _ => Reply::Ok,
    });
    world.pass(20);
    world.unhealthy(3);
    world.pass(60);
    assert_snapshot!(world.story());
    assert_eq!(
        (world.ended(2), world.places().as_str()),
        ("rolled back", "1b v1 ready, 2b v1 ready, 3a v1 ready")
    );
    assert_eq!(world.fewest_offered, 2, "the one that fails its check is offered nothing");
}

#[test]
fn an_upgrade_that_cannot_be_made_lasting_is_deployed_in_full() {
    let mut world = hot(|app, effect| match effect {
        Effect::Settle { instance, .. } if app.instances[instance].place.0 == 2 => {
            Reply::Fail("no space left")
        }
        _ => Reply::Ok,
    });
    world.pass(400);
    assert_snapshot!(world.story());
    assert_eq!((world.ended(2), world.fewest_offered), ("committed", 3));
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready");
}

#[test]
fn a_reboot_before_the_commit_is_a_start_of_the_old_version() {
    for seconds in [2, 20] {
        let mut world = all_well();
        world.pass(seconds);
        world.reboot();
        world.pass(60);
        assert_eq!((world.ended(2), is_ghosted(&world)), ("rolled back", false), "{}", world.story());
        assert!(world.places().contains("v1 ready") && !world.places().contains("v2"), "{}", world.places());
    }
}

#[test]
fn given_up_while_an_instance_is_upgraded_it_is_taken_back() {
    let mut world = hot(|app, effect| if is_upgrade_of(2)(app, effect) { Reply::Hold } else { Reply::Ok });
    world.pass(10);
    world.command(Command::Cancel { deployment: DeploymentId(2) });
    world.pass(10);
    assert_eq!(world.ended(2), "rolling back", "the node is not left alone with half an upgrade");
    world.release(|_| true, Outcome::Upgraded { undo: true, detail: None });
    assert_snapshot!(world.story());
    assert_eq!(
        (world.ended(2), world.places().as_str()),
        ("cancelled", "1a v1 ready, 2a v1 ready, 3a v1 ready")
    );
}

#[test]
fn an_instance_lost_or_not_ready_before_its_turn_makes_it_full() {
    for lose in [World::kill_shim as fn(&mut World, u16), World::unhealthy] {
        let mut world = all_well();
        world.pass(2);
        lose(&mut world, 3);
        world.pass(300);
        assert_eq!(world.ended(2), "committed", "{}", world.story());
        assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready", "{}", world.story());
    }
}

#[test]
fn a_newer_version_takes_its_place() {
    let mut world = all_well();
    world.pass(2);
    world.deploy("3", auto());
    world.pass(300);
    assert_eq!((world.ended(2), world.ended(3)), ("superseded", "committed"), "{}", world.story());
    assert!(world.records[&DeploymentId(3)].is_hot());
}

#[test]
fn an_instance_that_was_upgraded_often_should_be_started_anew() {
    let mut world = World::with_v1(auto());
    for version in 2..12 {
        world.deploy(&version.to_string(), auto());
        world.pass(200);
    }
    assert_eq!(world.places(), "1a v11 ready, 2a v11 ready, 3a v11 ready");
    assert!(world.story().contains("upgraded hot 10 times since its start"), "{}", world.story());
}

#[test]
fn a_rollback_by_hand_is_hot_too() {
    let mut world = all_well();
    world.pass(200);
    let deployment = world.next_deployment();
    world.command(Command::Rollback { wish: wish(Way::AsSet), deployment });
    world.pass(200);
    assert_eq!(
        (world.ended(3), world.places().as_str()),
        ("committed", "1a v1 ready, 2a v1 ready, 3a v1 ready")
    );
    assert!(world.records[&DeploymentId(3)].is_hot() && is_ghosted(&world));
}

#[test]
fn a_full_deployment_after_a_broken_upgrade_goes_back_too() {
    let mut world = hot(|_, effect| match effect {
        Effect::Upgrade { .. } => Reply::Unknown("no answer"),
        Effect::Drain { .. } => Reply::Hold,
        _ => Reply::Ok,
    });
    world.pass(5);
    world.command(Command::Cancel { deployment: DeploymentId(2) });
    world.pass(1);
    world.script(|_, _| Reply::Ok);
    world.release(|_| true, Outcome::Ok { detail: None });
    world.pass(30);
    assert_eq!(world.ended(2), "cancelled", "{}", world.story());
    assert_eq!(world.places().matches("v1 ready").count(), 3, "{}", world.places());
}

#[test]
fn hot_or_not_at_all_is_meant_so_where_nothing_can_be_upgraded() {
    let mut first = World::new();
    deploy(&mut first, Way::Hot, web());
    first.pass(300);
    assert_eq!((first.ended(1), first.app.instances.len()), ("failed", 0), "{}", first.story());
    let mut same = World::with_v1(web());
    let deployment = same.next_deployment();
    let version = Box::new(World::package("1", AppSettings { replicas: 2, ..web() }));
    same.command(Command::Deploy { version, wish: wish(Way::Hot), deployment });
    same.pass(300);
    assert_eq!(same.ended(2), "failed", "{}", same.story());
    assert_eq!(same.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
}
