//! How a deployment begins: its lanes are drawn.

use std::collections::BTreeMap;
use std::time::Duration;

use super::deployment::{Deployment, Kind, Lane, Phase};
use super::effect::Effect;
use super::hot::Wish;
use super::note::Step;
use super::turn::Turn;
use super::version::{Origin, Target};
use crate::names::{DeploymentId, InstanceId, Place, Slot};
use crate::settings::Strategy;

/// Nobody has seen, understood and answered what happened less than so long ago.
const QUICKEST_LOOK: Duration = Duration::from_secs(1);

/// What a deployment is begun with.
pub(super) struct Beginning {
    pub(super) id: DeploymentId,
    pub(super) kind: Kind,
    pub(super) by: Origin,
    pub(super) to: Option<Target>,
    pub(super) wish: Wish,
    pub(super) only: Option<Place>,
    pub(super) scaled_before: Option<u16>,
}

fn strategy_word(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Parallel => "parallel",
        Strategy::Rolling => "rolling",
        Strategy::TemporaryShutdown => "temporary shutdown",
        Strategy::Member => "member",
    }
}

pub(super) fn places(number: u16) -> String {
    if number == 1 { "1 place".to_owned() } else { format!("{number} places") }
}

impl Turn {
    /// Begins a deployment: lanes are drawn, nothing is started before the host was found fit.
    pub(super) fn begin(&mut self, beginning: Beginning) {
        let Beginning { id, kind, by, to, wish, only, scaled_before } = beginning;
        let hot = self.app.hot(kind, to, &wish);
        let lanes = self.lanes(to, kind, only);
        self.look_at_places(&lanes, &by);
        let strategy = self.strategy(to);
        let mut deployment = Deployment {
            id,
            kind,
            by,
            from: self.app.active(),
            to,
            strategy,
            begun_at: self.at,
            started_at: None,
            canary: None,
            hot,
            switched_at: None,
            serving_at: None,
            turned_at: None,
            ended_at: None,
            phase: Phase::Replacing,
            lanes,
            scaled_before,
            pre_commands_ran: false,
            drains: Vec::new(),
            give_up: None,
        };
        // What only takes instances away needs nothing of the host.
        let takes_away = kind == Kind::Scale && deployment.lanes.values().all(|lane| !lane.wants_new);
        match to.filter(|_| !takes_away) {
            Some(target) => {
                let places = self.slots_needed(&deployment);
                deployment.phase = Phase::Staging { effect: self.issue(Effect::Stage { target, places }) };
            }
            None => deployment.started_at = Some(self.at),
        }
        let text = self.begun_text(&deployment);
        self.app.deployment = Some(deployment);
        self.note(Step::Begun, text);
    }

    /// As what shall run says. What holds a cluster of data now, or will, is never run twice at once.
    fn strategy(&self, to: Option<Target>) -> Strategy {
        let of = |target: Option<Target>| target.map(|target| self.settings(target).strategy);
        let (new, old) = (of(to), of(self.app.active()));
        let wanted = new.or(old).unwrap_or_default();
        if old == Some(Strategy::Member) { Strategy::Member } else { wanted }
    }

    fn begun_text(&self, deployment: &Deployment) -> String {
        let name = |target: Option<Target>| {
            target.map_or("nothing".to_owned(), |target| format!("v{}", self.app.label(target)))
        };
        let kind = deployment.kind.word();
        match deployment.kind {
            Kind::Deploy | Kind::Activate | Kind::Rollback | Kind::Variables => {
                let how = match &deployment.hot {
                    Some(hot) if hot.only => "hot".to_owned(),
                    Some(_) => format!("hot if it can be, else {}", strategy_word(deployment.strategy)),
                    None if self.app.makes_canary(deployment) => {
                        format!("{} with a canary", strategy_word(deployment.strategy))
                    }
                    None => strategy_word(deployment.strategy).to_owned(),
                };
                format!("{kind} {} → {}, {how}", name(deployment.from), name(deployment.to))
            }
            Kind::Scale => {
                let to = places(deployment.to.map_or(0, |target| self.app.replicas(target)));
                match &deployment.by {
                    Origin::Autoscaler { reason } => format!("{kind} to {to} by the load, {reason}"),
                    _ => format!("{kind} to {to}"),
                }
            }
            Kind::Restart | Kind::Start | Kind::Stop => {
                let what = name(deployment.to.or(deployment.from));
                match &deployment.by {
                    Origin::Watchdog { reason } => format!("{kind} {what} by a watchdog: {reason}"),
                    _ => format!("{kind} {what}"),
                }
            }
        }
    }

    /// Draws a lane for each place that the deployment touches.
    fn lanes(&self, to: Option<Target>, kind: Kind, only: Option<Place>) -> BTreeMap<Place, Lane> {
        let wanted = to.map_or(0, |target| self.app.replicas(target));
        // A place that is to leave and waits for an instance: nothing may be started there meanwhile.
        let held = self.app.active().filter(|_| self.app.running).map_or(0, |it| self.app.replicas(it));
        let last = self.app.places.keys().next_back().map_or(0, |place| place.0).max(wanted);
        (1..=last)
            .map(Place)
            .filter(|place| only.is_none_or(|only| only == *place))
            .filter_map(|place| {
                let living = || self.app.living(place).map(|instance| instance.id);
                let old = living().rfind(|id| !self.app.is_ending(Some(*id)));
                let old = old.or_else(|| living().next_back());
                let wants_new = place.0 <= wanted && (kind != Kind::Scale || old.is_none());
                let leaves = place.0 > wanted && (old.is_some() || place.0 <= held);
                (wants_new || leaves).then_some((place, Lane { old, wants_new, ..Lane::default() }))
            })
            .collect()
    }

    /// A person who has a place's instances replaced has looked at it; but not one who asked before there was anything
    /// to be seen: whose wish waited in the queue, or was on its way just then.
    fn look_at_places(&mut self, lanes: &BTreeMap<Place, Lane>, by: &Origin) {
        let is_looking = self.is_asked_now && matches!(by, Origin::Operator { .. });
        let places = lanes.keys().filter(|_| is_looking);
        for place in places {
            let since = self.app.places.get(place).and_then(|state| state.unknown_since);
            let is_new = since.is_some_and(|since| self.since(since) < QUICKEST_LOOK);
            if let Some(state) = self.app.places.get_mut(place).filter(|_| !is_new) {
                state.unknown = None;
                state.unknown_since = None;
            }
        }
    }

    /// It may be that an instance runs though it should have ended: nothing is started in its place.
    pub(super) fn lose_sight(&mut self, place: Place, instance: InstanceId) {
        let at = self.at;
        let state = self.app.places.entry(place).or_default();
        state.unknown = Some(instance);
        state.unknown_since = Some(at);
    }

    fn slots_needed(&self, deployment: &Deployment) -> Vec<(Place, Slot)> {
        let to = deployment.to;
        deployment
            .lanes
            .iter()
            .filter(|(_, lane)| lane.wants_new)
            .map(|(place, lane)| (*place, self.new_slot(lane, to, deployment.strategy)))
            .collect()
    }

    /// The slot of a lane's new instance: the other one than the old one's, or always `a` where names are plain and where
    /// members take turns.
    pub(super) fn new_slot(&self, lane: &Lane, to: Option<Target>, strategy: Strategy) -> Slot {
        if strategy == Strategy::Member || to.is_some_and(|target| self.settings(target).has_one_slot()) {
            return Slot::A;
        }
        lane.old.and_then(|old| self.app.instances.get(&old)).map_or(Slot::A, |old| old.slot.other())
    }
}
