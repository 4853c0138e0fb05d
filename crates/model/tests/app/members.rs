//! Members take turns: one is stopped, replaced in its slot and checked, then the next.

use insta::assert_snapshot;
use model::app::{App, Command, Effect, Kind, Outcome, RunKind};
use model::settings::{AppSettings, PreCommand, Strategy};
use model::{InstanceId, Place, Slot};

use crate::world::{Boot, Reply, World, label, seconds, with};

fn members(replicas: u16) -> AppSettings {
    with(|it| {
        (it.replicas, it.strategy) = (replicas, Strategy::Member);
        it.member.check = Some(PreCommand::parse("rpc D.whole").expect("it is one"));
        it.watch_window = seconds(60);
    })
}

fn is_check(effect: &Effect) -> bool {
    matches!(effect, Effect::Run { run } if matches!(run.kind, RunKind::Member { .. }))
}

/// The check of this version's members says no.
fn says_no(app: &App, effect: &Effect, version: &str) -> bool {
    matches!(effect, Effect::Run { run } if is_check(effect) && app.label(run.target) == version)
}

fn all_in_slot_a(world: &World) -> bool {
    world.app.instances.values().all(|it| it.slot == Slot::A)
}

#[test]
fn a_deployment_goes_from_place_to_place() {
    let mut world = World::with_v1(members(3));
    let mut noes = 0;
    world.script(move |_, effect| match effect {
        Effect::Run { .. } if is_check(effect) && noes < 2 => {
            noes += 1;
            Reply::Fail("ended with exit 1 after 0.4 s")
        }
        _ => Reply::Ok,
    });
    world.deploy("2", members(3));
    world.pass(100);
    assert_snapshot!(world.story(), @"
     0   deploy v1 → v2, member
     0     stage v2 for 1a 2a 3a
     0   staged
     0     stop i1 (1a v1)
     0   instance 1 stopped
     0     create i4 (1a v2)
     0   instance 1 started
     2   instance 1 ready
     2     ask i4 (1a v2) `rpc D.whole`
     2 ~ member check `rpc D.whole` of place 1: no, ended with exit 1 after 0.4 s; asked again every 5.0 s
     7     ask i4 (1a v2) `rpc D.whole`
    12     ask i4 (1a v2) `rpc D.whole`
    12   member check `rpc D.whole` of place 1: yes after 2 noes
    12     stop i2 (2a v1)
    12   instance 2 stopped
    12     create i5 (2a v2)
    12   instance 2 started
    14   instance 2 ready
    14     ask i5 (2a v2) `rpc D.whole`
    14   member check `rpc D.whole` of place 2: yes
    14     stop i3 (3a v1)
    14   instance 3 stopped
    14     create i6 (3a v2)
    14   instance 3 started
    16   instance 3 ready
    16     ask i6 (3a v2) `rpc D.whole`
    16   member check `rpc D.whole` of place 3: yes
    16   serving v2: 3 of 3 ready; watching for 1 min
    76   committed v2
    ");
    assert_eq!((world.ended(2), world.fewest_ready), ("committed", 2));
    assert_eq!(world.places(), "1a v2 ready, 2a v2 ready, 3a v2 ready");
    assert!(all_in_slot_a(&world));
}

#[test]
fn a_check_that_never_says_yes_leads_back_and_nobody_else_is_touched() {
    let mut world = World::with_v1(members(3));
    let untouched: Vec<InstanceId> = [2, 3].map(|place| world.in_place(place)).to_vec();
    world.script(|app, effect| match says_no(app, effect, "2") {
        true => Reply::Fail("ended with exit 1 after 0.4 s"),
        false => Reply::Ok,
    });
    world.deploy("2", members(3));
    world.pass(700);
    assert_eq!((world.ended(2), world.fewest_ready), ("rolled back", 2), "{}", world.story());
    let why =
        "the check of place 1 (member.check) did not say yes: ended with exit 1 after 0.4 s, within 10 min";
    assert!(world.story().contains(why), "{}", world.story());
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    assert_eq!([2, 3].map(|place| world.in_place(place)).to_vec(), untouched);
    assert!(world.app.version_called(&label("2")).is_some_and(|it| it.ghost.is_some()));
    let told = world.story().lines().filter(|line| line.contains(": no, ")).count();
    assert_eq!(told, 1, "a no is told once: {}", world.story());
}

#[test]
fn a_way_back_on_which_the_check_never_says_yes_calls_a_person() {
    let mut world = World::with_v1(members(3));
    world.script(|_, effect| match is_check(effect) {
        true => Reply::Unknown("its runner died"),
        false => Reply::Ok,
    });
    world.deploy("2", members(3));
    world.pass(2_000);
    assert_eq!((world.ended(2), world.fewest_ready), ("rollback failed", 2), "{}", world.story());
    let stuck = world.app.stuck.clone().unwrap();
    assert!(
        stuck.contains("the check of place 1 (member.check) did not say yes: its runner died"),
        "{stuck}"
    );
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
}

#[test]
fn a_version_that_fails_in_the_second_place_goes_back_from_place_to_place() {
    let mut world = World::with_v1(members(3));
    world.deploy("2", members(3));
    world.pass(3);
    assert_eq!(world.places(), "1a v2 ready, 2a v2 starting, 3a v1 ready", "{}", world.story());
    world.boots("2", Boot::Exits);
    world.forget();
    world.crash(2);
    world.pass(100);
    assert_snapshot!(world.story(), @"
    0 ~ instance 2 exited by itself (exit 1) after 1.0 s
    0     stop i5 (2a v2)
    0   instance 2 stopped
    0 ~ instance 2 failed (try 1 of 3): it exited before it was ready (exit 1)
    0     create i6 (2a v2)
    0   instance 2 started
    1 ~ instance 2 exited by itself (exit 1) after 1.0 s
    1     stop i6 (2a v2)
    1   instance 2 stopped
    1 ~ instance 2 failed (try 2 of 3): it exited before it was ready (exit 1)
    1     create i7 (2a v2)
    1     remove i5
    1   instance 2 started
    2 ~ instance 2 exited by itself (exit 1) after 1.0 s
    2     stop i7 (2a v2)
    2   instance 2 stopped
    2 ~ instance 2 failed (try 3 of 3): it exited before it was ready (exit 1)
    2 ! going back to v1: instance 2 failed 3 times: it exited before it was ready (exit 1)
    2     create i8 (2a v1)
    2     remove i6
    2   instance 2 started
    4   instance 2 ready
    4     ask i8 (2a v1) `rpc D.whole`
    4   member check `rpc D.whole` of place 2: yes
    4     stop i4 (1a v2)
    4   instance 1 stopped
    4     create i9 (1a v1)
    4   instance 1 started
    6   instance 1 ready
    6     ask i9 (1a v1) `rpc D.whole`
    6   member check `rpc D.whole` of place 1: yes
    6 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    6     remove i1
    6     remove i2
    ");
    assert_eq!((world.ended(2), world.fewest_ready), ("rolled back", 2));
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    assert!(all_in_slot_a(&world));
}

#[test]
fn a_new_member_that_fails_its_health_check_waits_for_its_turn_to_be_taken_back() {
    let mut world = World::with_v1(members(3));
    world.deploy("2", members(3));
    world.pass(3);
    let sick = world.in_place(1);
    world.unhealthy(1);
    assert!(!world.app.instances[&sick].is_ending(), "place 2 is away just now: {}", world.story());
    assert!(world.app.deployment.as_ref().is_some_and(|it| it.is_rolling_back()));
    world.pass(100);
    assert_eq!(world.ended(2), "rolled back", "{}", world.story());
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
}

#[test]
fn nobody_is_stopped_while_another_place_is_not_ready() {
    let mut world = World::with_v1(members(3));
    world.unhealthy(3);
    world.deploy("2", members(3));
    world.pass(1);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v2 starting", "the one that fails goes first");
    let mut world = World::with_v1(members(3));
    world.unhealthy(2);
    world.unhealthy(3);
    world.deploy("2", members(3));
    world.pass(500);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 unhealthy, 3a v1 unhealthy", "{}", world.story());
    world.pass(200);
    assert_eq!(world.ended(2), "rolled back", "{}", world.story());
    assert!(world.story().contains("place 2 was not ready, so that no other member could be stopped"));
    assert!(world.app.version_called(&label("2")).is_some_and(|it| it.ghost.is_none()), "it was not tried");
}

#[test]
fn a_member_that_exits_while_another_is_replaced_is_asked_again() {
    let mut world = World::with_v1(members(2));
    world.deploy("2", members(2));
    world.pass(3);
    world.forget();
    world.crash(1);
    let run = world.app.instances[&world.in_place(1)].run;
    assert_eq!(run, 2);
    let verdict = model::app::Verdict::Ready;
    world.verdict(world.in_place(1), verdict);
    world.pass(3);
    let asked = world.story().lines().filter(|it| it.contains("of place 1: yes")).count();
    assert_eq!(asked, 1, "{}", world.story());
}

#[test]
fn restart_and_scale_go_from_place_to_place() {
    let mut world = World::with_v1(members(3));
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: None, deployment });
    world.pass(60);
    assert_eq!((world.ended(2), world.fewest_ready), ("committed", 2), "{}", world.story());
    world.forget();
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 5, deployment });
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0   scale to 5 places
    0     stage v1 for 4a 5a
    0   staged
    0     create i7 (4a v1)
    0   instance 4 started
    2   instance 4 ready
    2     ask i7 (4a v1) `rpc D.whole`
    2   member check `rpc D.whole` of place 4: yes
    2     create i8 (5a v1)
    2   instance 5 started
    4   instance 5 ready
    4     ask i8 (5a v1) `rpc D.whole`
    4   member check `rpc D.whole` of place 5: yes
    4   scaled to 5 places
    ");
    world.forget();
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 3, deployment });
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0   scale to 3 places
    0     stop i8 (5a v1)
    0   instance 5 stopped
    0     ask i4 (1a v1) `rpc D.whole`
    0   member check `rpc D.whole` without place 5: yes
    0     stop i7 (4a v1)
    0   instance 4 stopped
    0     ask i4 (1a v1) `rpc D.whole`
    0   member check `rpc D.whole` without place 4: yes
    0   scaled to 3 places
    ");
}

#[test]
fn scaling_that_is_given_up_takes_the_new_members_away_one_by_one() {
    let mut world = World::with_v1(members(2));
    world.script(|_, effect| match effect {
        Effect::Run { run } if run.kind == (RunKind::Member { instance: InstanceId(4) }) => {
            Reply::Fail("ended with exit 1")
        }
        _ => Reply::Ok,
    });
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 4, deployment });
    world.pass(20);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready, 4a v1 ready", "{}", world.story());
    world.script(|_, _| Reply::Ok);
    world.forget();
    world.command(Command::Cancel { deployment });
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0 ~ giving up: given up by hand
    0     stop i4 (4a v1)
    0   instance 4 stopped
    0     ask i1 (1a v1) `rpc D.whole`
    0   member check `rpc D.whole` without place 4: yes
    0     stop i3 (3a v1)
    0   instance 3 stopped
    0 ~ cancelled: v1 serves
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn a_cluster_that_is_away_begins_all_at_once() {
    let mut world = World::with_v1(members(3));
    world.reboot();
    world.pass(1);
    assert_eq!(world.places(), "1a v1 starting, 2a v1 starting, 3a v1 starting");
    world.pass(60);
    for kind in [Kind::Stop, Kind::Start] {
        let deployment = world.next_deployment();
        world.command(if kind == Kind::Stop {
            Command::Stop { deployment }
        } else {
            Command::Start { deployment }
        });
        world.pass(1);
    }
    assert_eq!(world.places(), "1a v1 starting, 2a v1 starting, 3a v1 starting", "{}", world.story());
    world.pass(60);
    assert_eq!(world.ended(3), "committed", "{}", world.story());
}

#[test]
fn an_old_member_that_is_lost_before_its_turn_is_made_again_by_its_own_version() {
    let mut world = World::with_v1(members(3));
    world.script(|_, effect| if is_check(effect) { Reply::Hold } else { Reply::Ok });
    world.deploy("2", members(3));
    world.pass(10);
    world.kill_shim(3);
    world.pass(10);
    assert_eq!(world.places(), "1a v2 ready, 2a v1 ready, 3a v1 ready", "{}", world.story());
    world.script(|_, _| Reply::Ok);
    world.release(is_check, Outcome::Ok { detail: None });
    world.pass(100);
    assert_eq!(world.ended(2), "committed", "{}", world.story());
}

#[test]
fn where_the_old_version_holds_a_cluster_the_new_one_never_runs_beside_it() {
    let mut world = World::with_v1(members(2));
    world.deploy("2", with(|it| (it.replicas, it.strategy) = (2, Strategy::Parallel)));
    world.pass(300);
    assert_eq!((world.ended(2), world.fewest_ready), ("committed", 1), "{}", world.story());
    assert!(all_in_slot_a(&world));
    // From a version that did not, into the one slot.
    let mut world = World::with_v1(with(|it| it.replicas = 2));
    world.deploy("2", with(|it| it.replicas = 2));
    world.pass(300);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready");
    world.forget();
    world.deploy("3", members(2));
    world.pass(300);
    assert_eq!((world.ended(3), world.places().as_str()), ("committed", "1a v3 ready, 2a v3 ready"));
    assert_eq!(world.fewest_ready, 1, "{}", world.story());
}

#[test]
fn nothing_is_stopped_beside_a_place_of_which_nobody_knows() {
    let mut world = World::with_v1(members(3));
    world.command(Command::Follow);
    world.script(|_, effect| match effect {
        Effect::Stop { .. } => Reply::Fail("pid 4121 is in state D"),
        _ => Reply::Ok,
    });
    world.kill_shim(1);
    world.script(|_, _| Reply::Ok);
    world.store_names("2", members(3)).unwrap();
    world.pass(3_000);
    assert!(world.app.deployment.is_none(), "it ends all the same");
    assert!(world.app.places[&Place(1)].unknown.is_some());
    assert_eq!(world.places(), "2a v1 ready, 3a v1 ready", "{}", world.story());
}
