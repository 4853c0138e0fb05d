//! Running instances are taken to another version.
//!
//! It is planned when the host was found fit, and done when the pre-commands have run: one instance after another, the
//! first one watched for a while before the others follow. Until the deployment is committed an instance that starts
//! again is of the old version; from then on, of the new one. Where it cannot be hot, or not any more, the same
//! deployment goes on with fresh instances. On the way back what was upgraded is undone, and replaced where that fails.

use super::deployment::{Deployment, Lane, Phase, Verdict};
use super::effect::Effect;
use super::event::Outcome;
use super::hot::HotStep;
use super::instance::Instance;
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::Target;
use crate::names::{EffectId, InstanceId, Place};

/// How often an instance is upgraded hot before a fresh start is recommended.
const MANY_UPGRADES: u32 = 10;

impl Turn {
    /// Host and package are fit: has a hot upgrade planned, if the deployment may be hot; says whether it does.
    pub(super) fn plan_hot(&mut self) -> bool {
        let deployment = self.deployment().clone();
        let Some(hot) = deployment.hot.clone().filter(|_| deployment.give_up.is_none()) else { return false };
        if let Some(why) = self.app.why_not_hot(&deployment, &hot) {
            self.not_hot(why);
            return true;
        }
        let (Some(from), Some(to)) = (deployment.from, deployment.to) else { return false };
        let instances = deployment.lanes.values().filter_map(|lane| lane.old).collect();
        let is_back = to.version < from.version;
        let effect = self.issue(Effect::Plan { instances, from, to, hot, is_back });
        self.deployment().phase = Phase::Planning { effect };
        true
    }

    pub(super) fn plan_ended(&mut self, id: EffectId, outcome: Outcome) {
        if !matches!(&self.app.deployment, Some(it) if it.phase == (Phase::Planning { effect: id })) {
            return;
        }
        let detail = match &outcome {
            Outcome::Ok { detail } => detail.clone(),
            _ => None,
        };
        match outcome.failure() {
            None => {
                let text = detail.unwrap_or_else(|| "it can be hot".into());
                self.note(Step::Planned, format!("hot upgrade: {text}"));
                self.run_command(0);
            }
            Some(_) if self.gave_up() => {}
            Some(why) => self.not_hot(why),
        }
    }

    /// The deployment cannot be hot, or not any more: it goes on with fresh instances, unless nobody wants that.
    fn not_hot(&mut self, why: String) {
        let (at, is_planned) = (self.at, self.deployment().started_at.is_some());
        if self.deployment().hot.as_ref().is_some_and(|hot| hot.only) {
            return self.turn_back(format!("it cannot be hot: {why}"), None, Verdict::Interrupted);
        }
        self.note(Step::Planned, format!("full instead of hot: {why}")).level = Level::Warning;
        self.deployment().hot = None;
        if !is_planned {
            return self.run_command(0);
        }
        let deployment = self.deployment();
        deployment.phase = Phase::Replacing;
        deployment.started_at = Some(at);
        deployment.serving_at = None;
    }

    pub(super) fn advance_hot(&mut self) {
        let deployment = self.deployment().clone();
        if let Some((place, lane)) = deployment.lanes.iter().find(|(_, lane)| self.app.is_ending(lane.old)) {
            return self.lost_in_upgrade(*place, lane);
        }
        match deployment.phase {
            _ if deployment.is_waiting() => {}
            Phase::Upgrading => self.upgrade_next(&deployment),
            Phase::Watching { until } if self.at >= until && self.app.is_hot_whole(&deployment) => {
                self.settle()
            }
            Phase::Settling => self.settled(&deployment),
            _ => {}
        }
    }

    fn lost_in_upgrade(&mut self, place: Place, lane: &Lane) {
        if lane.hot.is_some() {
            let reason = format!("instance {place} was lost after its hot upgrade had begun");
            return self.roll_back(reason, None, None);
        }
        self.not_hot(format!("instance {place} is gone"));
    }

    /// The next instance is upgraded, once those before it are well.
    fn upgrade_next(&mut self, deployment: &Deployment) {
        let (Some(from), Some(to), Some(hot)) = (deployment.from, deployment.to, deployment.hot.clone())
        else {
            return;
        };
        if hot.gate_until.is_some_and(|until| self.at < until) {
            return;
        }
        let Some((place, lane)) = deployment.lanes.iter().find(|(_, lane)| !lane.is_upgraded()) else {
            return self.watch_hot(deployment, to);
        };
        if let Some(why) = self.app.why_not_upgraded(*place, lane, from) {
            return self.not_hot(why);
        }
        let Some(old) = lane.old.and_then(|id| self.app.instances.get(&id)) else { return };
        let (instance, run, is_back) = (old.id, old.run, to.version < from.version);
        let upgrade = deployment.id;
        let effect = self.issue(Effect::Upgrade { instance, run, upgrade, from, to, hot, is_back });
        self.lane(*place).hot = Some(HotStep::Upgrading { effect });
    }

    fn lane(&mut self, place: Place) -> &mut Lane {
        self.deployment().lanes.entry(place).or_default()
    }

    /// All instances run the new version: from now on it is watched, or committed at once.
    fn watch_hot(&mut self, deployment: &Deployment, to: Target) {
        let at = self.at;
        self.deployment().serving_at = Some(at);
        let window = self.settings(to).watch_window;
        if window.is_zero() {
            return self.settle();
        }
        self.watch(deployment, window);
    }

    /// The window is over: the next start of every instance shall be one of the new version.
    fn settle(&mut self) {
        let deployment = self.deployment().clone();
        self.deployment().phase = Phase::Settling;
        let Some(to) = deployment.to else { return };
        for (place, lane) in &deployment.lanes {
            let Some(old) = lane.old.and_then(|id| self.app.instances.get(&id)) else { continue };
            let (instance, run) = (old.id, old.run);
            let effect = self.issue(Effect::Settle { instance, run, upgrade: deployment.id, to });
            self.lane(*place).hot = Some(HotStep::Settling { effect });
        }
    }

    fn settled(&mut self, deployment: &Deployment) {
        let unsettled = deployment.lanes.iter().find(|(_, lane)| lane.hot != Some(HotStep::Settled));
        match unsettled {
            Some((place, _)) => {
                self.not_hot(format!("the next start of instance {place} is of the old version"))
            }
            None => self.commit(),
        }
    }

    /// The lane in which an effect is waited for.
    fn lane_of(&self, effect: EffectId) -> Option<Place> {
        let lanes = self.app.deployment.iter().flat_map(|it| &it.lanes);
        let waits = |lane: &Lane| lane.hot.and_then(HotStep::effect) == Some(effect);
        lanes.into_iter().find(|(_, lane)| waits(lane)).map(|(place, _)| *place)
    }

    pub(super) fn upgrade_ended(&mut self, id: EffectId, instance: InstanceId, run: u32, outcome: Outcome) {
        let Some(place) = self.lane_of(id) else { return };
        let to = self.deployment().to;
        let lives = self.app.instances.get(&instance).is_some_and(|it| it.run == run && it.pid.is_some());
        let (undo, detail) = match outcome {
            Outcome::Upgraded { undo, detail } => (undo, detail),
            Outcome::Ok { detail } => (false, detail),
            Outcome::Drained { .. } => (false, None),
            Outcome::Unknown { reason } => return self.upgrade_failed(place, instance, &reason, lives),
            other => {
                self.lane(place).hot = None;
                let why = other.failure().unwrap_or_default();
                return self.upgrade_refused(format!("instance {place}: {why}"));
            }
        };
        if !lives {
            // It has ended since: its next start is of the old version.
            self.lane(place).hot = None;
            return self.crashed_after_upgrade(place);
        }
        self.lane(place).hot = Some(HotStep::Upgraded { undo });
        if let Some(instance) = self.instance(instance) {
            instance.hot = to;
        }
        let detail = detail.map(|detail| format!("  {detail}")).unwrap_or_default();
        let text = format!("instance {place} upgraded hot{detail}");
        self.note_of(instance, Step::Upgraded, text);
        self.open_gate();
    }

    /// The first one is watched for a while.
    fn open_gate(&mut self) {
        let gate = self.deployment().to.map(|to| self.settings(to).hot.gate).unwrap_or_default();
        let until = self.after(gate);
        let upgraded = self.deployment().lanes.values().filter(|lane| lane.is_upgraded()).count();
        let is_alone = self.deployment().lanes.len() == 1;
        if let Some(hot) = self.deployment().hot.as_mut().filter(|_| upgraded == 1 && !is_alone) {
            hot.gate_until = Some(until);
        }
    }

    /// Nothing has changed in the instance.
    fn upgrade_refused(&mut self, why: String) {
        if !self.deployment().is_rolling_back() {
            self.not_hot(why);
        }
    }

    /// Nobody knows what runs in the instance: it is replaced, whichever way the deployment goes.
    fn upgrade_failed(&mut self, place: Place, instance: InstanceId, reason: &str, lives: bool) {
        let to = self.deployment().to;
        self.lane(place).hot = lives.then_some(HotStep::Upgraded { undo: false });
        if let Some(instance) = self.instance(instance).filter(|_| lives) {
            instance.hot = to;
        }
        let text = format!("instance {place} could not be upgraded hot: {reason}");
        self.note_of(instance, Step::Upgraded, text).level = Level::Warning;
        self.upgrade_refused(format!("instance {place}: {reason}"));
    }

    pub(super) fn settle_ended(&mut self, id: EffectId, instance: InstanceId, to: Target, outcome: Outcome) {
        let Some(place) = self.lane_of(id) else { return };
        if let Some(reason) = outcome.failure() {
            self.lane(place).hot = Some(HotStep::Upgraded { undo: false });
            let text = format!(
                "the next start of instance {place} could not be made one of the new version: {reason}"
            );
            self.note_of(instance, Step::Upgraded, text).level = Level::Warning;
            return;
        }
        self.lane(place).hot = Some(HotStep::Settled);
        let app = self.app.name.clone();
        let Some(it) = self.instance(instance) else { return };
        *it = super::Instance { hot: None, upgrades: it.upgrades.saturating_add(1), ..it.upgraded(to) };
        if it.upgrades >= MANY_UPGRADES {
            let text = format!(
                "instance {place} was upgraded hot {} times since its start; a fresh start shows that the release \
                 still boots: bellrock restart {} {place}",
                it.upgrades, app
            );
            self.note_of(instance, Step::Told, text).level = Level::Warning;
        }
    }

    /// An instance whose upgrade has begun starts anew, which is with the old version.
    pub(super) fn crashed_after_upgrade(&mut self, place: Place) {
        let reason = format!("instance {place} crashed after its hot upgrade");
        self.roll_back(reason, None, None);
    }

    /// A run of an instance has ended, and whatever was taken into it is gone.
    pub(super) fn loses_upgrade(&mut self, id: InstanceId) {
        if let Some(instance) = self.instance(id) {
            instance.hot = None;
            instance.upgrades = 0;
        }
        let lanes = self.app.deployment.iter_mut().flat_map(|it| it.lanes.values_mut());
        for lane in lanes.filter(|lane| lane.old == Some(id)) {
            lane.hot = lane.hot.filter(|step| !matches!(step, HotStep::Upgraded { .. }));
        }
    }

    /// Takes back what was upgraded; says whether that is waited for.
    pub(super) fn undo_hot(&mut self) -> bool {
        let deployment = self.deployment().clone();
        let (Some(from), Some(to)) = (deployment.from, deployment.to) else { return false };
        for (place, lane) in &deployment.lanes {
            let lives = |it: &&Instance| !it.is_ending() && it.pid.is_some();
            let old = lane.old.and_then(|id| self.app.instances.get(&id)).filter(lives);
            let (Some(HotStep::Upgraded { undo: true }), Some(old)) = (lane.hot, old) else { continue };
            let (instance, run, upgrade) = (old.id, old.run, deployment.id);
            let is_back = to.version < from.version;
            let effect = self.issue(Effect::Undo { instance, run, upgrade, from, to, is_back });
            self.lane(*place).hot = Some(HotStep::Undoing { effect });
        }
        self.deployment().is_waiting()
    }

    pub(super) fn undo_ended(&mut self, id: EffectId, instance: InstanceId, outcome: Outcome) {
        let Some(place) = self.lane_of(id) else { return };
        if let Some(reason) = outcome.failure() {
            self.lane(place).hot = Some(HotStep::Upgraded { undo: false });
            let text = format!("instance {place} could not be taken back and is replaced: {reason}");
            self.note_of(instance, Step::Upgraded, text).level = Level::Warning;
            return;
        }
        self.lane(place).hot = None;
        if let Some(instance) = self.instance(instance) {
            instance.hot = None;
        }
        self.note_of(instance, Step::Upgraded, format!("instance {place} taken back"));
    }
}
