//! A switch made in steps: who gets the new version, and what the answers of both decide.

use insta::assert_snapshot;
use model::app::{App, Command, Doubt, Effect, Event, NotTaken, Refused, Wish, sides};
use model::settings::{AppSettings, WhenUnsure};
use model::{DeploymentId, EffectId};

use crate::world::{World, answered, canary, seconds, web};

/// Version 2 is deployed beside version 1 and gets its first share.
fn begun(settings: AppSettings) -> World {
    let mut world = World::with_v1(settings.clone());
    world.deploy("2", settings);
    world.pass(3);
    assert_eq!(percent(&world.app), Some(5), "{}", world.story());
    world
}

fn percent(app: &App) -> Option<u8> {
    app.route().and_then(|route| route.canary).map(|canary| canary.percent)
}

fn held(app: &App) -> Option<Doubt> {
    app.deployment.as_ref().and_then(|it| it.running_canary()?.held.as_ref().map(|held| held.why))
}

const WELL: (u64, u64) = (1, 1000);

#[test]
fn a_good_version_is_promoted_step_by_step() {
    let mut world = begun(canary());
    world.counts(WELL, WELL);
    world.pass(60);
    world.counts(WELL, WELL);
    world.pass(300);
    assert_snapshot!(world.story());
    assert_eq!(world.fewest_offered, 2);
    assert_eq!(world.ended(2), "committed");
}

#[test]
fn its_sides_are_the_old_instances_and_the_new_ones() {
    let world = begun(canary());
    let (old, new) = sides(world.app.deployment.as_ref().expect("it is under way"));
    let versions = |ids: &[model::InstanceId]| -> Vec<String> {
        ids.iter().map(|id| world.app.label(world.app.instances[id].target)).collect()
    };
    assert_eq!((versions(&old), versions(&new)), (vec!["1".into(); 2], vec!["2".into(); 2]));
}

#[test]
fn a_bad_version_is_left_at_once_and_ghosted() {
    let mut world = begun(canary());
    world.pass(10);
    world.counts((1, 1000), (4, 200));
    assert_eq!(percent(&world.app), Some(5), "four errors are no proof");
    world.pass(1);
    world.counts((1, 1000), (4, 200));
    world.pass(60);
    assert_snapshot!(world.story());
    assert_eq!(world.fewest_offered, 2, "the old version served all the time");
    assert_eq!(world.ended(2), "rolled back");
    assert!(world.app.version_called(&"2".parse().unwrap()).unwrap().ghost.is_some());
}

#[test]
fn too_few_requests_are_held_and_then_the_settings_decide() {
    for (when_unsure, end) in
        [(WhenUnsure::Promote, "committed"), (WhenUnsure::Abort, "rolled back"), (WhenUnsure::Hold, "no end")]
    {
        let mut settings = canary();
        settings.canary.when_unsure = when_unsure;
        let mut world = begun(settings);
        world.counts((0, 200), (0, 5));
        world.pass(61);
        assert_eq!(held(&world.app), Some(Doubt::TooFew));
        world.pass(590);
        assert_eq!(
            (held(&world.app), percent(&world.app)),
            (Some(Doubt::TooFew), Some(5)),
            "not before the limit"
        );
        world.pass(200);
        let ended = if world.app.deployment.is_some() { "no end" } else { world.ended(2) };
        assert_eq!(ended, end, "{}", world.story());
        if when_unsure == WhenUnsure::Hold {
            assert!(
                world.story().contains("! the canary has been undecided for 10 min"),
                "{}",
                world.story()
            );
            assert_eq!(world.app.wake_at(), None, "a person is waited for");
        }
    }
}

#[test]
fn a_held_step_goes_on_as_soon_as_there_are_enough() {
    let mut world = begun(canary());
    world.counts((0, 200), (0, 50));
    world.pass(100);
    assert_eq!((held(&world.app), percent(&world.app)), (Some(Doubt::TooFew), Some(5)));
    world.counts((0, 200), (0, 50));
    assert_eq!((held(&world.app), percent(&world.app)), (None, Some(50)));
}

#[test]
fn while_both_fail_it_is_held_and_never_promoted() {
    let mut world = begun(canary());
    for _ in 0..40 {
        world.counts((300, 1000), (16, 50));
        world.counts((300, 1000), (300, 1000));
        world.pass(60);
    }
    assert_eq!((held(&world.app), percent(&world.app)), (Some(Doubt::BothBad), Some(5)), "{}", world.story());
    let alarms = world.story().matches("both versions fail").count();
    assert_eq!(alarms, 1, "it is said once:\n{}", world.story());
    world.counts(WELL, WELL);
    world.pass(60);
    assert_eq!((held(&world.app), percent(&world.app)), (None, Some(50)), "what was before does not count");
}

#[test]
fn few_requests_after_an_outage_are_held_for_their_own_limit() {
    let mut settings = canary();
    settings.canary.when_unsure = WhenUnsure::Promote;
    let mut world = begun(settings);
    for _ in 0..15 {
        world.counts((500, 1000), (250, 500));
        world.pass(60);
    }
    assert_eq!(held(&world.app), Some(Doubt::BothBad), "{}", world.story());
    world.pass(120);
    assert_eq!(
        (held(&world.app), percent(&world.app)),
        (Some(Doubt::TooFew), Some(5)),
        "not promoted into an outage: {}",
        world.story()
    );
    world.pass(700);
    assert_eq!(world.ended(2), "committed", "{}", world.story());
}

#[test]
fn by_hand() {
    let mut world = World::with_v1(canary());
    assert_eq!(world.try_command(Command::Promote, World::operator()), Err(Refused::NoCanary));
    world.deploy("2", canary());
    world.pass(1);
    assert_eq!(
        world.try_command(Command::Promote, World::operator()),
        Err(Refused::NoCanary),
        "not ready yet"
    );
    world.pass(2);
    world.command(Command::Promote);
    world.pass(200);
    assert_eq!(world.ended(2), "committed", "{}", world.story());

    let deployment = world.deploy("3", canary());
    world.pass(3);
    world.command(Command::Cancel { deployment });
    world.pass(60);
    assert_eq!(world.ended(3), "cancelled");
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready");

    world.deploy("4", canary());
    world.pass(3);
    let deployment = world.next_deployment();
    world.command(Command::Rollback { wish: Wish::default(), deployment });
    world.pass(60);
    assert_eq!(world.ended(4), "rolled back");
    assert!(world.app.version_called(&"4".parse().unwrap()).unwrap().ghost.is_some());
}

#[test]
fn the_deadline_of_a_deployment_does_not_end_its_canary() {
    let mut settings = canary();
    settings.deploy_deadline = seconds(400);
    settings.canary.hold_limit = seconds(3000);
    let mut world = begun(settings);
    world.pass(2000);
    assert_eq!(held(&world.app), Some(Doubt::TooFew), "{}", world.story());
    world.counts(WELL, WELL);
    world.pass(60);
    world.counts(WELL, WELL);
    world.pass(200);
    assert_eq!(world.ended(2), "committed", "{}", world.story());
}

#[test]
fn who_makes_no_canary() {
    let mut first = World::new();
    first.deploy("1", canary());
    first.pass(3);
    assert_eq!(percent(&first.app), None, "there is nothing to compare with");

    let mut back = World::with_v1(canary());
    back.deploy("2", AppSettings { replicas: 2, ..web() });
    back.pass(200);
    let deployment = back.next_deployment();
    back.command(Command::Rollback { wish: Wish::default(), deployment });
    back.pass(3);
    assert!(
        back.app.deployment.as_ref().is_some_and(|it| it.switched_at.is_some()),
        "a way back is not delayed"
    );

    let mut from_behind_another_proxy = World::with_v1(AppSettings { proxy: false, ..canary() });
    from_behind_another_proxy.deploy("2", canary());
    from_behind_another_proxy.pass(3);
    assert_eq!(percent(&from_behind_another_proxy.app), None, "its requests cannot be shared");
}

#[test]
fn a_new_version_that_crashes_or_falls_ill_is_left() {
    let mut ill = begun(canary());
    ill.unhealthy(1);
    ill.pass(60);
    assert_eq!(ill.ended(2), "rolled back", "{}", ill.story());
    let mut crashes = begun(canary());
    for _ in 0..3 {
        crashes.crash(1);
        crashes.pass(3);
    }
    crashes.pass(60);
    assert_eq!(crashes.ended(2), "rolled back", "{}", crashes.story());
    assert_eq!(crashes.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn without_an_old_instance_there_is_nothing_to_wait_for() {
    let mut world = begun(canary());
    let old: Vec<_> = world.app.instances.values().take(2).map(|it| it.id).collect();
    for id in old {
        world.shim(id, model::app::ShimFact::Gone);
    }
    world.settle();
    world.pass(200);
    assert_eq!(world.ended(2), "committed", "{}", world.story());
}

#[test]
fn a_newer_version_takes_the_place_of_one_in_its_canary() {
    let mut world = begun(canary());
    world.deploy("3", canary());
    world.pass(5);
    assert_eq!(world.ended(2), "superseded", "{}", world.story());
    assert_eq!(percent(&world.app), Some(5), "the newer one has its own");
}

#[test]
fn counts_of_what_is_over_are_stale() {
    let mut world = begun(canary());
    let counts = |deployment, window| Event::CanaryCounts {
        deployment: DeploymentId(deployment),
        window,
        old: answered(WELL),
        new: answered((500, 1000)),
    };
    world.counts(WELL, WELL);
    world.pass(60);
    for (deployment, window) in [(2, 1), (1, 2), (2, 3)] {
        let taken = world.event(counts(deployment, window));
        assert!(matches!(taken, Err(NotTaken::Stale(_))), "{deployment} {window}");
    }
    world.event(counts(2, 2)).expect("that is the window");
    assert!(matches!(world.event(counts(2, 2)), Err(NotTaken::Stale(_))), "it goes back");
}

/// A daemon that is killed finds the step in the journal, and asks for nothing twice.
#[test]
fn each_step_outlives_the_daemon() {
    let mut world = begun(canary());
    let restart = |world: &mut World| {
        let alive = world.app.instances.values().filter(|it| it.is_launched()).map(|it| it.id).collect();
        let unfinished: Vec<(EffectId, Effect)> = world.app.outbox.clone().into_iter().collect();
        assert_eq!(unfinished, [], "nothing is under way between two steps");
        let json = serde_json::to_string(&world.app).unwrap();
        world.app = serde_json::from_str(&json).unwrap();
        world.event(Event::Adopted { alive, unknown: Vec::new() }).expect("adoption is taken");
        world.settle();
    };
    for expected in [5, 50] {
        restart(&mut world);
        assert_eq!(percent(&world.app), Some(expected));
        world.counts(WELL, WELL);
        restart(&mut world);
        world.pass(60);
    }
    world.pass(300);
    assert_eq!(world.ended(2), "committed", "{}", world.story());
}
