//! What holds after every step, whatever happened.

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::app::{App, BackendMode, Effect, Ending, Event, Instance, Kind, Phase, Status};
use model::settings::Strategy;
use model::{EffectId, Place};

/// Panics with the reason when a state is one that must never be.
pub(crate) fn check(app: &App, now: Timestamp) {
    waits_for_something(app);
    drained_ones_wait_for_their_turn(app);
    one_instance_in_a_slot(app);
    asks_for_what_it_wants(app);
    offers_what_serves(app);
    active_version_is_there(app);
    deployment_is_open(app);
    ticks_are_needed(app, now);
    survives_the_journal(app);
    hot_ones_are_upgraded(app);
}

/// What runs in an instance is what it is started with, but for instances that a deployment upgrades, or has upgraded and
/// could not take back.
fn hot_ones_are_upgraded(app: &App) {
    if app.stuck.is_some() {
        return;
    }
    for instance in app.instances.values().filter(|it| it.hot.is_some() && !it.is_ending()) {
        let lanes = app.deployment.iter().flat_map(|it| it.lanes.values());
        let mut lanes = lanes.filter(|lane| lane.old == Some(instance.id) && lane.hot.is_some());
        assert!(lanes.next().is_some(), "nobody settles {}, which runs another version", instance.id);
    }
}

/// Each state that waits names an effect that somebody is doing.
fn waits_for_something(app: &App) {
    let mut awaited: Vec<(String, EffectId)> = Vec::new();
    for instance in app.instances.values() {
        match instance.status {
            Status::Creating { effect }
            | Status::Initialising { effect, .. }
            | Status::Launching { effect }
            | Status::Stopping { effect, .. } => awaited.push((instance.id.to_string(), effect)),
            _ => {}
        }
    }
    if let Some(
        Phase::Staging { effect }
        | Phase::Planning { effect }
        | Phase::Commands { effect, .. }
        | Phase::AfterRollback { effect, .. },
    ) = app.deployment.as_ref().map(|it| &it.phase)
    {
        awaited.push(("deployment".into(), *effect));
    }
    let lanes = app.deployment.iter().flat_map(|it| &it.lanes);
    awaited.extend(lanes.filter_map(|(place, lane)| Some((format!("lane {place}"), lane.hot?.effect()?))));
    for (who, effect) in awaited {
        assert!(app.outbox.contains_key(&effect), "{who} waits for {effect}, which nobody does");
    }
}

/// One that has drained waits only while others are being stopped; one that nobody could watch, for its time.
fn drained_ones_wait_for_their_turn(app: &App) {
    for instance in app.instances.values() {
        if let Status::Draining { effect, .. } = &instance.status {
            let others_stop = app.instances.values().any(|it| matches!(it.status, Status::Stopping { .. }));
            assert!(
                app.outbox.contains_key(effect) || others_stop || instance.exposed,
                "{} has drained and nobody stops it",
                instance.id
            );
        }
    }
}

/// The last route asked for is the one that is wanted, and somebody sees to it.
fn asks_for_what_it_wants(app: &App) {
    assert_eq!(app.routing.wanted, app.route(), "what is wanted was asked for");
    let asked: Vec<EffectId> =
        app.outbox.iter().filter(|(_, it)| matches!(it, Effect::Route { .. })).map(|(id, _)| *id).collect();
    assert!(asked.len() <= 1, "two routes are asked for: {asked:?}");
    assert!(asked.is_empty() || asked.first() == app.routing.effect.as_ref(), "an older route is asked for");
    let waits = !asked.is_empty() || app.routing.retry_at.is_some();
    assert!(waits || app.routing.wanted == app.routing.applied, "nobody asks for what is wanted");
}

fn offers_what_serves(app: &App) {
    let Some(route) = app.route() else { return };
    let ports: BTreeSet<u16> = route.backends.iter().map(|it| it.port).collect();
    assert_eq!(ports.len(), route.backends.len(), "two backends have one port");
    for backend in route.backends.iter().filter(|it| it.mode == BackendMode::Active) {
        let status = &app.instances[&backend.instance].status;
        assert!(
            matches!(status, Status::Ready | Status::Unhealthy { .. }),
            "{} is offered",
            backend.instance
        );
    }
}

fn one_instance_in_a_slot(app: &App) {
    let places: BTreeSet<Place> = app.instances.values().map(|it| it.place).collect();
    for place in places {
        let living: Vec<_> = app.living(place).collect();
        assert!(living.len() <= 2, "place {place} has {} living instances", living.len());
        let slots: BTreeSet<_> = living.iter().map(|it| it.slot).collect();
        assert_eq!(slots.len(), living.len(), "two living instances in one slot of place {place}");
    }
}

fn active_version_is_there(app: &App) {
    if let Some(active) = app.active() {
        let version = app.version(active.version).expect("the active version is registered");
        assert!(version.stored, "the package of the active version is gone");
        assert!(version.revisions.contains_key(&active.revision), "the active revision is gone");
    }
}

fn deployment_is_open(app: &App) {
    let Some(deployment) = &app.deployment else { return };
    assert!(!matches!(deployment.phase, Phase::Ended { .. }), "an ended deployment is under way");
    if let Some(to) = deployment.to.filter(|_| !deployment.is_rolling_back()) {
        let version = app.version(to.version).expect("what is deployed is registered");
        assert!(version.ghost.is_none(), "a ghosted version is deployed");
        assert!(version.stored, "a version without a package is deployed");
    }
}

/// A tick that is asked for changes something, or the engine would spin.
fn ticks_are_needed(app: &App, now: Timestamp) {
    if app.wake_at().is_some_and(|at| at <= now) {
        let ticked = app.step(now, Event::Tick).expect("a tick is always taken");
        assert_ne!(ticked.app, *app, "a tick was asked for and changed nothing");
    }
}

fn survives_the_journal(app: &App) {
    let json = serde_json::to_string(app).expect("a state can be written");
    let read: App = serde_json::from_str(&json).expect("a state can be read");
    assert_eq!(read, *app, "a state is read as it was written");
}

/// Of members, one that serves is stopped only when there is a ready one in every other place.
pub(crate) fn members_take_turns(before: &App, app: &App) {
    let Some(deployment) = app.deployment.as_ref().filter(|it| it.strategy == Strategy::Member) else {
        return;
    };
    let replaces = deployment.lanes.values().any(|lane| lane.old.is_some());
    if deployment.to.is_none() || !(replaces || deployment.kind == Kind::Scale) {
        return;
    }
    let is_retired = |it: &&Instance| match &it.status {
        Status::Draining { why, .. } | Status::Stopping { why, .. } => *why == Ending::Retired,
        _ => false,
    };
    let served = |it: &&Instance| before.instances.get(&it.id).is_some_and(Instance::is_ready);
    let stopped: Vec<&Instance> = app.instances.values().filter(is_retired).filter(served).collect();
    assert!(stopped.len() <= 1, "two members are stopped at once: {stopped:?}");
    let Some(stopped) = stopped.first() else { return };
    let is_back = deployment.is_rolling_back();
    for (place, lane) in deployment.lanes.iter().filter(|(place, _)| **place != stopped.place) {
        let is_wanted = if is_back { lane.old.is_some() } else { lane.wants_new };
        let is_there = app.living(*place).any(Instance::is_ready);
        assert!(is_there || !is_wanted, "{} is stopped while place {place} has nobody", stopped.id);
    }
}
