//! Looks at every turn that was made durable.

use std::collections::BTreeSet;

use engine::Turn;
use model::app::{App, BackendMode, Deployment, Effect, Ended, Event, Phase, Route, Status};
use model::{DeploymentId, EffectId, InstanceId};

use crate::world::{World, after};

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// Turns so far.
    pub(crate) turns: u64,
    /// Turns at which instances were promised to be ready.
    pub(crate) promised: u64,
    /// Restarts by a watchdog.
    pub(crate) restarts: u64,
    /// How deployments ended, by word.
    pub(crate) ended: Vec<(DeploymentId, &'static str)>,
    exits: BTreeSet<(InstanceId, u32)>,
    outcomes: BTreeSet<EffectId>,
}

impl Witness {
    /// A turn is durable.
    pub(crate) fn sees(&mut self, world: &mut World, turn: &Turn) {
        let (before, app) = (&turn.before, &turn.stepped.app);
        self.turns += 1;
        world.note(|_| describe(turn));
        if *world.durable != **before {
            world.breaks("a turn does not begin with what the journal has");
        }
        let checked = self
            .counts_once(turn)
            .and_then(|()| self.restarts_seldom(before, app))
            .and_then(|()| waits_for_something(app))
            .and_then(|()| has_free_slots(app))
            .and_then(|()| has_its_active_version(app))
            .and_then(|()| deploys_what_it_may(app))
            .and_then(|()| {
                turn.stepped.effects.iter().try_for_each(|(_, effect)| routes_to_ready(effect, app))
            })
            .and_then(|()| turn.stepped.records.iter().try_for_each(|it| self.record(it, before, app)));
        if let Err(what) = checked {
            world.breaks(what);
        }
        world.durable = std::sync::Arc::new(app.clone());
        world.promise(app);
        self.promised += u64::from(world.service.is_promised());
    }

    /// Outcomes and exits are taken once.
    fn counts_once(&mut self, turn: &Turn) -> Result<(), String> {
        if let Event::Done { effect, .. } = turn.event
            && !self.outcomes.insert(effect)
        {
            return Err(format!("{effect} ends a second time"));
        }
        for (instance, _, exit) in &turn.stepped.exits {
            if !self.exits.insert((*instance, exit.run)) {
                return Err(format!("exit {} of {instance} is counted twice", exit.run));
            }
        }
        let counted: u64 = turn.stepped.app.places.values().map(|place| place.crashes).sum();
        let told = self.exits.len() as u64;
        if counted == told { Ok(()) } else { Err(format!("{counted} crashes are counted, {told} were told")) }
    }

    /// A watchdog restarts one instance in a while, however many hang.
    fn restarts_seldom(&mut self, before: &App, app: &App) -> Result<(), String> {
        if before.watchdog_restarted_at == app.watchdog_restarted_at {
            return Ok(());
        }
        self.restarts += 1;
        let (Some(last), Some(this)) = (before.watchdog_restarted_at, app.watchdog_restarted_at) else {
            return Ok(());
        };
        let settings = before.active().and_then(|target| before.revision(target)).map(|it| &it.settings);
        match settings.map(|it| it.watchdog.restart_every) {
            Some(rest) if this < after(last, rest) => {
                Err(format!("a watchdog restarts at {last} and at {this}, which is not {rest:?} later"))
            }
            _ => Ok(()),
        }
    }

    /// One deployment at a time, and each ends once.
    fn record(&mut self, record: &Deployment, before: &App, app: &App) -> Result<(), String> {
        let id = record.id;
        if let Some((_, how)) = self.ended.iter().find(|(ended, _)| *ended == id) {
            return Err(format!("deployment {id} goes on after it ended ({how})"));
        }
        let Phase::Ended { outcome } = &record.phase else { return Ok(()) };
        self.ended.push((id, outcome.word()));
        match before.deployment.as_ref().filter(|it| it.id == id && record.started_at.is_some()) {
            Some(running) => leaves_one_version(record, outcome, running, app),
            None => Ok(()),
        }
    }
}

/// Each state that waits names an effect that somebody is doing.
fn waits_for_something(app: &App) -> Result<(), String> {
    let of_instances = app.instances.values().filter_map(|instance| match instance.status {
        Status::Creating { effect }
        | Status::Initialising { effect, .. }
        | Status::Launching { effect }
        | Status::Stopping { effect, .. } => Some(effect),
        _ => None,
    });
    let of_deployment = app.deployment.iter().filter_map(|deployment| match deployment.phase {
        Phase::Staging { effect }
        | Phase::Planning { effect }
        | Phase::Commands { effect, .. }
        | Phase::AfterRollback { effect, .. } => Some(effect),
        _ => None,
    });
    let of_lanes = app.deployment.iter().flat_map(|it| it.lanes.values()).filter_map(|it| it.hot?.effect());
    match of_instances.chain(of_deployment).chain(of_lanes).find(|effect| !app.outbox.contains_key(effect)) {
        Some(effect) => Err(format!("{effect} is waited for, and nobody does it")),
        None => Ok(()),
    }
}

fn has_free_slots(app: &App) -> Result<(), String> {
    let mut slots = BTreeSet::new();
    let living = app.instances.values().filter(|it| !it.is_gone());
    match living.map(|it| (it.place, it.slot)).find(|slot| !slots.insert(*slot)) {
        Some((place, slot)) => Err(format!("two instances are to live in slot {place}{slot}")),
        None => Ok(()),
    }
}

fn has_its_active_version(app: &App) -> Result<(), String> {
    let Some(active) = app.active() else { return Ok(()) };
    match app.version(active.version) {
        Some(version) if version.stored && version.revisions.contains_key(&active.revision) => Ok(()),
        _ => Err(format!("the active version {} is gone", active.version)),
    }
}

fn deploys_what_it_may(app: &App) -> Result<(), String> {
    let Some(deployment) = &app.deployment else { return Ok(()) };
    if matches!(deployment.phase, Phase::Ended { .. }) {
        return Err(format!("deployment {} is under way and has ended", deployment.id));
    }
    let Some(to) = deployment.to.filter(|_| !deployment.is_rolling_back()) else { return Ok(()) };
    match app.version(to.version) {
        Some(version) if version.ghost.is_none() && version.stored => Ok(()),
        Some(version) => Err(format!("v{}, ghosted or without a package, is deployed", version.label)),
        None => Err(format!("{}, which is not registered, is deployed", to.version)),
    }
}

/// No traffic to an instance that is not ready, unless all that there are fail their checks.
fn routes_to_ready(effect: &Effect, app: &App) -> Result<(), String> {
    let Effect::Route { route: Some(route) } = effect else { return Ok(()) };
    let mut active = route.backends.iter().filter(|it| it.mode == BackendMode::Active).map(|it| it.instance);
    let is = |id: InstanceId, ready: bool| {
        app.instances.get(&id).is_some_and(|it| match it.status {
            Status::Ready => ready,
            Status::Unhealthy { .. } => !ready,
            _ => false,
        })
    };
    let all_fail = active.clone().all(|id| is(id, false));
    match active.find(|id| !all_fail && !is(*id, true)) {
        Some(id) => Err(format!("{id}, which is not ready, is offered requests")),
        None => Ok(()),
    }
}

/// A deployment that has ended leaves one version in the places it covers.
fn leaves_one_version(
    record: &Deployment,
    outcome: &Ended,
    running: &Deployment,
    app: &App,
) -> Result<(), String> {
    let id = record.id;
    for (place, lane) in &record.lanes {
        let living: Vec<_> = app.living(*place).filter(|it| !it.is_ending()).collect();
        if living.len() > 1 {
            return Err(format!("deployment {id} leaves {} instances in place {place}", living.len()));
        }
        let target = living.first().map(|it| it.target);
        let is_unknown = app.places.get(place).is_some_and(|state| state.unknown.is_some());
        let is_right = match outcome {
            // Nothing is started there before a person has looked.
            _ if is_unknown => true,
            Ended::Committed if lane.wants_new => target == record.to,
            Ended::Committed => target.is_none(),
            Ended::RollbackFailed { .. } => true,
            _ if app.stuck.is_some() || record.from == record.to || record.from.is_none() => true,
            // One that is lost while the last command runs is made anew without a deployment.
            _ if lane.old.is_some() => {
                let is_lost = target.is_none() && matches!(running.phase, Phase::AfterRollback { .. });
                is_lost || target.map(|it| it.version) == record.from.map(|it| it.version)
            }
            _ => true,
        };
        if !is_right {
            return Err(format!(
                "deployment {id}, {}, leaves {target:?} in place {place} ({:?} to {:?})",
                outcome.word(),
                record.from,
                record.to
            ));
        }
    }
    Ok(())
}

fn describe(turn: &Turn) -> String {
    let event = match &turn.event {
        Event::Done { effect, outcome } => {
            let what = turn.before.outbox.get(effect).map_or(String::new(), effect_text);
            format!("{effect} {what}: {outcome:?}")
        }
        Event::Command { command, .. } => {
            format!("command {}", engine::fault_points::CommandKind::of(command))
        }
        event => format!("{event:?}"),
    };
    let notes = turn.stepped.notes.iter().map(|note| format!("\n             | {}", note.text));
    let effects = turn
        .stepped
        .effects
        .iter()
        .map(|(id, effect)| format!("\n             > {id} {}", effect_text(effect)));
    format!("{event}{}{}", notes.collect::<String>(), effects.collect::<String>())
}

fn route_text(route: Option<&Route>) -> String {
    let backends = route.into_iter().flat_map(|route| &route.backends);
    let words = backends.map(|it| format!(" {} {:?}", it.instance, it.mode).to_lowercase());
    format!("route{}", words.collect::<String>())
}

/// An effect on one line.
pub(crate) fn effect_text(effect: &Effect) -> String {
    match effect {
        Effect::Create { instance }
        | Effect::Launch { instance }
        | Effect::Stop { instance }
        | Effect::Remove { instance } => {
            format!("{} {instance}", engine::fault_points::EffectKind::of(effect))
        }
        Effect::Run { run } => format!("{} `{}`", run.kind, run.command),
        Effect::Forget { label, .. } => format!("forget v{label}"),
        Effect::Link { place, .. } => format!("link {place}"),
        Effect::Stage { target, .. } => format!("stage {target:?}"),
        Effect::Halt { run } => format!("halt {run}"),
        Effect::Drain { instance, .. } => format!("drain {instance}"),
        Effect::Plan { from, to, .. } => format!("plan {from:?} to {to:?}"),
        Effect::Upgrade { instance, .. }
        | Effect::Undo { instance, .. }
        | Effect::Settle { instance, .. } => {
            format!("{} {instance}", engine::fault_points::EffectKind::of(effect))
        }
        Effect::Route { route } => route_text(route.as_ref()),
    }
}
