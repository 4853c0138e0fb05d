//! Deployments that go well, and first deployments that do not.

use insta::assert_snapshot;
use model::settings::Strategy;

use crate::world::{Boot, World, settings, with};

#[test]
fn first_deployment_starts_all_places_at_once() {
    let mut world = World::new();
    world.deploy("1", settings());
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   manual mode: v1 was deployed by hand; bellrock mode beacon automatic follows the store again
      0   deploy nothing → v1, rolling
      0     stage v1 for 1a 2a 3a
      0   staged
      0     create i1 (1a v1)
      0     create i2 (2a v1)
      0     create i3 (3a v1)
      0   instance 1 started
      0   instance 2 started
      0   instance 3 started
      2   instance 1 ready
      2   instance 2 ready
      2   instance 3 ready
      2   serving v1: 3 of 3 ready; watching for 2 min
    122   committed v1
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
}

#[test]
fn rolling_replaces_one_place_after_another() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, rolling
      0     stage v2 for 1b 2b 3b
      0   staged
      0     create i4 (1b v2)
      0   instance 1 started
      2   instance 1 ready
      2     stop i1 (1a v1)
      2   instance 1 stopped
      2     create i5 (2b v2)
      2   instance 2 started
      4   instance 2 ready
      4     stop i2 (2a v1)
      4   instance 2 stopped
      4     create i6 (3b v2)
      4   instance 3 started
      6   instance 3 ready
      6     stop i3 (3a v1)
      6   instance 3 stopped
      6   serving v2: 3 of 3 ready; watching for 2 min
    126   committed v2
    ");
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready");
    assert_eq!(world.fewest_ready, 3, "three were ready at every moment");
}

#[test]
fn temporary_shutdown_stops_all_old_ones_first() {
    let away = with(|it| it.strategy = Strategy::TemporaryShutdown);
    let mut world = World::with_v1(away.clone());
    world.deploy("2", away);
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, temporary shutdown
      0     stage v2 for 1b 2b 3b
      0   staged
      0     stop i1 (1a v1)
      0     stop i2 (2a v1)
      0     stop i3 (3a v1)
      0   instance 1 stopped
      0   instance 2 stopped
      0   instance 3 stopped
      0     create i4 (1b v2)
      0     create i5 (2b v2)
      0     create i6 (3b v2)
      0   instance 1 started
      0   instance 2 started
      0   instance 3 started
      2   instance 1 ready
      2   instance 2 ready
      2   instance 3 ready
      2   serving v2: 3 of 3 ready; watching for 2 min
    122   committed v2
    ");
}

#[test]
fn slots_swap_at_each_deployment() {
    let mut world = World::with_v1(with(|it| it.replicas = 1));
    for version in ["2", "3", "4"] {
        world.deploy(version, with(|it| it.replicas = 1));
        world.pass(200);
    }
    assert_eq!(world.places(), "1b v4 ready");
}

#[test]
fn first_deployment_that_fails_is_kept_stopped() {
    let mut world = World::new();
    world.boots("1", Boot::Exits);
    world.deploy("1", with(|it| it.replicas = 1));
    world.pass(3600);
    assert_snapshot!(world.story(), @"
    0   manual mode: v1 was deployed by hand; bellrock mode beacon automatic follows the store again
    0   deploy nothing → v1, rolling
    0     stage v1 for 1a
    0   staged
    0     create i1 (1a v1)
    0   instance 1 started
    1 ~ instance 1 exited by itself (exit 1) after 1.0 s
    1     stop i1 (1a v1)
    1   instance 1 stopped
    1 ~ instance 1 failed (try 1 of 3): it exited before it was ready (exit 1)
    1     create i2 (1a v1)
    1   instance 1 started
    2 ~ instance 1 exited by itself (exit 1) after 1.0 s
    2     stop i2 (1a v1)
    2   instance 1 stopped
    2 ~ instance 1 failed (try 2 of 3): it exited before it was ready (exit 1)
    2     create i3 (1a v1)
    2     remove i1
    2   instance 1 started
    3 ~ instance 1 exited by itself (exit 1) after 1.0 s
    3     stop i3 (1a v1)
    3   instance 1 stopped
    3 ~ instance 1 failed (try 3 of 3): it exited before it was ready (exit 1)
    3 ! giving up: instance 1 failed 3 times: it exited before it was ready (exit 1)
    3 ~ failed: nothing runs; what failed is kept stopped for inspection; v1 is ghosted, to try it again: bellrock ghosts beacon clear 1
    3     remove i2
    ");
    assert_eq!(world.places(), "", "nothing runs and nothing is tried again");
    assert_eq!(world.app.instances.len(), 1, "what failed is kept for inspection");
    assert_eq!(world.ended(1), "failed");
}

#[test]
fn fewer_places_in_the_new_version() {
    let mut world = World::with_v1(settings());
    world.deploy("2", with(|it| it.replicas = 2));
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, rolling
      0     stage v2 for 1b 2b
      0   staged
      0     create i4 (1b v2)
      0   instance 1 started
      2   instance 1 ready
      2     stop i1 (1a v1)
      2   instance 1 stopped
      2     create i5 (2b v2)
      2   instance 2 started
      4   instance 2 ready
      4     stop i2 (2a v1)
      4   instance 2 stopped
      4     stop i3 (3a v1)
      4   instance 3 stopped
      4   serving v2: 2 of 2 ready; watching for 2 min
    124   committed v2
    ");
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready");
}

#[test]
fn old_instance_stays_while_a_new_one_before_it_is_down() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(3);
    let first = world.in_place(1);
    world.exits(first, 1);
    world.pass(30);
    assert_eq!(world.places(), "1b v2 backing off, 2a v1 ready, 2b v2 ready, 3a v1 ready");
    world.started(first);
    world.verdict(first, model::app::Verdict::Ready);
    world.pass(10);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready");
}
