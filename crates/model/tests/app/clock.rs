//! The host's clock was set back while no daemon ran: nothing waits for the hours that it has lost.

use jiff::SignedDuration;
use model::Place;
use model::app::{Answer, Command, Effect, Event, Phase, RunKind};
use model::settings::{AppSettings, PreCommand, Strategy};

use crate::world::{Reply, World, seconds, web, with};

/// The daemon starts again, the clock shows three hours less, and all instances live.
fn is_set_back(world: &mut World) {
    world.now -= SignedDuration::from_hours(3);
    world.forget();
    let living = world.app.instances.values().filter(|it| it.is_launched() && !it.is_gone());
    let alive = living.map(|it| it.id).collect();
    world.event(Event::Adopted { alive, unknown: vec![] }).expect("adoption is taken");
}

fn watched() -> AppSettings {
    with(|it| it.watch_window = seconds(60))
}

#[test]
fn a_watch_window_lasts_as_long_as_it_should() {
    let mut world = World::with_v1(watched());
    world.deploy("2", watched());
    world.pass(30);
    let phase = |world: &World| world.app.deployment.as_ref().map(|it| it.phase.clone());
    assert!(matches!(phase(&world), Some(Phase::Watching { .. })));
    is_set_back(&mut world);
    world.pass(59);
    assert!(matches!(phase(&world), Some(Phase::Watching { .. })), "it is watched no shorter");
    world.pass(2);
    assert_eq!(world.ended(2), "committed");
}

#[test]
fn a_place_that_backs_off_gets_its_next_instance() {
    let mut world = World::with_v1(watched());
    world.kill_shim(1);
    world.pass(1);
    world.kill_shim(1);
    assert!(world.app.places[&Place(1)].retry_at.is_some_and(|at| at > world.now), "it waits");
    is_set_back(&mut world);
    // It waits for 300 s at the longest, and boots.
    world.pass(400);
    assert!(world.app.living(Place(1)).any(|it| it.is_ready()), "{}", world.places());
}

#[test]
fn a_pause_ends_when_it_should() {
    let mut world = World::with_v1(web());
    world.command(Command::Pause { within: seconds(60) });
    world.pass(1);
    is_set_back(&mut world);
    world.pass(59);
    assert!(world.app.pause.is_some());
    world.pass(2);
    assert!(world.app.pause.is_none());
}

#[test]
fn a_check_of_members_that_said_no_is_asked_again_when_it_should() {
    let members = || {
        with(|it| {
            it.strategy = Strategy::Member;
            it.member.check = Some(PreCommand::parse("rpc D.whole").expect("it is one"));
            it.member.retry_period = seconds(20);
        })
    };
    let mut world = World::with_v1(members());
    let mut noes = 0;
    world.script(move |_, effect| match effect {
        Effect::Run { run } if matches!(run.kind, RunKind::Member { .. }) && noes == 0 => {
            noes += 1;
            Reply::Fail("ended with exit 1")
        }
        _ => Reply::Ok,
    });
    world.deploy("2", members());
    world.pass(10);
    let asked_again = |world: &World| {
        let lanes = world.app.deployment.iter().flat_map(|it| it.lanes.values());
        lanes.filter_map(|it| it.check.as_ref()).find_map(|check| match check.answer {
            Answer::No { again_at } => Some(again_at),
            _ => None,
        })
    };
    assert!(asked_again(&world).is_some(), "{}", world.story());
    is_set_back(&mut world);
    assert!(asked_again(&world).is_some_and(|at| at <= world.now + SignedDuration::from_secs(20)));
    world.pass(300);
    assert_eq!(world.ended(2), "committed", "{}", world.story());
}

#[test]
fn assets_are_given_no_longer() {
    let assets = || {
        let mut settings = web();
        settings.assets.prefixes = vec!["/assets".into()];
        settings.assets.keep = seconds(100);
        settings
    };
    let mut world = World::with_v1(assets());
    world.deploy("2", assets());
    world.pass(50);
    assert_eq!(world.app.assets.len(), 2);
    is_set_back(&mut world);
    world.pass(102);
    assert_eq!(world.app.assets.len(), 1);
}

#[test]
fn where_it_was_not_set_back_nothing_is_mended() {
    let mut world = World::with_v1(watched());
    world.deploy("2", watched());
    world.pass(30);
    let (now, before) = (world.now, world.app.clone());
    world.now += SignedDuration::from_hours(3);
    is_set_back(&mut world);
    assert_eq!(world.now, now);
    assert_eq!(world.app.deployment, before.deployment);
    assert_eq!(world.app.instances, before.instances);
}
