//! Variables: revisions of a version, and what activation and rollback bring back.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use model::app::Command;
use model::settings::AppSettings;

use crate::world::{Boot, World, with};

fn one() -> AppSettings {
    with(|it| it.replicas = 1)
}

fn set(world: &mut World, pairs: &[(&str, Option<&str>)], later: bool) {
    let changes = pairs
        .iter()
        .map(|(name, value)| {
            let value = value.map(|value| value.parse().expect("it is a value"));
            (name.parse().expect("it is a name"), value)
        })
        .collect::<BTreeMap<_, _>>();
    let deployment = world.next_deployment();
    world.command(Command::SetVariables { changes, later, deployment });
    world.pass(200);
}

/// The variables of the instance that serves, as `A=1 B=2`.
fn serving(world: &World) -> String {
    let instance = world.app.instances.values().find(|it| it.is_ready()).expect("one is ready");
    let revision = world.app.revision(instance.target).expect("its version is there");
    let pairs: Vec<String> =
        revision.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(" ")
}

#[test]
fn activation_restores_the_variables_of_the_last_moment_the_version_was_active() {
    let mut world = World::with_v1(one());
    set(&mut world, &[("A", Some("1"))], false);
    set(&mut world, &[("A", Some("2"))], false);
    world.deploy("2", one());
    world.pass(200);
    assert_eq!(serving(&world), "A=2", "a new version takes the variables of now");
    set(&mut world, &[("A", Some("3")), ("B", Some("added under 2"))], false);
    assert_eq!(serving(&world), "A=3 B=added under 2");
    world.activate("1");
    world.pass(200);
    assert_eq!(serving(&world), "A=2");
    world.activate("2");
    world.pass(200);
    assert_eq!(serving(&world), "A=3 B=added under 2");
    set(&mut world, &[("B", None)], false);
    assert_eq!(serving(&world), "A=3");
}

#[test]
fn automatic_rollback_restores_them_too() {
    let mut world = World::with_v1(one());
    set(&mut world, &[("A", Some("2"))], false);
    world.deploy("2", one());
    world.pass(30);
    world.unhealthy(1);
    world.pass(60);
    assert_eq!(serving(&world), "A=2");
    assert_eq!(world.places(), "1b v1+env1 ready");
}

#[test]
fn variables_are_set_by_a_rolling_restart_that_is_watched() {
    let mut world = World::with_v1(one());
    set(&mut world, &[("A", Some("1"))], false);
    assert_snapshot!(world.story(), @"
      0   variables of v1+env1: A
      0   variables v1 → v1+env1, rolling
      0     stage v1+env1 for 1b
      0   staged
      0     create i2 (1b v1+env1)
      0   instance 1 started
      2   instance 1 ready
      2     stop i1 (1a v1)
      2   instance 1 stopped
      2   serving v1+env1: 1 of 1 ready; watching for 2 min
    122   committed v1+env1
    ");
}

#[test]
fn variables_that_break_the_app_are_rolled_back_and_ghost_nothing() {
    let mut world = World::with_v1(one());
    world.boots("1+env1", Boot::Exits);
    set(&mut world, &[("DATABASE_URL", Some("nonsense"))], false);
    assert_snapshot!(world.last_line(), @"3 ~ rolled back: v1 serves");
    assert_eq!(serving(&world), "");
    assert!(world.app.versions[0].ghost.is_none());
    world.activate_is_refused("1");
    set(&mut world, &[("DATABASE_URL", Some("right"))], false);
    assert_eq!(serving(&world), "DATABASE_URL=right", "the broken revision is forgotten");
}

#[test]
fn variables_for_later_leave_the_instances_alone() {
    let mut world = World::with_v1(one());
    set(&mut world, &[("A", Some("1"))], true);
    assert_snapshot!(world.story(), @"   0   variables of v1+env1: A; they apply to what is started from now on");
    assert_eq!(serving(&world), "");
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: None, deployment });
    world.pass(10);
    assert_eq!(serving(&world), "A=1");
}

#[test]
fn variables_for_later_apply_to_an_instance_that_is_replaced() {
    let mut world = World::with_v1(one());
    set(&mut world, &[("A", Some("1"))], true);
    world.kill_shim(1);
    world.pass(10);
    assert_eq!(serving(&world), "A=1");
}

#[test]
fn variables_before_the_first_version() {
    let mut world = World::new();
    set(&mut world, &[("A", Some("1"))], false);
    world.deploy("1", one());
    world.pass(200);
    assert_eq!(serving(&world), "A=1");
}

#[test]
fn nothing_changes_when_nothing_is_changed() {
    let mut world = World::with_v1(one());
    let deployment = world.next_deployment();
    let changes = BTreeMap::from([("A".parse().expect("it is a name"), None)]);
    world.refused(Command::SetVariables { changes, later: false, deployment });
    assert_snapshot!(world.last_line(), @"0 refused: nothing would change");
}
