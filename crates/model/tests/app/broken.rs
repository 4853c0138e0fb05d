//! Versions that fail, each in its own way: the old version is back.

use insta::assert_snapshot;
use model::app::Effect;
use model::settings::Strategy;

use crate::world::{Boot, Reply, World, seconds, settings, with};

#[test]
fn broken_at_boot_is_rolled_back_after_three_tries() {
    let mut world = World::with_v1(settings());
    world.boots("2", Boot::Exits);
    world.deploy("2", settings());
    world.pass(200);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b 3b
    0   staged
    0     create i4 (1b v2)
    0   instance 1 started
    1 ~ instance 1 exited by itself (exit 1) after 1.0 s
    1     stop i4 (1b v2)
    1   instance 1 stopped
    1 ~ instance 1 failed (try 1 of 3): it exited before it was ready (exit 1)
    1     create i5 (1b v2)
    1   instance 1 started
    2 ~ instance 1 exited by itself (exit 1) after 1.0 s
    2     stop i5 (1b v2)
    2   instance 1 stopped
    2 ~ instance 1 failed (try 2 of 3): it exited before it was ready (exit 1)
    2     create i6 (1b v2)
    2     remove i4
    2   instance 1 started
    3 ~ instance 1 exited by itself (exit 1) after 1.0 s
    3     stop i6 (1b v2)
    3   instance 1 stopped
    3 ~ instance 1 failed (try 3 of 3): it exited before it was ready (exit 1)
    3 ! going back to v1: instance 1 failed 3 times: it exited before it was ready (exit 1)
    3 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    3     remove i5
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    assert_eq!(world.fewest_ready, 3, "nobody noticed");
}

#[test]
fn never_ready_is_rolled_back_by_the_deadline() {
    let mut world = World::with_v1(settings());
    world.boots("2", Boot::NeverReady);
    world.deploy("2", settings());
    world.pass(2000);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, rolling
      0     stage v2 for 1b 2b 3b
      0   staged
      0     create i4 (1b v2)
      0   instance 1 started
    300     stop i4 (1b v2)
    300   instance 1 stopped
    300 ~ instance 1 failed (try 1 of 3): it was not ready in time: GET /health: 503
    300     create i5 (1b v2)
    300   instance 1 started
    600 ! going back to v1: not serving 10 min after the first start (deploy_deadline)
    600     stop i5 (1b v2)
    600   instance 1 stopped
    600 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    600     remove i4
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    assert_eq!(world.fewest_ready, 3, "nobody noticed");
}

#[test]
fn deadline_wins_when_nothing_is_heard() {
    let mut world = World::with_v1(settings());
    world.boots("2", Boot::Silent);
    world.deploy("2", with(|it| it.deploy_deadline = seconds(60)));
    world.pass(200);
    assert_snapshot!(world.story(), @"
     0   deploy v1 → v2, rolling
     0     stage v2 for 1b 2b 3b
     0   staged
     0     create i4 (1b v2)
     0   instance 1 started
    60 ! going back to v1: not serving 1 min after the first start (deploy_deadline)
    60     stop i4 (1b v2)
    60   instance 1 stopped
    60 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    ");
    assert_eq!(world.ended(2), "rolled back");
}

#[test]
fn unhealthy_while_it_is_watched_brings_all_places_back() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(30);
    world.forget();
    world.unhealthy(2);
    world.pass(200);
    assert_snapshot!(world.story(), @"
    0 ! instance 2 is unhealthy: GET /health: 500
    0 ! going back to v1: instance 2 was ready and then failed its health check: GET /health: 500
    0     stop i5 (2b v2)
    0     create i7 (1a v1)
    0     create i8 (2a v1)
    0     create i9 (3a v1)
    0   instance 2 stopped
    0   instance 1 started
    0   instance 2 started
    0   instance 3 started
    2   instance 1 ready
    2     stop i4 (1b v2)
    2   instance 1 stopped
    2   instance 2 ready
    2   instance 3 ready
    2     stop i6 (3b v2)
    2   instance 3 stopped
    2 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    2     remove i1
    2     remove i2
    2     remove i3
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    assert_eq!(world.fewest_ready, 2, "only the unhealthy one was not ready");
}

#[test]
fn unhealthy_while_others_are_replaced_brings_back_what_was_replaced() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(3);
    world.unhealthy(1);
    world.pass(200);
    assert_eq!(world.ended(2), "rolled back");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
}

#[test]
fn three_crashes_while_it_is_watched_roll_back() {
    let mut world = World::with_v1(with(|it| it.replicas = 2));
    world.deploy("2", with(|it| it.replicas = 2));
    world.pass(30);
    world.forget();
    for _ in 0..3 {
        world.crash(2);
        world.pass(1);
    }
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0 ~ instance 2 exited by itself (exit 1) after 28 s
    1 ~ instance 2 exited by itself (exit 1) after 1.0 s
    2 ~ instance 2 exited by itself (exit 1) after 1.0 s
    2 ! going back to v1: instance 2 crashed 3 times (exit 1)
    2     stop i4 (2b v2)
    2     create i5 (1a v1)
    2     create i6 (2a v1)
    2   instance 2 stopped
    2   instance 1 started
    2   instance 2 started
    4   instance 1 ready
    4     stop i3 (1b v2)
    4   instance 1 stopped
    4   instance 2 ready
    4 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    4     remove i1
    4     remove i2
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn two_crashes_are_forgiven_once_it_is_ready_again() {
    let mut world = World::with_v1(with(|it| it.replicas = 2));
    world.deploy("2", with(|it| it.replicas = 2));
    world.pass(30);
    world.crash(2);
    world.crash(2);
    world.forget();
    world.pass(200);
    assert_snapshot!(world.story(), @"");
    assert_eq!(world.ended(2), "watching", "it is not committed while an instance is not ready");
    let instance = world.in_place(2);
    world.verdict(instance, model::app::Verdict::Ready);
    assert_eq!(world.ended(2), "committed");
}

#[test]
fn crash_and_never_ready_again_while_it_is_watched_rolls_back() {
    let mut world = World::with_v1(with(|it| it.replicas = 1));
    world.deploy("2", with(|it| it.replicas = 1));
    world.pass(30);
    world.crash(1);
    let why = "GET /health: 503".to_owned();
    world.verdict(world.in_place(1), model::app::Verdict::NeverReady { why, tail: None });
    world.pass(60);
    assert_eq!(world.ended(2), "rolled back");
    assert_eq!(world.places(), "1a v1 ready");
}

#[test]
fn way_back_that_fails_too_stops_there() {
    let one = with(|it| it.replicas = 1);
    let mut world = World::with_v1(one.clone());
    world.deploy("2", one);
    world.pass(30);
    world.boots("1", Boot::Exits);
    world.forget();
    world.unhealthy(1);
    world.pass(3600);
    assert_snapshot!(world.story(), @"
    0 ! instance 1 is unhealthy: GET /health: 500
    0 ! going back to v1: instance 1 was ready and then failed its health check: GET /health: 500
    0     stop i2 (1b v2)
    0     create i3 (1a v1)
    0   instance 1 stopped
    0   instance 1 started
    1 ~ instance 1 exited by itself (exit 1) after 1.0 s
    1     stop i3 (1a v1)
    1   instance 1 stopped
    1 ~ instance 1 of the old version failed (try 1 of 3): it exited before it was ready (exit 1)
    1     create i4 (1a v1)
    1   instance 1 started
    2 ~ instance 1 exited by itself (exit 1) after 1.0 s
    2     stop i4 (1a v1)
    2   instance 1 stopped
    2 ~ instance 1 of the old version failed (try 2 of 3): it exited before it was ready (exit 1)
    2     create i5 (1a v1)
    2     remove i3
    2   instance 1 started
    3 ~ instance 1 exited by itself (exit 1) after 1.0 s
    3     stop i5 (1a v1)
    3   instance 1 stopped
    3 ~ instance 1 of the old version failed (try 3 of 3): it exited before it was ready (exit 1)
    3 ! the way back failed: instance 1 of v1 failed 3 times: it exited before it was ready (exit 1); nothing more is tried until somebody deploys or starts a version
    3     remove i1
    3     remove i2
    3     remove i4
    ");
    assert_eq!(world.places(), "", "no ping-pong");
    assert_eq!(world.ended(2), "rollback failed");
    assert!(world.app.stuck.is_some());
}

#[test]
fn what_is_ready_stays_when_the_way_back_fails() {
    let two = with(|it| it.replicas = 2);
    let mut world = World::with_v1(two.clone());
    world.deploy("2", two);
    world.pass(30);
    world.boots("1", Boot::Exits);
    world.unhealthy(1);
    world.pass(3600);
    assert_eq!(world.places(), "2b v2 ready", "one instance, not two, is left in place 2");
}

#[test]
fn stuck_app_is_freed_by_a_deployment() {
    let one = with(|it| it.replicas = 1);
    let mut world = World::with_v1(one.clone());
    world.deploy("2", one.clone());
    world.pass(30);
    world.boots("1", Boot::Exits);
    world.unhealthy(1);
    world.pass(60);
    assert!(world.app.stuck.is_some());
    world.deploy("3", one);
    world.pass(200);
    assert_eq!(world.places(), "1a v3 ready");
    assert!(world.app.stuck.is_none());
}

#[test]
fn start_of_a_stuck_app_that_fails_leaves_it_stuck() {
    let one = with(|it| it.replicas = 1);
    let mut world = World::with_v1(one.clone());
    world.deploy("2", one);
    world.pass(30);
    world.boots("1", Boot::Exits);
    world.unhealthy(1);
    world.pass(60);
    world.forget();
    let deployment = world.next_deployment();
    world.command(model::app::Command::Start { deployment });
    world.pass(3600);
    assert_snapshot!(world.story(), @"
    0   start v1
    0     stage v1 for 1a
    0   staged
    0     create i6 (1a v1)
    0   instance 1 started
    1 ~ instance 1 exited by itself (exit 1) after 1.0 s
    1     stop i6 (1a v1)
    1   instance 1 stopped
    1 ~ instance 1 failed (try 1 of 3): it exited before it was ready (exit 1)
    1     create i7 (1a v1)
    1     remove i5
    1   instance 1 started
    2 ~ instance 1 exited by itself (exit 1) after 1.0 s
    2     stop i7 (1a v1)
    2   instance 1 stopped
    2 ~ instance 1 failed (try 2 of 3): it exited before it was ready (exit 1)
    2     create i8 (1a v1)
    2     remove i6
    2   instance 1 started
    3 ~ instance 1 exited by itself (exit 1) after 1.0 s
    3     stop i8 (1a v1)
    3   instance 1 stopped
    3 ~ instance 1 failed (try 3 of 3): it exited before it was ready (exit 1)
    3 ! giving up: instance 1 failed 3 times: it exited before it was ready (exit 1)
    3 ~ failed: v1 is as it was; nothing more is tried until somebody deploys or starts a version
    3     remove i7
    ");
}

#[test]
fn temporary_shutdown_never_overlaps_on_the_way_back() {
    let away = with(|it| it.strategy = Strategy::TemporaryShutdown);
    let mut world = World::with_v1(away.clone());
    world.deploy("2", away);
    world.pass(30);
    world.forget();
    world.unhealthy(2);
    world.pass(200);
    assert_snapshot!(world.story(), @"
    0 ! instance 2 is unhealthy: GET /health: 500
    0 ! going back to v1: instance 2 was ready and then failed its health check: GET /health: 500
    0     stop i5 (2b v2)
    0     stop i4 (1b v2)
    0     stop i6 (3b v2)
    0   instance 2 stopped
    0   instance 1 stopped
    0   instance 3 stopped
    0     create i7 (1a v1)
    0     create i8 (2a v1)
    0     create i9 (3a v1)
    0   instance 1 started
    0   instance 2 started
    0   instance 3 started
    2   instance 1 ready
    2   instance 2 ready
    2   instance 3 ready
    2 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    2     remove i1
    2     remove i2
    2     remove i3
    ");
}

#[test]
fn staging_that_fails_changes_nothing() {
    let mut world = World::with_v1(settings());
    world.script(|_, effect| match effect {
        Effect::Stage { .. } => Reply::Fail("port 4006 is used by nginx (pid 812)"),
        _ => Reply::Ok,
    });
    world.deploy("2", settings());
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b 3b
    0 ! giving up: port 4006 is used by nginx (pid 812)
    0 ~ failed: nothing was changed, v1 goes on
    ");
    assert!(world.app.version_called(&crate::world::label("2")).expect("it is listed").ghost.is_none());
}
