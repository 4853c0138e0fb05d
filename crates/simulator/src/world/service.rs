//! What must never be seen on the host: what clients would notice, and two of what there may be one of.

use std::collections::BTreeSet;

use model::app::{App, Deployment, Kind, Lane, Phase};
use model::settings::Strategy;
use model::{DeploymentId, InstanceId, Place, VersionId};

use super::{Shim, World};

/// What clients of the app see.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// So many instances are ready at every moment as long as nothing harms one: `None` when something has, or when what
    /// was asked for takes the app away.
    least: Option<usize>,
    /// Places of members from which the daemon has taken a well one away since this deployment began, and that have none
    /// again yet.
    away: (Option<DeploymentId>, BTreeSet<Place>),
}

impl Service {
    /// An instance was lost that nobody stopped: nothing is promised before all are there again.
    pub(crate) fn is_harmed(&mut self) {
        self.least = None;
    }

    /// Whether it is promised now that instances are ready.
    pub(crate) fn is_promised(&self) -> bool {
        self.least.is_some()
    }
}

/// Whether a deployment's places take turns. Where none but its own instances are there, nobody is taken away.
fn takes_turns(deployment: &Deployment) -> bool {
    let replaces = deployment.kind == Kind::Scale || deployment.lanes.values().any(|lane| lane.old.is_some());
    deployment.strategy == Strategy::Member && deployment.kind != Kind::Stop && replaces
}

impl World {
    /// A turn was taken: what is promised from now on.
    pub(crate) fn promise(&mut self, app: &App) {
        let Some(active) = app.active().filter(|_| app.running && app.stuck.is_none()) else {
            return self.service.is_harmed();
        };
        self.look_at_what_runs(app);
        let well = self.well_places();
        self.service.away.1.retain(|place| !well.contains(place));
        let Some(deployment) = &app.deployment else {
            let replicas = usize::from(app.replicas(active));
            let serving = self.serving();
            let is_ready = |id: &InstanceId| app.instances.get(id).is_some_and(|it| it.is_ready());
            let is_settled = |id: &InstanceId| self.shims.get(id).is_some_and(|it| it.is_settled(self.now));
            let are_known = serving.iter().all(|id| is_ready(id) && is_settled(id) && self.knows(*id, app));
            let is_applied = app.routing.effect.is_none_or(|effect| !app.outbox.contains_key(&effect));
            if app.queued.is_none() && are_known && is_applied && serving.len() >= replicas {
                self.service.least = Some(replicas);
            }
            return;
        };
        if deployment.strategy == Strategy::TemporaryShutdown || deployment.kind == Kind::Stop {
            return self.service.is_harmed();
        }
        // One member at a time is away.
        let away = usize::from(deployment.strategy == Strategy::Member);
        let wanted = usize::from(app.replicas(deployment.to.unwrap_or(active))).saturating_sub(away);
        // Where something may run that should have ended, nothing is started.
        let blind = app.places.values().filter(|state| state.unknown.is_some()).count();
        self.service.least = self.service.least.map(|least| least.min(wanted.saturating_sub(blind)));
    }

    /// Outside of a deployment each instance runs what the app says, and will after its next start.
    fn look_at_what_runs(&mut self, app: &App) {
        if app.deployment.is_some() {
            return;
        }
        let differs = |id: &InstanceId, shim: &Shim| {
            let said = app.instances.get(id).filter(|it| !it.is_ending())?;
            let is_wrong = shim.runs() && (shim.live, shim.target) != (said.runs(), said.target);
            (is_wrong && self.knows(*id, app)).then(|| {
                format!(
                    "{id} runs {:?} of {:?}, not {:?} of {:?}",
                    shim.live,
                    shim.target,
                    said.runs(),
                    said.target
                )
            })
        };
        if let Some(what) = self.shims.iter().find_map(|(id, shim)| differs(id, shim)) {
            self.breaks(what);
        }
    }

    /// Whether the app knows all that its shim has told.
    pub(super) fn knows(&self, id: InstanceId, app: &App) -> bool {
        let known = app.instances.get(&id).map(|it| it.seq);
        self.shims.get(&id).is_some_and(|shim| known == Some(shim.last()))
    }

    /// Instances that are well and get requests.
    fn serving(&self) -> BTreeSet<InstanceId> {
        let serves = |id: &InstanceId, shim: &Shim| shim.is_well(self.now) && self.proxy.offers(*id);
        self.shims.iter().filter(|(id, shim)| serves(id, shim)).map(|(id, _)| *id).collect()
    }

    fn well_places(&self) -> BTreeSet<Place> {
        self.shims.values().filter(|shim| shim.is_well(self.now)).map(|shim| shim.place).collect()
    }

    /// Whoever takes an instance away must leave enough.
    pub(crate) fn look_at_service(&mut self) {
        let ready = self.serving().len();
        if let Some(least) = self.service.least.filter(|least| ready < *least) {
            self.breaks(format!("only {ready} instances are ready and get requests, {least} were promised"));
            self.service.is_harmed();
        }
    }

    /// A process was started: it must be alone in its slot, and not one too many.
    pub(crate) fn look_at_start(&mut self, id: InstanceId) {
        let Some((place, slot)) = self.shims.get(&id).map(|shim| (shim.place, shim.slot)) else { return };
        let twin = self
            .shims
            .iter()
            .find(|(other, shim)| **other != id && shim.place == place && shim.slot == slot && shim.runs());
        if let Some(twin) = twin.map(|(twin, _)| *twin) {
            self.breaks(format!("{id} is started in slot {place}{slot}, where {twin} runs"));
        }
        let app = self.durable.clone();
        self.look_at_number(&app);
        self.look_at_versions(&app, id);
        self.look_at_twins(&app, id, place);
    }

    /// The daemon ends an instance that was well: of members only one may be away by it.
    pub(crate) fn look_at_members(&mut self, id: InstanceId) {
        let app = self.durable.clone();
        let Some((place, is_well)) = self.shims.get(&id).map(|shim| (shim.place, shim.is_well(self.now)))
        else {
            return;
        };
        let Some(deployment) = app.deployment.as_ref().filter(|it| takes_turns(it)) else { return };
        let well = self.well_places();
        // One that leaves for good and has ended is not missed.
        let is_back = deployment.is_rolling_back();
        let stays = |lane: &Lane| if is_back { lane.old.is_some() } else { lane.wants_new };
        let is_wanted = |place: &Place| deployment.lanes.get(place).is_some_and(stays);
        let runs = |place: &Place| self.shims.values().any(|shim| shim.place == *place && shim.runs());
        let (of, away) = &mut self.service.away;
        if *of != Some(deployment.id) {
            (*of, *away) = (Some(deployment.id), BTreeSet::new());
        }
        away.retain(|it| !well.contains(it) && (is_wanted(it) || runs(it)));
        if let Some(other) = away.iter().find(|other| **other != place).filter(|_| is_well).copied() {
            return self.breaks(format!("{id} of place {place} is taken away while place {other} is"));
        }
        if is_well {
            away.insert(place);
        }
    }

    /// Two of one place would have one node name and one folder of data.
    fn look_at_twins(&mut self, app: &App, id: InstanceId, place: Place) {
        let is_known = app.places.get(&place).is_none_or(|state| state.unknown.is_none());
        if !app.deployment.as_ref().is_some_and(takes_turns) || !is_known {
            return;
        }
        let twin =
            self.shims.iter().find(|(other, shim)| **other != id && shim.place == place && shim.runs());
        if let Some(twin) = twin.map(|(twin, _)| *twin) {
            self.breaks(format!("{id} is started as the member of place {place}, where {twin} runs"));
        }
    }

    /// Never more instances than replicas and surge.
    fn look_at_number(&mut self, app: &App) {
        let is_known = |place: Place| app.places.get(&place).is_none_or(|state| state.unknown.is_none());
        let in_place =
            |place: Place| self.shims.values().filter(|shim| shim.place == place && shim.runs()).count();
        let places: BTreeSet<Place> = self.shims.values().map(|shim| shim.place).collect();
        if let Some(place) = places.iter().find(|place| is_known(**place) && in_place(**place) > 2) {
            return self.breaks(format!("place {place} has {} instances", in_place(*place)));
        }
        let Some(deployment) = &app.deployment else { return };
        if deployment.phase != Phase::Replacing || deployment.strategy != Strategy::Rolling {
            return;
        }
        // One that was being stopped before the deployment began is none of its instances.
        let mut known_lanes =
            deployment.lanes.iter().filter(|(place, _)| is_known(**place)).map(|(_, it)| it);
        let known_lanes: Vec<_> = known_lanes.by_ref().collect();
        let is_its =
            |id: &InstanceId| known_lanes.iter().any(|lane| [lane.old, lane.new].contains(&Some(*id)));
        let number = self.shims.iter().filter(|(id, shim)| is_its(id) && shim.runs()).count();
        let most = deployment.lanes.len() + 1;
        if number > most {
            self.breaks(format!("{number} instances run in a rolling deployment of {} places", most - 1));
        }
    }

    /// Versions must not overlap where a deployment stops the old one first.
    fn look_at_versions(&mut self, app: &App, id: InstanceId) {
        let Some(deployment) = &app.deployment else { return };
        let version = |target: Option<model::app::Target>| target.map(|target| target.version);
        let changes = version(deployment.from) != version(deployment.to);
        let is_unknown = app.places.values().any(|state| state.unknown.is_some());
        if deployment.strategy != Strategy::TemporaryShutdown || !changes || is_unknown {
            return;
        }
        let its = deployment.lanes.values().any(|lane| [lane.new, lane.back].contains(&Some(id)));
        let running: BTreeSet<VersionId> =
            self.shims.values().filter(|shim| shim.runs()).map(|shim| shim.live.version).collect();
        if its && running.len() > 1 {
            self.breaks(format!("{running:?} run side by side, though the old one is to be stopped first"));
        }
    }
}
