//! The daemon dies by SIGKILL at every fault point of every effect, and is started again: nothing is lost, nothing is done
//! twice, and everything ends as it should.
//!
//! A test has all of its points wanted at once and goes through the changes that reach them, under load; a point kills
//! the first daemon that reaches it. What `make test` takes once with one strategy, `make test-faults`
//! (`BELLROCK_TEST_ALL=1`) takes with each, and has each effect done twice besides. What comes of effects that fail or
//! whose outcome is lost is the simulator's to show.

use api::app::App;
use api::deployment::Phase;
use testkit::TempHost;
use testkit::wanted::fault_points;

use super::mortal::{Mortal, load};
use super::{all, left_over, migrated_once, migrating};

/// Effects that are done before they wait for anything: they have no middle.
const AT_ONCE: [&str; 2] = ["during-effect:link", "during-effect:halt"];

/// Whether it is a point of an effect, or of the commit of its outcome.
pub(super) fn is_of_effect(point: &str) -> bool {
    point.contains("-effect:") || point.contains("-commit:done-")
}

/// Points that only members reach.
fn is_of_member(point: &str) -> bool {
    point.ends_with("member-check")
}

/// Points that only hot upgrades reach.
fn is_of_hot(point: &str) -> bool {
    let name = point.rsplit([':', '-']).next().unwrap_or_default();
    ["plan", "upgrade", "undo", "settle"].contains(&name)
}

/// Changes that ask for every effect.
async fn every_effect(strategy: &str, fault: &str, is_due: impl Fn(&str) -> bool) {
    let host = TempHost::start().await;
    let member = if strategy == "member" { "member.check = 'rpc :ok'\n" } else { "" };
    let more = format!(
        "strategy = '{strategy}'\n{member}prepare_commands = [['/bin/true']]\ninit_commands = [['/bin/sleep', '0.5']]\n\
         post_rollback = ['eval IO.puts(:undone)']"
    );
    let mortal = Mortal::begin(&host, &migrating(&host, &more, "")).await;
    let load = load(&host).await;
    let is_meant = |point: &str| (strategy == "member" || !is_of_member(point)) && !is_of_hot(point);
    mortal.wants(fault, |point| is_due(point) && is_meant(point) && !AT_ONCE.contains(&point));
    mortal.deploys("beacon-module-changed", "").await;
    mortal.serves("1.1.0", 2).await;
    mortal.deploys("beacon-module-added", "").await;
    mortal.serves("1.2.0", 2).await;
    for (slow, phase) in [("prepare_commands", Phase::Commands), ("init_commands", Phase::Replacing)] {
        mortal.cancels("beacon-state-changed", slow, phase).await;
        mortal.serves("1.2.0", 2).await;
    }
    let delete = async || mortal.app.api.delete(&mortal.app.name, "1.0.0").await;
    mortal.asks("delete", delete).await;
    mortal
        .waits("its package is gone", async || {
            (!host.path(format!("var/lib/bellrock/papers/{}/1.0.0", mortal.app.name)).exists()).then_some(())
        })
        .await;
    mortal.serves("1.2.0", 2).await;
    mortal.has_died_everywhere();
    load.end().await.assert_nothing_lost();
    migrated_once(&mortal.app, &["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
    left_over::settles(&mortal.app, "1.2.0", 2).await;
}

#[tokio::test]
async fn a_daemon_that_dies_before_in_and_after_every_effect_loses_nothing() {
    every_effect("rolling", "kill", is_of_effect).await;
    if all() {
        every_effect("parallel", "kill", is_of_effect).await;
        every_effect("temporary_shutdown", "kill", is_of_effect).await;
        every_effect("member", "kill", is_of_effect).await;
        for strategy in ["parallel", "rolling", "temporary_shutdown", "member"] {
            every_effect(strategy, "repeat", |point| point.starts_with("before-effect:")).await;
        }
    }
}

#[tokio::test]
async fn a_daemon_that_dies_before_in_and_after_the_check_of_members_loses_nothing() {
    let host = TempHost::start().await;
    let settings = migrating(&host, "strategy = 'member'\nmember.check = 'rpc :ok'", "");
    let mortal = Mortal::begin(&host, &settings).await;
    let load = load(&host).await;
    mortal.wants("kill", |point| is_of_effect(point) && is_of_member(point));
    mortal.deploys("beacon-module-changed", "").await;
    mortal.serves("1.1.0", 2).await;
    mortal.has_died_everywhere();
    load.end().await.assert_nothing_lost();
    left_over::settles(&mortal.app, "1.1.0", 2).await;
}

/// An undo is asked for by giving up what is watched.
#[tokio::test]
async fn a_daemon_that_dies_before_in_and_after_every_step_of_a_hot_upgrade_loses_nothing() {
    let host = TempHost::start().await;
    let settings = migrating(&host, "upgrade = 'auto'\nhot.gate = '100 ms'", "");
    let mortal = Mortal::begin(&host, &settings).await;
    let load = load(&host).await;
    mortal.wants("kill", |point| is_of_effect(point) && is_of_hot(point));
    mortal.deploys("beacon-module-changed", "").await;
    mortal.serves("1.1.0", 2).await;
    mortal.deploys("beacon-module-added", "watch_window = '10 min'").await;
    let is_watched =
        |state: &App| state.deployment.as_ref().is_some_and(|it| it.phase == Phase::Watching && it.hot);
    let watched = mortal.sees("it is watched", is_watched).await.deployment.unwrap();
    mortal.asks("cancel", async || mortal.app.api.cancel(watched.id).await).await;
    mortal.serves("1.1.0", 2).await;
    mortal.has_died_everywhere();
    load.end().await.assert_nothing_lost();
    migrated_once(&mortal.app, &["1.0.0", "1.1.0", "1.2.0"]);
    left_over::settles(&mortal.app, "1.1.0", 2).await;
}

/// What this test wants exists, and what it leaves out has a name.
#[test]
fn every_point_of_an_effect_is_wanted_or_said_to_have_no_middle() {
    let points = fault_points();
    assert!(points.iter().filter(|point| is_of_effect(point)).count() > 60, "{points:?}");
    assert!(AT_ONCE.iter().all(|name| points.iter().any(|point| point == name)), "{points:?}");
}
