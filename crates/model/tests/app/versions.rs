//! Versions: which are kept, ghosts, the store in automatic and manual mode.

use insta::assert_snapshot;
use model::app::{Command, Mode, Refused, Wish};
use model::settings::AppSettings;

use crate::world::{Boot, World, label, settings, with};

fn one() -> AppSettings {
    with(|it| it.replicas = 1)
}

fn kept(world: &World) -> String {
    let words: Vec<String> = world
        .app
        .versions
        .iter()
        .map(|it| match (&it.ghost, it.stored) {
            (None, _) => it.label.to_string(),
            (Some(_), true) => format!("{} ghosted", it.label),
            (Some(_), false) => format!("{} ghosted, without package", it.label),
        })
        .collect();
    words.join(", ")
}

#[test]
fn thirteen_versions_deployed_ten_kept() {
    let mut world = World::new();
    for version in 1..=13 {
        world.deploy(&version.to_string(), one());
        world.pass(200);
    }
    assert_eq!(kept(&world), "4, 5, 6, 7, 8, 9, 10, 11, 12, 13");
    let forgotten: Vec<String> =
        world.story().lines().filter(|line| line.contains("forget")).map(|it| it.trim().to_owned()).collect();
    assert_eq!(forgotten.len(), 3, "{forgotten:?}");
    let revisions: usize = world.app.versions.iter().map(|version| version.revisions.len()).sum();
    assert_eq!(revisions, 10);
    assert_eq!(world.app.committed.len(), 10);
}

#[test]
fn active_target_of_a_rollback_and_pinned_ones_stay_however_old() {
    let mut world = World::new();
    for version in 1..=3 {
        world.deploy(&version.to_string(), one());
        world.pass(200);
    }
    world.command(Command::Pin { version: label("2"), pinned: true });
    // 1 is active again, 3 is what a rollback goes back to.
    world.activate("1");
    world.pass(200);
    for version in 4..=20 {
        world.boots(&version.to_string(), Boot::Exits);
        world.deploy(&version.to_string(), one());
        world.pass(60);
    }
    let stored = world.app.versions.iter().filter(|it| it.stored).count();
    assert_eq!(stored, 10);
    assert!(kept(&world).starts_with("1, 2, 3, 4 ghosted, without package, 5 ghosted, without package"));
    assert_eq!(world.app.rollback_target().map(|it| world.app.label(it)).as_deref(), Some("3"));
    for (version, stays) in [("1", true), ("2", true), ("3", true), ("20", false)] {
        let deleted = world.try_command(Command::Delete { version: label(version) }, World::operator());
        assert_eq!(deleted.is_err(), stays, "{version}: {deleted:?}");
    }
}

#[test]
fn first_versions_that_all_fail_do_not_pile_up() {
    let mut world = World::new();
    for version in 1..=20 {
        world.boots(&version.to_string(), Boot::Exits);
        world.deploy(&version.to_string(), one());
        world.pass(60);
    }
    assert_eq!(world.app.versions.iter().filter(|it| it.stored).count(), 10);
}

#[test]
fn deletion_of_versions() {
    let mut world = World::with_v1(one());
    for version in ["2", "3"] {
        world.deploy(version, one());
        world.pass(200);
    }
    world.forget();
    for version in ["3", "2", "1", "1"] {
        match world.try_command(Command::Delete { version: label(version) }, World::operator()) {
            Ok(()) => {}
            Err(_) => world.refused(Command::Delete { version: label(version) }),
        }
    }
    assert_snapshot!(world.story(), @"
    0 refused: version 3 is active and is not deleted
    0 refused: version 2 is the rollback target and is not deleted
    0   removed the package of v1
    0     forget v1
    0 refused: there is no version 1; bellrock versions lists them
    ");
}

#[test]
fn store_is_followed_and_a_ghost_is_not_deployed_again() {
    let mut world = World::new();
    assert_eq!(world.store_is_told("1"), "taken");
    world.pass(200);
    assert_snapshot!(world.store_is_told("1"), @"version 1 is running already");
    world.boots("2", Boot::Exits);
    assert_eq!(world.store_is_told("2"), "taken");
    world.pass(60);
    assert_snapshot!(world.store_is_told("2"), @"version 2 is ghosted (instance 1 failed 3 times: it exited before it was ready (exit 1))");
    world.boots("2", Boot::Ready);
    world.command(Command::ClearGhosts { version: Some(label("2")) });
    assert_eq!(world.store_is_told("2"), "taken");
    world.pass(200);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready");
    assert_eq!(world.app.mode, Mode::Automatic);
}

#[test]
fn store_s_version_is_ghosted_even_when_it_failed_before_the_first_start() {
    let mut world = World::new();
    assert_eq!(world.store_is_told("1"), "taken");
    world.pass(200);
    world.script(|_, effect| match effect {
        model::app::Effect::Stage { .. } => crate::world::Reply::Fail("needs glibc 2.38, the host has 2.36"),
        _ => crate::world::Reply::Ok,
    });
    assert_eq!(world.store_is_told("2"), "taken");
    world.settle();
    assert_snapshot!(world.store_is_told("2"), @"version 2 is ghosted (needs glibc 2.38, the host has 2.36)");
}

#[test]
fn what_is_done_by_hand_makes_the_mode_manual() {
    let by_hand: [fn(&mut World); 4] = [
        |world| world.activate("1"),
        |world| {
            world.deploy("3", settings());
        },
        |world| {
            let deployment = world.next_deployment();
            world.command(Command::Rollback { wish: Wish::default(), deployment });
        },
        |world| {
            let deployment = world.next_deployment();
            world.command(Command::PinTo { version: label("2"), deployment });
        },
    ];
    for act in by_hand {
        let mut world = World::new();
        for version in ["1", "2"] {
            assert_eq!(world.store_is_told(version), "taken");
            world.pass(200);
        }
        world.forget();
        act(&mut world);
        assert!(matches!(world.app.mode, Mode::Manual { .. }));
        assert_eq!(world.story().matches("manual mode").count(), 1, "said once: {}", world.story());
        world.pass(200);
        assert_eq!(world.store_is_told("9"), "the app is in manual mode and does not follow the store");
        world.command(Command::Follow);
        assert_eq!(world.store_is_told("9"), "taken");
    }
}

#[test]
fn store_does_not_start_what_was_stopped_by_hand() {
    let mut world = World::new();
    assert_eq!(world.store_is_told("1"), "taken");
    world.pass(200);
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(1);
    for version in ["1", "2"] {
        assert_eq!(world.store_is_told(version), "the app is stopped");
    }
}

#[test]
fn store_does_not_try_a_stuck_version_at_each_poll() {
    let mut world = World::new();
    assert_eq!(world.store_is_told("1"), "taken");
    world.pass(200);
    assert_eq!(world.store_is_told("2"), "taken");
    world.pass(30);
    world.boots("1", Boot::Exits);
    world.unhealthy(1);
    world.pass(60);
    assert!(world.app.stuck.is_some());
    assert_snapshot!(world.store_is_told("2"), @"version 2 is ghosted (instance 1 was ready and then failed its health check: GET /health: 500)");
    assert_snapshot!(world.store_is_told("1"), @"version 1 is running already");
    assert_eq!(world.store_is_told("3"), "taken", "a fixed version is what it waits for");
}

#[test]
fn version_s_name_belongs_to_one_package() {
    let mut world = World::with_v1(one());
    let mut version = World::package("1", one());
    version.digest = "another".into();
    let deployment = world.next_deployment();
    world.refused(Command::Deploy { version: Box::new(version), wish: Wish::default(), deployment });
    let deployment = world.next_deployment();
    world.refused(Command::Deploy {
        version: Box::new(World::package("1", one())),
        wish: Wish::default(),
        deployment,
    });
    let deployment = world.next_deployment();
    world.refused(Command::Activate {
        version: label("7"),
        settings: None,
        wish: Wish::default(),
        deployment,
    });
    assert_snapshot!(world.story(), @"
    0 refused: version 1 is registered with another package (sha256 digest of 1); give the new package a version of its own
    0 refused: version 1 is running already
    0 refused: there is no version 7; bellrock versions lists them
    ");
}

#[test]
fn a_ghost_whose_package_was_deleted_stays_listed_and_is_not_deleted_again() {
    let mut world = World::with_v1(one());
    world.boots("2", Boot::Exits);
    world.deploy("2", one());
    world.pass(200);
    world.command(Command::Delete { version: label("2") });
    world.pass(1);
    assert!(world.app.version_called(&label("2")).is_some_and(|it| it.ghost.is_some() && !it.stored));
    world.refused(Command::Delete { version: label("2") });
    assert!(
        world.last_line().ends_with("refused: the package of version 2 is gone; deploy its package again")
    );
    let pin = world.try_command(Command::Pin { version: label("2"), pinned: true }, World::operator());
    assert_eq!(pin, Err(Refused::NoVersion { version: label("2") }), "there is nothing to keep");
    world.activate_is_refused("2");
    assert!(world.last_line().contains("version 2 is ghosted"), "{}", world.last_line());
}

#[test]
fn what_is_pinned_already_is_not_pinned_again() {
    let mut world = World::with_v1(one());
    let mut pin = |pinned| world.try_command(Command::Pin { version: label("1"), pinned }, World::operator());
    assert_eq!(pin(false), Err(Refused::NoChange));
    assert_eq!(pin(true), Ok(()));
    assert_eq!(pin(true), Err(Refused::NoChange));
    assert_eq!(pin(false), Ok(()));
}

#[test]
fn a_command_names_the_version_that_it_would_deploy() {
    let deployment = model::DeploymentId(1);
    let version = || label("2");
    let package = Box::new(World::package("2", settings()));
    for names in [
        Command::Deploy { version: package, wish: Wish::default(), deployment },
        Command::Activate { version: version(), settings: None, wish: Wish::default(), deployment },
        Command::PinTo { version: version(), deployment },
    ] {
        assert_eq!(names.version(), Some(&version()), "{names:?}");
    }
    for other in
        [Command::Rollback { wish: Wish::default(), deployment }, Command::Delete { version: version() }]
    {
        assert_eq!(other.version(), None, "{other:?}");
    }
}
