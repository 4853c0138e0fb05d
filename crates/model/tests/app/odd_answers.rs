//! Answers that a doer should not give: the app goes on all the same.

use model::app::{DrainFigures, Outcome};
use model::settings::{AppSettings, Command, PreCommand};

use crate::world::{Reply, World, with};

fn one() -> AppSettings {
    with(|it| it.replicas = 1)
}

fn all_commands() -> AppSettings {
    with(|it| {
        it.replicas = 1;
        it.pre_commands = vec![PreCommand::parse("eval Beacon.Migrator.migrate").expect("it is one")];
        it.init_commands = vec![Command::split("bin/init").expect("it is one")];
    })
}

/// A doer may say of anything that nothing is in flight in it any more: then it is done.
#[test]
fn an_end_that_drains_have_is_an_end_of_anything_else() {
    let drained = || Outcome::Drained { figures: DrainFigures::default() };
    let mut world = World::with_v1(one());
    world.script(|_, _| Reply::Hold);
    world.deploy("2", all_commands());
    for _ in 0..20 {
        world.settle();
        if !world.held.is_empty() {
            world.release(|_| true, drained());
        }
        world.pass(3);
    }
    world.pass(200);
    assert_eq!(world.ended(2), "committed", "{}", world.story());
    assert_eq!(world.places(), "1b v2 ready");
}
