//! Scale operations that the load asks for.

use insta::assert_snapshot;
use model::app::{Command, Origin, Refused};
use model::settings::{AppSettings, Autoscale};

use crate::world::{Boot, World, with};

/// Has the load ask for places.
fn by_load(world: &mut World, replicas: u16) -> Result<(), Refused> {
    let deployment = world.next_deployment();
    let by = Origin::Autoscaler { reason: format!("to {replicas}: CPU p50 of 20 s 87 % > 70 %") };
    world.try_command(Command::Scale { replicas, deployment }, by)
}

fn following() -> AppSettings {
    with(|it| {
        (it.replicas, it.max) = (2, Some(6));
        it.autoscale = Autoscale { cpu: Some(70), max: Some(4), ..Autoscale::default() };
    })
}

#[test]
fn scale_by_the_load_keeps_within_its_range_and_out_of_deployments() {
    let mut world = World::with_v1(following());
    by_load(&mut world, 3).unwrap();
    assert!(matches!(by_load(&mut world, 4), Err(Refused::Busy { .. })));
    world.pass(10);
    assert!(world.story().contains("scale to 3 places by the load, to 3: CPU p50 of 20 s 87 % > 70 %"));
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready, 3a v1 ready");
    for replicas in [1, 5] {
        assert!(matches!(
            by_load(&mut world, replicas),
            Err(Refused::OutsideAutoscale { min: 2, max: 4, .. })
        ));
        let deployment = world.next_deployment();
        world.refused(Command::Scale { replicas, deployment });
    }
    assert_snapshot!(world.last_line(), @"10 refused: 5 places are not within 2 to 4, between which places follow the load; change autoscale.min or autoscale.max in the app's settings and deploy");
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 4, deployment });
    world.pass(10);
    by_load(&mut world, 3).expect("a person sets the number that the load goes on from");
}

#[test]
fn the_number_that_the_load_has_come_to_is_kept_by_deployments_within_their_range() {
    let mut world = World::with_v1(following());
    by_load(&mut world, 4).unwrap();
    world.pass(10);
    world.deploy("2", following());
    world.pass(200);
    assert_eq!(world.ready(), 4);
    let narrow = with(|it| {
        it.replicas = 2;
        it.autoscale = Autoscale { cpu: Some(70), max: Some(3), ..Autoscale::default() };
    });
    world.deploy("3", narrow);
    world.pass(200);
    assert_eq!(world.ready(), 3);
    world.deploy("4", with(|it| it.replicas = 2));
    world.pass(200);
    assert!(matches!(by_load(&mut world, 3), Err(Refused::NotByLoad { .. })), "it follows no load any more");
}

#[test]
fn the_load_asks_in_vain_where_nothing_runs() {
    let mut world = World::with_v1(following());
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(10);
    assert_eq!(by_load(&mut world, 3), Err(Refused::AppStopped));
    assert_eq!(world.app.scaled_to, None);
}

#[test]
fn the_load_asks_in_vain_where_a_person_is_needed() {
    let mut world = World::with_v1(following());
    world.deploy("2", following());
    world.pass(30);
    world.boots("1", Boot::Exits);
    world.unhealthy(1);
    world.pass(60);
    assert!(world.app.stuck.is_some(), "{}", world.story());
    let refused = by_load(&mut world, 3).unwrap_err().to_string();
    assert_eq!(refused, "the app's places do not follow the load now: a person is needed first");
}
