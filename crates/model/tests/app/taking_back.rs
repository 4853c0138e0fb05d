//! Traffic on the way back, before the switch and after it.

use crate::traffic::*;
use insta::assert_snapshot;
use model::Place;
use model::app::{Command, Effect, Event, Responses, is_clearly_above};

use crate::world::{Boot, Reply, World};

#[test]
fn the_way_back_before_the_switch_leaves_traffic_alone() {
    let mut world = World::with_v1(two());
    let served = world.proxy.served.clone();
    world.boots("2", Boot::Exits);
    world.deploy("2", two());
    world.pass(100);
    assert_eq!((world.ended(2), world.fewest_offered), ("rolled back", 2));
    assert_eq!(world.proxy.served, served);
    assert!(!world.story().contains("route"), "{}", world.story());
}

#[test]
fn cancel_before_the_switch_is_heard_by_nobody() {
    let mut world = World::with_v1(two());
    let deployment = world.deploy("2", two());
    world.pass(1);
    world.command(Command::Cancel { deployment });
    world.pass(100);
    assert_eq!((world.ended(2), world.fewest_offered), ("cancelled", 2));
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn draining_ones_are_taken_back() {
    let mut world = draining();
    world.script(|_, _| Reply::Ok);
    world.unhealthy(1);
    world.pass(100);
    assert_snapshot!(world.story(), @"
    0 ! instance 1 is unhealthy: GET /health: 500
    0 ! going back to v1: instance 1 was ready and then failed its health check: GET /health: 500
    0     drain i3 (1b v2)
    0     drain i4 (2b v2)
    0     route i1 i2, draining i3 i4
    0   instance 1 drained
    0     stop i3 (1b v2)
    0     route i1 i2, draining i4
    0   instance 2 drained
    0     route i1 i2
    0   instance 1 stopped
    0     stop i4 (2b v2)
    0   instance 2 stopped
    0 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    ");
    assert_eq!(world.ended(2), "rolled back");
    assert!(world.fewest_offered >= 1);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn a_drain_that_ends_after_it_was_taken_back_stops_nothing() {
    let mut world = draining();
    world.unhealthy(1);
    let old = world.app.living(Place(1)).next().expect("the old one").id;
    world.script(|_, _| Reply::Ok);
    world.release(|effect| matches!(effect, Effect::Drain { instance, .. } if *instance == old), ok());
    assert_eq!(world.places(), "1a v1 ready, 1b v2 draining, 2a v1 ready, 2b v2 draining");
    world.release(is_drain, ok());
    world.pass(100);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn the_way_back_after_old_ones_are_gone_starts_fresh_ones_first() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(30);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready");
    world.forget();
    let target = world.app.deployment.as_ref().and_then(|it| it.to).expect("it has one");
    let reason = is_clearly_above(Responses { all: 900, errors: 1 }, Responses { all: 100, errors: 40 });
    world.event(Event::ServerErrors { target, reason: reason.expect("it is") }).expect("it is taken");
    world.pass(100);
    assert_snapshot!(world.story(), @"
    0 ! going back to v1: v2: it answers 40 of 100 (40.0 %) of its requests with 5xx, the version before it 1 of 900 (0.1 %)
    0     create i5 (1a v1)
    0     create i6 (2a v1)
    0   instance 1 started
    0   instance 2 started
    2   instance 1 ready
    2     drain i3 (1b v2)
    2     route i4 i5, draining i3
    2   instance 1 drained
    2     stop i3 (1b v2)
    2     route i4 i5
    2   instance 1 stopped
    2   instance 2 ready
    2     drain i4 (2b v2)
    2     route i5 i6, draining i4
    2   instance 2 drained
    2     stop i4 (2b v2)
    2     route i5 i6
    2   instance 2 stopped
    2 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    2     remove i1
    2     remove i2
    ");
    assert_eq!(world.fewest_offered, 2, "two got requests at every moment");
    assert!(world.app.version_called(&crate::world::label("2")).expect("it is known").ghost.is_some());
}
