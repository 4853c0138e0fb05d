//! What operators ask for: rollback, activation, restart, scale, stop, start, cancel; pre-commands.

use insta::assert_snapshot;
use model::Place;
use model::app::{Command, Effect, Outcome, Wish};
use model::settings::{AppSettings, PreCommand};

use crate::world::{Boot, Reply, World, settings, with};

fn two() -> AppSettings {
    with(|it| it.replicas = 2)
}

/// Versions 1 and 2 were committed; 2 is active.
fn with_two_versions() -> World {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(200);
    world.forget();
    world
}

fn migrating() -> AppSettings {
    with(|it| {
        it.replicas = 2;
        it.pre_commands = vec![PreCommand::parse("eval Beacon.Migrator.migrate").expect("it is one")];
    })
}

fn hold_commands(_: &model::app::App, effect: &Effect) -> Reply {
    if matches!(effect, Effect::Run { .. }) { Reply::Hold } else { Reply::Ok }
}

fn is_run(effect: &Effect) -> bool {
    matches!(effect, Effect::Run { .. })
}

fn ok() -> Outcome {
    Outcome::Ok { detail: None }
}

#[test]
fn rollback_by_hand_ghosts_the_version_that_was_left() {
    let mut world = with_two_versions();
    let deployment = world.next_deployment();
    world.command(Command::Rollback { wish: Wish::default(), deployment });
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   rollback v2 → v1, rolling
      0     stage v1 for 1a 2a
      0   staged
      0     create i5 (1a v1)
      0   instance 1 started
      2   instance 1 ready
      2     stop i3 (1b v2)
      2   instance 1 stopped
      2     create i6 (2a v1)
      2     remove i1
      2   instance 2 started
      4   instance 2 ready
      4     stop i4 (2b v2)
      4   instance 2 stopped
      4   serving v1: 2 of 2 ready; watching for 2 min
      4     remove i2
    124   v2 is ghosted: it was rolled back by hand
    124   committed v1
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
    world.activate_is_refused("2");
    let deployment = world.next_deployment();
    world.refused(Command::Rollback { wish: Wish::default(), deployment });
    assert_snapshot!(world.last_line(), @"200 refused: there is no earlier version to go back to");
}

#[test]
fn rollback_by_hand_turns_a_running_deployment_round() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(30);
    let deployment = world.next_deployment();
    world.command(Command::Rollback { wish: Wish::default(), deployment });
    world.pass(30);
    assert_eq!(world.ended(2), "rolled back");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
    world.activate_is_refused("2");
}

#[test]
fn activation_is_the_normal_procedure_without_pre_commands() {
    let mut world = World::with_v1(migrating());
    world.deploy("2", migrating());
    world.pass(200);
    world.forget();
    world.activate("1");
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   activate v2 → v1, rolling
      0     stage v1 for 1a 2a
      0   staged
      0     create i5 (1a v1)
      0   instance 1 started
      2   instance 1 ready
      2     stop i3 (1b v2)
      2   instance 1 stopped
      2     create i6 (2a v1)
      2     remove i1
      2   instance 2 started
      4   instance 2 ready
      4     stop i4 (2b v2)
      4   instance 2 stopped
      4   serving v1: 2 of 2 ready; watching for 2 min
      4     remove i2
    124   committed v1
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
    world.activate("2");
    world.pass(200);
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready", "what was left by activation is not ghosted");
}

#[test]
fn restart_of_all_places_is_rolling_and_is_not_watched() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: None, deployment });
    world.pass(10);
    assert_snapshot!(world.story(), @"
    0   restart v1
    0     stage v1 for 1b 2b
    0   staged
    0     create i3 (1b v1)
    0   instance 1 started
    2   instance 1 ready
    2     stop i1 (1a v1)
    2   instance 1 stopped
    2     create i4 (2b v1)
    2   instance 2 started
    4   instance 2 ready
    4     stop i2 (2a v1)
    4   instance 2 stopped
    4   restarted v1
    ");
    assert_eq!(world.fewest_ready, 2);
    assert!(world.app.places.values().all(|place| place.forced_restarts == 1 && place.crashes == 0));
}

#[test]
fn restart_of_one_place_leaves_the_others_alone() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: Some(Place(2)), deployment });
    world.pass(10);
    assert_eq!(world.places(), "1a v1 ready, 2b v1 ready");
    assert_eq!(world.app.places[&Place(1)].forced_restarts, 0);
    let deployment = world.next_deployment();
    world.refused(Command::Restart { place: Some(Place(3)), deployment });
    assert_snapshot!(world.last_line(), @"10 refused: there is no place 3; the app has places 1 to 2");
}

#[test]
fn restart_that_fails_keeps_what_runs() {
    let mut world = World::with_v1(two());
    world.boots("1", Boot::Exits);
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: None, deployment });
    world.pass(60);
    assert_snapshot!(world.last_line(), @"3 ~ rolled back: v1 serves");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
    assert!(world.app.versions.iter().all(|version| version.ghost.is_none()));
}

#[test]
fn restart_that_fails_in_the_second_place_keeps_the_first_one_fresh() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: None, deployment });
    world.pass(1);
    world.boots("1", Boot::Exits);
    world.pass(60);
    assert_eq!(world.places(), "1b v1 ready, 2a v1 ready");
}

#[test]
fn restart_that_fails_in_a_temporary_shutdown_backs_off_and_never_gives_up() {
    let away = with(|it| {
        it.replicas = 1;
        it.strategy = model::settings::Strategy::TemporaryShutdown;
    });
    let mut world = World::with_v1(away);
    world.boots("1", Boot::Exits);
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: None, deployment });
    world.pass(60);
    assert_eq!(world.ended(2), "rolled back");
    assert!(world.app.stuck.is_none());
    world.boots("1", Boot::Ready);
    world.pass(600);
    assert_eq!(world.places(), "1b v1 ready");
}

#[test]
fn scale_up_and_down() {
    let mut world = World::with_v1(two());
    for replicas in [4, 1] {
        let deployment = world.next_deployment();
        world.command(Command::Scale { replicas, deployment });
        world.pass(10);
    }
    assert_snapshot!(world.story(), @"
     0   scale to 4 places
     0     stage v1 for 3a 4a
     0   staged
     0     create i3 (3a v1)
     0     create i4 (4a v1)
     0   instance 3 started
     0   instance 4 started
     2   instance 3 ready
     2   instance 4 ready
     2   scaled to 4 places
    10   scale to 1 place
    10     stop i2 (2a v1)
    10     stop i3 (3a v1)
    10     stop i4 (4a v1)
    10   instance 2 stopped
    10   instance 3 stopped
    10   instance 4 stopped
    10   scaled to 1 place
    ");
    assert_eq!(world.places(), "1a v1 ready");
    for replicas in [0, 1, 5] {
        let deployment = world.next_deployment();
        world.refused(Command::Scale { replicas, deployment });
        assert!(world.app.scaled_to == Some(1));
    }
    assert_snapshot!(world.last_line(), @"20 refused: 5 places are more than max = 4, for which ports are reserved; raise max in the app's settings and deploy");
}

#[test]
fn scale_up_that_fails_is_undone() {
    let mut world = World::with_v1(two());
    world.boots("1", Boot::Exits);
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 3, deployment });
    world.pass(60);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
    assert_eq!(world.app.scaled_to, None);
    world.boots("1", Boot::Ready);
    world.pass(600);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready", "the third place is not tried again");
}

#[test]
fn stop_and_start() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(600);
    assert_eq!(world.places(), "");
    let deployment = world.next_deployment();
    world.refused(Command::Stop { deployment });
    let deployment = world.next_deployment();
    world.refused(Command::Restart { place: None, deployment });
    let deployment = world.next_deployment();
    world.command(Command::Start { deployment });
    world.pass(60);
    assert_snapshot!(world.story(), @"
      0   stop v1
      0     stop i1 (1a v1)
      0     stop i2 (2a v1)
      0   instance 1 stopped
      0   instance 2 stopped
      0   stopped
    600 refused: the app is stopped
    600 refused: the app is stopped
    600   start v1
    600     stage v1 for 1a 2a
    600   staged
    600     create i3 (1a v1)
    600     create i4 (2a v1)
    600   instance 1 started
    600   instance 2 started
    602   instance 1 ready
    602   instance 2 ready
    602   started v1
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn start_that_fails_keeps_trying_what_was_asked_for() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(1);
    world.boots("1", Boot::Exits);
    world.forget();
    let deployment = world.next_deployment();
    world.command(Command::Start { deployment });
    world.pass(3);
    world.boots("1", Boot::Ready);
    world.pass(60);
    assert_snapshot!(world.story(), @"
     0   start v1
     0     stage v1 for 1a 2a
     0   staged
     0     create i3 (1a v1)
     0     create i4 (2a v1)
     0   instance 1 started
     0   instance 2 started
     1 ~ instance 1 exited by itself (exit 1) after 1.0 s
     1     stop i3 (1a v1)
     1   instance 1 stopped
     1 ~ instance 1 failed (try 1 of 3): it exited before it was ready (exit 1)
     1     create i5 (1a v1)
     1     remove i1
     1   instance 1 started
     1 ~ instance 2 exited by itself (exit 1) after 1.0 s
     1     stop i4 (2a v1)
     1   instance 2 stopped
     1 ~ instance 2 failed (try 1 of 3): it exited before it was ready (exit 1)
     1     create i6 (2a v1)
     1     remove i2
     1   instance 2 started
     2 ~ instance 1 exited by itself (exit 1) after 1.0 s
     2     stop i5 (1a v1)
     2   instance 1 stopped
     2 ~ instance 1 failed (try 2 of 3): it exited before it was ready (exit 1)
     2     create i7 (1a v1)
     2     remove i3
     2   instance 1 started
     2 ~ instance 2 exited by itself (exit 1) after 1.0 s
     2     stop i6 (2a v1)
     2   instance 2 stopped
     2 ~ instance 2 failed (try 2 of 3): it exited before it was ready (exit 1)
     2     create i8 (2a v1)
     2     remove i4
     2   instance 2 started
     3 ~ instance 1 exited by itself (exit 1) after 1.0 s
     3     stop i7 (1a v1)
     3   instance 1 stopped
     3 ~ instance 1 failed (try 3 of 3): it exited before it was ready (exit 1)
     3 ! giving up: instance 1 failed 3 times: it exited before it was ready (exit 1)
     3 ~ failed: what is ready of v1 goes on, the rest is tried again
     3     create i9 (1a v1)
     3     remove i5
     3   instance 1 started
     3 ~ instance 2 exited by itself (exit 1) after 1.0 s
     4 ~ instance 1 exited by itself (exit 1) after 1.0 s
     9   instance 2 ready
    10   instance 1 ready
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn start_that_is_cancelled_leaves_it_stopped() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(1);
    let deployment = world.next_deployment();
    world.command(Command::Start { deployment });
    world.pass(1);
    world.command(Command::Cancel { deployment });
    world.pass(60);
    assert_eq!(world.places(), "");
    assert_snapshot!(world.last_line(), @"2 ~ cancelled: v1 stays stopped");
}

#[test]
fn pre_commands_run_once_in_order_before_anything_starts() {
    let mut world = World::with_v1(two());
    world.deploy(
        "2",
        with(|it| {
            it.pre_commands = ["eval First.run", "bin/second now"]
                .map(|text| PreCommand::parse(text).expect("it is one"))
                .to_vec();
        }),
    );
    world.pass(5);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b 3a
    0   staged
    0     pre-command `eval First.run`
    0   pre-command `eval First.run`
    0     pre-command `bin/second now`
    0   pre-command `bin/second now`
    0     create i3 (1b v2)
    0   instance 1 started
    2   instance 1 ready
    2     stop i1 (1a v1)
    2   instance 1 stopped
    2     create i4 (2b v2)
    2   instance 2 started
    4   instance 2 ready
    4     stop i2 (2a v1)
    4   instance 2 stopped
    4     create i5 (3a v2)
    4   instance 3 started
    ");
}

#[test]
fn pre_command_that_fails_changes_nothing() {
    let mut world = World::with_v1(two());
    world.script(|_, effect| if is_run(effect) { Reply::Fail("exit 1 after 3 s") } else { Reply::Ok });
    world.deploy("2", migrating());
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b
    0   staged
    0     pre-command `eval Beacon.Migrator.migrate`
    0 ! giving up: pre-command `eval Beacon.Migrator.migrate`: exit 1 after 3 s
    0 ~ failed: nothing was changed, v1 goes on; what its pre-commands did was not undone (a database stays migrated)
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn pre_command_of_which_nobody_knows_is_not_run_again() {
    let mut world = World::with_v1(two());
    world.script(
        |_, effect| {
            if is_run(effect) { Reply::Unknown("the host restarted while it ran") } else { Reply::Ok }
        },
    );
    world.deploy("2", migrating());
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b
    0   staged
    0     pre-command `eval Beacon.Migrator.migrate`
    0 ! giving up: pre-command `eval Beacon.Migrator.migrate`: nobody knows how it ended (the host restarted while it ran); it is not run again
    0 ~ failed: nothing was changed, v1 goes on; what its pre-commands did was not undone (a database stays migrated)
    ");
}

#[test]
fn cancel_halts_a_running_pre_command() {
    let mut world = World::with_v1(two());
    world.script(hold_commands);
    let deployment = world.deploy("2", migrating());
    world.pass(1);
    world.command(Command::Cancel { deployment });
    world.pass(1);
    world.refused(Command::Cancel { deployment });
    world.release(is_run, Outcome::Failed { reason: "ended by hand".into(), tail: None });
    world.pass(60);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b
    0   staged
    0     pre-command `eval Beacon.Migrator.migrate`
    1     halt e9
    2 refused: deployment 2 is rolling back already
    2 ~ giving up: given up by hand
    2 ~ cancelled: nothing was changed, v1 goes on; what its pre-commands did was not undone (a database stays migrated)
    ");
    assert_eq!(world.ended(2), "cancelled");
}

#[test]
fn cancel_while_staging_waits_for_its_end() {
    for outcome in [ok(), Outcome::Failed { reason: "disk full".into(), tail: None }] {
        let mut world = World::with_v1(two());
        world.script(
            |_, effect| {
                if matches!(effect, Effect::Stage { .. }) { Reply::Hold } else { Reply::Ok }
            },
        );
        let deployment = world.deploy("2", migrating());
        world.pass(1);
        world.command(Command::Cancel { deployment });
        world.release(|_| true, outcome);
        assert_eq!(world.ended(2), "cancelled");
        assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
    }
}

#[test]
fn cancel_while_replacing_and_while_watching_goes_back() {
    for seconds in [1, 3, 30] {
        let mut world = World::with_v1(two());
        let deployment = world.deploy("2", two());
        world.pass(seconds);
        world.command(Command::Cancel { deployment });
        world.pass(60);
        assert_eq!(world.ended(2), "cancelled");
        assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
        assert_eq!(world.fewest_ready, 2);
        world.activate("2");
        assert!(world.app.deployment.is_some(), "what was cancelled is not ghosted");
    }
}

#[test]
fn cancel_while_rolling_back_is_refused() {
    let mut world = World::with_v1(two());
    let deployment = world.deploy("2", two());
    world.pass(30);
    world.unhealthy(1);
    world.refused(Command::Cancel { deployment });
    assert_snapshot!(world.last_line(), @"30 refused: deployment 2 is rolling back already");
}

#[test]
fn init_command_under_way_is_halted_when_its_instance_is_not_wanted_any_more() {
    let mut world = World::with_v1(two());
    world.script(hold_commands);
    let deployment = world.deploy(
        "2",
        with(|it| {
            it.init_commands =
                vec![model::settings::Command::split("bin/fetch-geo-data").expect("it is one")];
        }),
    );
    world.pass(1);
    world.command(Command::Cancel { deployment });
    world.release(is_run, Outcome::Failed { reason: "ended".into(), tail: None });
    world.pass(1);
    assert_snapshot!(world.story(), @"
    0   deploy v1 → v2, rolling
    0     stage v2 for 1b 2b 3a
    0   staged
    0     create i3 (1b v2)
    0     init i3 `bin/fetch-geo-data`
    1 ~ going back to v1: given up by hand
    1     halt e10
    1     stop i3 (1b v2)
    1   instance 1 stopped
    1 ~ cancelled: v1 serves
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn post_rollback_command_runs_once_all_are_back() {
    let with_post = with(|it| {
        it.replicas = 1;
        it.post_rollback = vec![PreCommand::parse("rpc Beacon.Alert.rolled_back").expect("it is one")];
    });
    let mut world = World::with_v1(with_post.clone());
    world.deploy("2", with_post);
    world.pass(30);
    world.forget();
    world.unhealthy(1);
    world.pass(10);
    assert_snapshot!(world.story(), @"
    0 ! instance 1 is unhealthy: GET /health: 500
    0 ! going back to v1: instance 1 was ready and then failed its health check: GET /health: 500
    0     stop i2 (1b v2)
    0     create i3 (1a v1)
    0   instance 1 stopped
    0   instance 1 started
    2   instance 1 ready
    2     post-rollback command `rpc Beacon.Alert.rolled_back`
    2   post-rollback command `rpc Beacon.Alert.rolled_back`
    2 ~ rolled back: v1 serves; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2
    2     remove i1
    ");
}

#[test]
fn deployment_of_a_stopped_app_starts_it() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(1);
    world.boots("2", Boot::Exits);
    world.deploy("2", two());
    world.pass(60);
    assert_eq!(world.places(), "", "it was stopped before, so it is stopped afterwards");
    assert_snapshot!(world.last_line(), @"4 ~ rolled back: v1 stays stopped; v2 is ghosted, to try it again: bellrock ghosts beacon clear 2");
    world.deploy("3", two());
    world.pass(200);
    assert_eq!(world.places(), "1a v3 ready, 2a v3 ready");
    assert!(world.app.running);
}

#[test]
fn settings_are_replaced_with_the_version() {
    let mut world = World::with_v1(settings());
    world.deploy("1", two());
    world.pass(200);
    assert_eq!(world.places(), "1b v1+env1 ready, 2b v1+env1 ready");
}
