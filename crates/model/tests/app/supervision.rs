//! Instances that are lost without a deployment, or in the middle of one; adoption after a start of the daemon.

use std::cell::RefCell;
use std::rc::Rc;

use insta::assert_snapshot;
use model::app::{Effect, Event, ExitHow, Links, ShimFact};
use model::{InstanceId, Place};

use crate::world::{Reply, World, settings, with};

fn one() -> model::settings::AppSettings {
    with(|it| it.replicas = 1)
}

#[test]
fn lost_shim_is_cleaned_up_after_and_replaced_at_once() {
    let mut world = World::with_v1(one());
    world.kill_shim(1);
    world.pass(10);
    assert_snapshot!(world.story(), @"
    0 ~ the shim of instance 1 died, and the instance with it
    0     stop i1 (1a v1)
    0   instance 1 stopped
    0     create i2 (1a v1)
    0   instance 1 started
    2   instance 1 ready
    ");
    assert_eq!(world.places(), "1a v1 ready");
    assert_eq!(world.app.places[&Place(1)].crashes, 1);
    assert_eq!(world.exits, [(InstanceId(1), ExitHow::Unknown)]);
}

#[test]
fn shims_lost_in_a_row_are_replaced_ever_more_slowly() {
    let mut world = World::with_v1(one());
    let mut waits = Vec::new();
    for _ in 0..6 {
        world.kill_shim(1);
        let lost = world.now;
        while world.ready() == 0 {
            world.pass(1);
        }
        waits.push(world.now.duration_since(lost).as_secs());
    }
    // 2 s of each are the way from creation to readiness.
    assert_eq!(waits, [2, 6, 8, 10, 12, 14]);
    world.pass(60);
    world.kill_shim(1);
    world.pass(2);
    assert_eq!(world.ready(), 1, "a minute of peace ends the row");
}

#[test]
fn failed_starts_back_off_up_to_five_minutes() {
    let mut world = World::with_v1(one());
    world.script(|_, effect| match effect {
        Effect::Create { .. } => Reply::Fail("no space left on device"),
        _ => Reply::Ok,
    });
    world.kill_shim(1);
    world.forget();
    world.pass(8);
    assert_snapshot!(world.story(), @"
    4     create i3 (1a v1)
    4 ! instance 1 could not be started: no space left on device; again in 6.0 s
    4     remove i2
    ");
    world.pass(100_000);
    let tried_at = |world: &World| world.app.instances.values().map(|it| it.created_at).max();
    let before = tried_at(&world).expect("it was tried");
    world.pass(300);
    assert_eq!(tried_at(&world).expect("it was tried").duration_since(before).as_secs(), 300);
    assert!(world.app.instances.len() <= 2, "what failed is removed");
}

#[test]
fn links_that_could_not_be_set_are_set_again_ever_more_slowly_until_they_are() {
    let mut world = World::with_v1(one());
    let tried: Rc<RefCell<Vec<Links>>> = Rc::default();
    let seen = tried.clone();
    world.script(move |_, effect| match effect {
        Effect::Link { links, .. } => {
            seen.borrow_mut().push(*links);
            if seen.borrow().len() > 7 { Reply::Ok } else { Reply::Fail("no space left on device") }
        }
        _ => Reply::Ok,
    });
    world.kill_shim(1);
    world.pass(10);
    let last = *tried.borrow().last().expect("links are set");
    let attempts = tried.borrow().len();
    assert!((2..=5).contains(&attempts), "no busy loop: {attempts}");
    world.pass(3_600);
    assert_eq!(tried.borrow().len(), 8, "and none after one that succeeded");
    assert!(tried.borrow()[attempts..].iter().all(|links| *links == last));
    assert_eq!((world.app.places[&Place(1)].link_failures, world.app.wake_at()), (0, None));
}

#[test]
fn crash_loop_without_a_deployment_alarms_and_ghosts_nothing() {
    let mut world = World::with_v1(one());
    for consecutive in 1..=4 {
        let instance = world.in_place(1);
        world.exits(instance, 0);
        let until = world.now;
        world.shim(instance, ShimFact::BackingOff { until, consecutive });
        world.started(instance);
    }
    assert_snapshot!(world.story(), @"
    0 ~ instance 1 exited by itself (exit 0) after 3 min 20 s
    0 ~ instance 1 exited by itself (exit 0) after 0 ms
    0 ~ instance 1 exited by itself (exit 0) after 0 ms
    0 ! instance 1 is in a crash loop: 3 exits in a row; started again in 0 ms
    0 ~ instance 1 exited by itself (exit 0) after 0 ms
    0 ! instance 1 is in a crash loop: 4 exits in a row; started again in 0 ms
    ");
    assert_eq!(world.app.places[&Place(1)].crashes, 4);
    assert!(world.app.deployment.is_none());
}

#[test]
fn old_instance_lost_before_its_turn_is_replaced_by_one_of_the_old_version() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(1);
    world.kill_shim(3);
    world.pass(2);
    assert_eq!(world.places(), "1b v2 ready, 2a v1 ready, 2b v2 starting, 3a v1 ready");
    world.pass(300);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready");
}

#[test]
fn old_instance_lost_while_commands_run_is_replaced() {
    let mut world = World::with_v1(settings());
    world.script(|_, effect| if matches!(effect, Effect::Stage { .. }) { Reply::Hold } else { Reply::Ok });
    world.deploy("2", settings());
    world.kill_shim(2);
    world.pass(5);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
}

#[test]
fn new_instance_lost_while_it_is_watched_is_replaced_and_is_no_failed_try() {
    let mut world = World::with_v1(with(|it| it.tries = 1));
    world.deploy("2", with(|it| it.tries = 1));
    world.pass(20);
    world.kill_shim(2);
    world.pass(5);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready");
    world.pass(200);
    assert_eq!(world.ended(2), "committed");
}

#[test]
fn restart_of_the_host_brings_all_places_up_again() {
    let mut world = World::with_v1(settings());
    world.reboot();
    world.pass(10);
    assert_snapshot!(world.story(), @"
    0   the host restarts
    0 ~ instance 1 has ended while bellrockd was away
    0 ~ instance 2 has ended while bellrockd was away
    0 ~ instance 3 has ended while bellrockd was away
    0     stop i1 (1a v1)
    0     stop i2 (2a v1)
    0     stop i3 (3a v1)
    0   instance 1 stopped
    0     create i4 (1a v1)
    0   instance 2 stopped
    0     create i5 (2a v1)
    0   instance 3 stopped
    0     create i6 (3a v1)
    0   instance 1 started
    0   instance 2 started
    0   instance 3 started
    2   instance 1 ready
    2   instance 2 ready
    2   instance 3 ready
    ");
    assert_eq!(world.exits.len(), 3, "each exit is in the history");
}

#[test]
fn restart_of_the_host_while_staging_changes_nothing_of_the_deployment() {
    let mut world = World::with_v1(settings());
    world.script(|_, effect| if matches!(effect, Effect::Stage { .. }) { Reply::Hold } else { Reply::Ok });
    world.deploy("2", settings());
    world.reboot();
    world.pass(10);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    world.release(|_| true, model::app::Outcome::Ok { detail: None });
    world.pass(300);
    assert_eq!(world.ended(2), "committed");
}

#[test]
fn restart_of_the_host_while_replacing_goes_back_and_says_nothing_against_the_version() {
    let mut world = World::with_v1(with(|it| it.replicas = 2));
    world.deploy("2", with(|it| it.replicas = 2));
    world.pass(3);
    world.forget();
    world.reboot();
    world.pass(10);
    assert_snapshot!(world.story(), @"
    0   the host restarts
    0 ~ going back to v1: the host went down under it
    0 ~ instance 2 has ended while bellrockd was away
    0 ~ instance 1 has ended while bellrockd was away
    0 ~ instance 2 has ended while bellrockd was away
    0     stop i2 (2a v1)
    0     stop i3 (1b v2)
    0     stop i4 (2b v2)
    0     create i5 (1a v1)
    0   instance 2 stopped
    0     create i6 (2a v1)
    0   instance 1 stopped
    0   instance 2 stopped
    0   instance 1 started
    0   instance 2 started
    2   instance 1 ready
    2   instance 2 ready
    2 ~ rolled back: v1 serves
    2     remove i1
    2     remove i2
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
    assert!(world.app.versions.iter().all(|version| version.ghost.is_none()));
}

#[test]
fn restart_of_the_host_while_watching_restores_the_new_version() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(30);
    world.reboot();
    world.pass(3);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready", "all at once");
    world.pass(200);
    assert_eq!(world.ended(2), "committed");
}

#[test]
fn restart_of_the_host_while_rolling_back_goes_on_rolling_back() {
    let mut world = World::with_v1(settings());
    world.deploy("2", settings());
    world.pass(30);
    world.unhealthy(1);
    world.pass(1);
    world.reboot();
    world.pass(30);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    assert_eq!(world.ended(2), "rolled back");
}

#[test]
fn shim_that_does_not_answer_keeps_its_place_closed() {
    let mut world = World::with_v1(one());
    let adopted = Event::Adopted { alive: vec![], unknown: vec![InstanceId(1)] };
    world.event(adopted).expect("adoption is taken");
    world.pass(100);
    assert_snapshot!(world.story(), @"   0 ! the shim of instance 1 does not answer: nothing is started in its place; see bellrock doctor");
    assert_eq!(world.app.instances.len(), 1, "nothing was started beside it");
    let warning = ShimFact::Warning { text: "it answers again".into() };
    world.shim(InstanceId(1), warning);
    assert_eq!(world.app.places[&Place(1)].unknown, None);
}

#[test]
fn instance_that_cannot_be_stopped_keeps_its_place_closed_until_a_person_has_looked() {
    let mut world = World::with_v1(one());
    world.script(|_, effect| match effect {
        Effect::Stop { .. } => Reply::Fail("pid 4121 is in state D"),
        _ => Reply::Ok,
    });
    world.kill_shim(1);
    world.pass(1000);
    assert_snapshot!(world.story(), @"
    0 ~ the shim of instance 1 died, and the instance with it
    0     stop i1 (1a v1)
    0 ! instance 1 could not be stopped: pid 4121 is in state D; nothing is started in its place before somebody has looked: bellrock doctor, then bellrock restart beacon 1
    ");
    world.script(|_, _| Reply::Ok);
    let deployment = world.next_deployment();
    world.command(model::app::Command::Restart { place: Some(Place(1)), deployment });
    world.pass(10);
    assert_eq!(world.places(), "1a v1 ready");
}

#[test]
fn facts_are_taken_once() {
    let mut world = World::with_v1(one());
    let instance = world.in_place(1);
    world.exits(instance, 7);
    let again = ShimFact::Exited {
        run: 1,
        at: world.now,
        how: ExitHow::Status(7),
        uptime_ms: 1,
        crash_dump: None,
        tail: None,
    };
    let seq = world.app.instances[&instance].seq;
    world.event(Event::Shim { instance, seq, fact: again }).expect_err("it was taken before");
    world.kill_shim(1);
    assert_eq!(world.exits, [(instance, ExitHow::Status(7))], "no run had begun when the shim died");
}

#[test]
fn each_way_to_end_is_told_in_words() {
    let mut world = World::with_v1(one());
    let instance = world.in_place(1);
    for (how, words) in [
        (ExitHow::Status(7), "exit 7"),
        (ExitHow::Signal(9), "signal 9"),
        (
            ExitHow::OutOfMemory { limit_bytes: Some(64_000_000) },
            "killed by the kernel: memory limit 64.0 MB reached",
        ),
        (ExitHow::OutOfMemory { limit_bytes: None }, "killed by the kernel for want of memory"),
        (ExitHow::Unknown, "lost with its shim"),
    ] {
        let run = world.app.instances[&instance].run;
        let (at, uptime_ms) = (world.now, 1000);
        let fact = ShimFact::Exited { run, at, how, uptime_ms, crash_dump: None, tail: None };
        world.shim(instance, fact);
        let told = format!("0 ~ instance 1 exited by itself ({words}) after 1.0 s");
        assert_eq!(world.last_line(), told);
        world.started(instance);
    }
    assert_eq!(world.exits.len(), 5, "each is one exit");
}
