//! Pause and maintenance: requests that are kept from an app.

use std::time::Duration;

use insta::assert_snapshot;
use model::app::{Command, LONGEST_PAUSE, MOST_PAGE_BYTES, Refused};

use crate::traffic::two;
use crate::world::{World, web};

fn pause(seconds: u64) -> Command {
    Command::Pause { within: Duration::from_secs(seconds) }
}

fn maintenance(page: &str) -> Command {
    Command::BeginMaintenance { page: Some(page.to_owned()) }
}

/// Whether the proxy was told to hold requests, and to answer them with a page.
fn interrupted(world: &World) -> (bool, bool) {
    let route = world.app.routing.applied.as_ref().expect("it is served");
    (route.paused_until.is_some(), route.maintenance.is_some())
}

#[track_caller]
fn refused(world: &mut World, command: Command, why: &Refused) {
    let before = world.app.clone();
    assert_eq!(world.try_command(command, World::operator()), Err(why.clone()));
    assert_eq!(world.app, before);
}

#[test]
fn a_pause_ends_by_hand_or_by_itself() {
    let mut world = World::with_v1(two());
    world.command(pause(20));
    world.settle();
    assert_eq!(interrupted(&world), (true, false));
    world.pass(10);
    world.command(Command::Resume);
    world.settle();
    assert_eq!(interrupted(&world), (false, false));
    refused(&mut world, Command::Resume, &Refused::NotPaused);
    world.command(pause(60));
    world.pass(59);
    assert_eq!(interrupted(&world), (true, false));
    world.pass(2);
    assert_eq!((interrupted(&world), world.app.pause), ((false, false), None));
    assert_snapshot!(world.story(), @"
     0   requests wait for 20 s
     0     route i1 i2
    10   requests go on: the pause was ended
    10     route i1 i2
    10   requests wait for 1 min, each at most 30 s (hold_timeout), then it gets 503
    10     route i1 i2
    70   requests go on: the pause is over
    70     route i1 i2
    ");
}

#[test]
fn a_pause_is_bounded_and_may_be_made_longer() {
    let mut world = World::with_v1(two());
    refused(&mut world, pause(0), &Refused::PauseTooLong);
    refused(&mut world, pause(LONGEST_PAUSE.as_secs() + 1), &Refused::PauseTooLong);
    world.command(pause(20));
    let first = world.app.pause.unwrap();
    world.pass(10);
    world.command(pause(20));
    let second = world.app.pause.unwrap();
    assert_eq!((second.since, second.until > first.until), (first.since, true));
}

#[test]
fn a_deployment_goes_on_in_a_pause_and_in_maintenance() {
    let mut world = World::with_v1(two());
    world.command(pause(600));
    world.command(maintenance("<p>soon</p>"));
    world.deploy("2", two());
    world.pass(200);
    assert_eq!((world.ended(2), interrupted(&world)), ("committed", (true, true)));
    world.command(Command::EndMaintenance);
    world.settle();
    assert_eq!(interrupted(&world), (true, false));
}

#[test]
fn another_page_is_another_route_and_a_stopped_app_keeps_it() {
    let mut world = World::with_v1(two());
    refused(&mut world, Command::EndMaintenance, &Refused::NoMaintenance);
    refused(&mut world, maintenance(&"x".repeat(MOST_PAGE_BYTES + 1)), &Refused::PageTooLarge);
    world.command(maintenance("<p>soon</p>"));
    world.settle();
    let first = world.app.routing.applied.clone();
    world.pass(5);
    world.command(maintenance("<p>later</p>"));
    world.settle();
    assert_ne!(world.app.routing.applied, first);
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(60);
    assert_eq!(interrupted(&world), (false, true));
}

#[test]
fn who_is_not_served_through_the_proxy_cannot_be_interrupted() {
    let mut world = World::new();
    refused(&mut world, pause(5), &Refused::NothingActive);
    let mut direct = web();
    direct.proxy = false;
    let mut world = World::with_v1(direct);
    refused(&mut world, pause(5), &Refused::NotProxied);
    refused(&mut world, maintenance("x"), &Refused::NotProxied);
}
