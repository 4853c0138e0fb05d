//! A newer version arrives while a deployment runs: a queue of one, the newest wins.

use insta::assert_snapshot;
use model::app::{Effect, Outcome, Wish};
use model::settings::{AppSettings, PreCommand};

use crate::world::{Boot, Reply, World, with};

fn two() -> AppSettings {
    with(|it| it.replicas = 2)
}

fn both_serve(world: &World, label: &str) -> bool {
    world.app.instances.values().filter(|it| it.is_ready() && world.app.label(it.target) == label).count()
        == 2
}

#[test]
fn newer_version_while_staging() {
    let mut world = World::with_v1(two());
    world.script(|_, effect| if matches!(effect, Effect::Stage { .. }) { Reply::Hold } else { Reply::Ok });
    world.deploy("2", two());
    world.pass(1);
    world.deploy("3", two());
    world.script(|_, _| Reply::Ok);
    world.release(|_| true, Outcome::Ok { detail: None });
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, rolling
      0     stage v2 for 1b 2b
      1   deployment 3 of v3 waits for deployment 2
      1   staged
      1 ~ v3 takes its place (deployment 3)
      1 ~ superseded: nothing was changed, v1 goes on
      1   deploy v1 → v3, rolling
      1     stage v3 for 1b 2b
      1   staged
      1     create i3 (1b v3)
      1   instance 1 started
      3   instance 1 ready
      3     stop i1 (1a v1)
      3   instance 1 stopped
      3     create i4 (2b v3)
      3   instance 2 started
      5   instance 2 ready
      5     stop i2 (2a v1)
      5   instance 2 stopped
      5   serving v3: 2 of 2 ready; watching for 2 min
    125   committed v3
    ");
    assert_eq!((world.ended(2), world.ended(3)), ("superseded", "committed"));
}

#[test]
fn newer_version_while_a_pre_command_runs_waits_for_its_end() {
    let mut world = World::with_v1(two());
    world.script(|_, effect| if matches!(effect, Effect::Run { .. }) { Reply::Hold } else { Reply::Ok });
    world.deploy(
        "2",
        with(|it| {
            it.pre_commands =
                ["eval A.a", "eval B.b"].map(|it| PreCommand::parse(it).expect("it is one")).to_vec();
        }),
    );
    world.pass(1);
    world.deploy("3", two());
    world.pass(1);
    world.release(|_| true, Outcome::Ok { detail: None });
    world.pass(5);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b 3a
    0   staged
    0     pre-command `eval A.a`
    1   deployment 3 of v3 waits for deployment 2
    2   pre-command `eval A.a`
    2 ~ v3 takes its place (deployment 3)
    2 ~ superseded: nothing was changed, v1 goes on; what its pre-commands did was not undone (a database stays migrated)
    2   deploy v1 → v3, rolling
    2     stage v3 for 1b 2b
    2   staged
    2     create i3 (1b v3)
    2   instance 1 started
    4   instance 1 ready
    4     stop i1 (1a v1)
    4   instance 1 stopped
    4     create i4 (2b v3)
    4   instance 2 started
    6   instance 2 ready
    6     stop i2 (2a v1)
    6   instance 2 stopped
    6   serving v3: 2 of 2 ready; watching for 2 min
    ");
}

#[test]
fn newer_version_while_replacing_goes_back_first() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(3);
    world.forget();
    world.deploy("3", two());
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0 ~ v3 takes its place (deployment 3)
      0   deployment 3 of v3 waits for deployment 2
      0     create i5 (1a v1)
      0     stop i4 (2b v2)
      0   instance 2 stopped
      0   instance 1 started
      2   instance 1 ready
      2     stop i3 (1b v2)
      2   instance 1 stopped
      2 ~ superseded: v1 serves
      2   deploy v1 → v3, rolling
      2     stage v3 for 1b 2b
      2     remove i1
      2   staged
      2     create i6 (1b v3)
      2   instance 1 started
      4   instance 1 ready
      4     stop i5 (1a v1)
      4   instance 1 stopped
      4     create i7 (2b v3)
      4     remove i3
      4   instance 2 started
      6   instance 2 ready
      6     stop i2 (2a v1)
      6   instance 2 stopped
      6   serving v3: 2 of 2 ready; watching for 2 min
      6     remove i4
    126   committed v3
    ");
    assert_eq!(world.fewest_ready, 2);
    assert!(both_serve(&world, "3"));
    assert!(world.app.versions.iter().all(|version| version.ghost.is_none()));
}

#[test]
fn newer_version_while_watching_waits_for_the_window() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(30);
    world.forget();
    world.deploy("3", two());
    world.pass(300);
    assert_snapshot!(world.story(), @"
      0   deployment 3 of v3 waits for deployment 2
     94   committed v2
     94   deploy v2 → v3, rolling
     94     stage v3 for 1a 2a
     94   staged
     94     create i5 (1a v3)
     94   instance 1 started
     96   instance 1 ready
     96     stop i3 (1b v2)
     96   instance 1 stopped
     96     create i6 (2a v3)
     96     remove i1
     96   instance 2 started
     98   instance 2 ready
     98     stop i4 (2b v2)
     98   instance 2 stopped
     98   serving v3: 2 of 2 ready; watching for 2 min
     98     remove i2
    218   committed v3
    ");
    assert_eq!((world.ended(2), world.ended(3)), ("committed", "committed"));
}

#[test]
fn newer_version_while_rolling_back_follows_it() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(30);
    world.unhealthy(1);
    world.deploy("3", two());
    world.pass(300);
    assert_eq!((world.ended(2), world.ended(3)), ("rolled back", "committed"));
    assert!(both_serve(&world, "3"));
}

#[test]
fn newer_version_follows_a_way_back_that_failed() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(30);
    world.boots("1", Boot::Exits);
    world.unhealthy(1);
    world.deploy("3", two());
    world.pass(300);
    assert_eq!((world.ended(2), world.ended(3)), ("rollback failed", "committed"));
    assert!(both_serve(&world, "3") && world.app.stuck.is_none());
}

#[test]
fn newest_wins_in_the_queue_and_the_dropped_one_has_a_record() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(30);
    for version in ["3", "4", "5"] {
        world.deploy(version, two());
    }
    let deployment = model::DeploymentId(5);
    assert_eq!(world.app.queued.as_ref().expect("one waits").deployment, deployment);
    assert_eq!((world.ended(3), world.ended(4)), ("superseded", "superseded"));
    world.command(model::app::Command::Cancel { deployment });
    assert_eq!(world.ended(5), "cancelled");
    world.pass(200);
    assert!(both_serve(&world, "2"));
}

#[test]
fn same_version_again_is_refused_while_it_is_deployed() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(1);
    let deployment = world.next_deployment();
    let version = Box::new(World::package("2", two()));
    world.refused(model::app::Command::Deploy { version, wish: Wish::default(), deployment });
    assert_snapshot!(world.last_line(), @"1 refused: deployment 2 is under way; wait for it, or give it up: bellrock deployments cancel 2");
}

#[test]
fn version_that_is_pushed_by_hand_is_not_pushed_out_of_the_queue_by_the_store() {
    let mut world = World::with_v1(two());
    world.command(model::app::Command::Follow);
    assert_eq!(world.store_is_told("2"), "taken");
    world.pass(30);
    world.deploy("3", two());
    assert_snapshot!(world.store_is_told("4"), @"the app is in manual mode and does not follow the store");
}
