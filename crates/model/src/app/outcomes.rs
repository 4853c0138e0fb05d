//! Taking the ends of effects.

use super::NotTaken;
use super::deployment::{Phase, Verdict};
use super::effect::{Effect, Links, Run, RunKind};
use super::event::Outcome;
use super::instance::{Ending, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use crate::names::{EffectId, InstanceId, Place};

impl Turn {
    pub(super) fn take_outcome(&mut self, id: EffectId, outcome: Outcome) -> Result<(), NotTaken> {
        let effect = self.app.outbox.remove(&id);
        let effect = effect.ok_or_else(|| NotTaken::Stale(format!("effect {id} is unknown or has ended")))?;
        match effect {
            Effect::Stage { .. } => self.stage_ended(id, outcome),
            Effect::Run { run } => self.run_ended(id, &run, outcome),
            Effect::Create { instance } => self.create_ended(id, instance, outcome),
            Effect::Launch { instance } => self.launch_ended(id, instance, outcome),
            Effect::Stop { instance } => self.stop_ended(id, instance, outcome),
            Effect::Remove { instance } => {
                self.warn_if_failed("could not delete what an instance left", outcome);
                self.app.instances.remove(&instance);
            }
            Effect::Route { .. } => self.route_ended(outcome),
            Effect::Drain { instance, .. } => self.drain_ended(id, instance, outcome),
            Effect::Link { place, links } => self.link_ended(place, links, outcome),
            Effect::Plan { .. } => self.plan_ended(id, outcome),
            Effect::Upgrade { instance, run, .. } => self.upgrade_ended(id, instance, run, outcome),
            Effect::Undo { instance, .. } => self.undo_ended(id, instance, outcome),
            Effect::Settle { instance, to, .. } => self.settle_ended(id, instance, to, outcome),
            Effect::Forget { label, .. } => {
                self.warn_if_failed(&format!("could not delete the package of v{label}"), outcome)
            }
            Effect::Halt { .. } => self.warn_if_failed("could not end a command", outcome),
        }
        Ok(())
    }

    fn warn_if_failed(&mut self, what: &str, outcome: Outcome) {
        if let Some(reason) = outcome.failure() {
            self.note(Step::Told, format!("{what}: {reason}")).level = Level::Warning;
        }
    }

    /// Links that could not be set are wrong: they are set anew after a while, unless others are wanted by then.
    fn link_ended(&mut self, place: Place, links: Links, outcome: Outcome) {
        let failed = !matches!(outcome, Outcome::Ok { .. });
        self.warn_if_failed(&format!("could not set the links of place {place}"), outcome);
        if self.app.places.get(&place).is_some_and(|state| state.links == links) {
            self.relink_after(place, failed);
        }
    }

    fn stage_ended(&mut self, id: EffectId, outcome: Outcome) {
        let here = matches!(&self.app.deployment, Some(it) if it.phase == Phase::Staging { effect: id });
        if !here {
            return;
        }
        match outcome {
            Outcome::Ok { detail } => self.staged(detail),
            Outcome::Drained { .. } | Outcome::Upgraded { .. } => self.staged(None),
            Outcome::NoRoom { detail } => {
                self.one_after_another(&detail);
                self.staged(None);
            }
            Outcome::Failed { .. } | Outcome::Unknown { .. } if self.gave_up() => {}
            Outcome::Failed { reason, tail } => self.turn_back(reason, tail, Verdict::RolledBack),
            Outcome::Unknown { reason } => self.turn_back(reason, None, Verdict::RolledBack),
        }
    }

    fn run_ended(&mut self, id: EffectId, run: &Run, outcome: Outcome) {
        match run.kind {
            RunKind::Prepare | RunKind::Pre { .. } => {
                let (failure, tail) = self.told_of_command(run, outcome);
                self.command_ended(id, failure, tail);
            }
            RunKind::Init { instance } => {
                let (failure, tail) = self.told_of_command(run, outcome);
                self.init_ended(id, instance, failure, tail);
            }
            RunKind::PostRollback => {
                let (failure, tail) = self.told_of_command(run, outcome);
                self.post_rollback_ended(id, failure, tail);
            }
            RunKind::Member { .. } => self.member_answered(id, run, outcome),
        }
    }

    /// Why a command failed, with the end of its output; one that did not is noted.
    fn told_of_command(&mut self, run: &Run, outcome: Outcome) -> (Option<String>, Option<String>) {
        let text = format!("{} `{}`", run.kind, run.command);
        match outcome {
            Outcome::Ok { detail } => {
                let detail = detail.map(|detail| format!("  {detail}")).unwrap_or_default();
                self.note(Step::Command, format!("{text}{detail}"));
                (None, None)
            }
            Outcome::Drained { .. } | Outcome::Upgraded { .. } => (None, None),
            Outcome::Failed { reason, tail } => (Some(format!("{text}: {reason}")), tail),
            Outcome::NoRoom { detail } => (Some(format!("{text}: {detail}")), None),
            Outcome::Unknown { reason } => {
                (Some(format!("{text}: nobody knows how it ended ({reason}); it is not run again")), None)
            }
        }
    }

    fn command_ended(&mut self, id: EffectId, failure: Option<String>, tail: Option<String>) {
        let Some(Phase::Commands { effect, index }) = self.app.deployment.as_ref().map(|it| it.phase.clone())
        else {
            return;
        };
        if effect != id {
            return;
        }
        match failure {
            None => self.run_command(index + 1),
            Some(_) if self.gave_up() => {}
            Some(reason) => self.turn_back(reason, tail, Verdict::RolledBack),
        }
    }

    fn init_ended(
        &mut self,
        id: EffectId,
        instance: InstanceId,
        failure: Option<String>,
        tail: Option<String>,
    ) {
        let Some(Status::Initialising { effect, index }) =
            self.app.instances.get(&instance).map(|it| it.status.clone())
        else {
            return;
        };
        if effect != id {
            return;
        }
        match failure {
            None => self.initialise(instance, index + 1),
            Some(reason) => self.failed_to_start(instance, reason, tail),
        }
    }

    fn post_rollback_ended(&mut self, id: EffectId, failure: Option<String>, tail: Option<String>) {
        let Some(Phase::AfterRollback { effect, index, .. }) =
            self.app.deployment.as_ref().map(|it| it.phase.clone())
        else {
            return;
        };
        if effect != id {
            return;
        }
        if let Some(failure) = failure {
            let note = self.note(Step::Command, failure);
            note.level = Level::Alarm;
            note.tail = tail;
        }
        self.after_rollback(index + 1);
    }

    fn create_ended(&mut self, id: EffectId, instance: InstanceId, outcome: Outcome) {
        if !matches!(self.app.instances.get(&instance), Some(it) if it.status == Status::Creating { effect: id })
        {
            return;
        }
        match outcome {
            Outcome::Ok { .. } | Outcome::Drained { .. } | Outcome::Upgraded { .. } => {
                self.initialise(instance, 0)
            }
            Outcome::Failed { reason, tail } => self.failed_to_start(instance, reason, tail),
            Outcome::NoRoom { detail: reason } | Outcome::Unknown { reason } => {
                self.failed_to_start(instance, reason, None)
            }
        }
    }

    fn launch_ended(&mut self, id: EffectId, instance: InstanceId, outcome: Outcome) {
        if !matches!(self.app.instances.get(&instance), Some(it) if it.status == Status::Launching { effect: id })
        {
            return;
        }
        match outcome {
            Outcome::Ok { detail } => {
                let how = detail.map(|how| format!(" {how}")).unwrap_or_default();
                self.launched(instance, &how);
            }
            Outcome::Drained { .. } | Outcome::Upgraded { .. } => self.launched(instance, ""),
            Outcome::Failed { reason, tail } => self.failed_to_start(instance, reason, tail),
            // Something of it may be there: it is ended like one that was started.
            Outcome::NoRoom { detail: reason } | Outcome::Unknown { reason } => {
                self.stop(instance, Ending::Failed { reason, tail: None })
            }
        }
    }

    fn launched(&mut self, instance: InstanceId, how: &str) {
        let at = self.at;
        let Some(it) = self.app.instances.get_mut(&instance) else { return };
        // Its shim may have told of a first run, and of its end, before.
        let ended = it.run > 0 && it.pid.is_none();
        it.status = if ended { Status::BackingOff { until: at } } else { Status::Starting };
        let text = format!("instance {} started{how}", it.place);
        self.note_of(instance, Step::Started, text);
    }

    fn stop_ended(&mut self, id: EffectId, instance: InstanceId, outcome: Outcome) {
        let at = self.at;
        let Some(it) = self.app.instances.get_mut(&instance) else { return };
        let Status::Stopping { effect, why } = &it.status else { return };
        if *effect != id {
            return;
        }
        let (place, failed) = (it.place, matches!(why, Ending::Failed { .. }));
        it.status = Status::Stopped { at, why: why.clone() };
        it.pid = None;
        if failed {
            self.back_off(instance);
        }
        match outcome {
            Outcome::Ok { detail } => {
                let text = format!("instance {place} {}", detail.unwrap_or_else(|| "stopped".into()));
                self.note_of(instance, Step::Stopped, text);
            }
            Outcome::Drained { .. } | Outcome::Upgraded { .. } => {}
            Outcome::NoRoom { detail: reason }
            | Outcome::Failed { reason, .. }
            | Outcome::Unknown { reason } => {
                // Nobody knows whether it still runs.
                self.lose_sight(place, instance);
                let text = format!(
                    "instance {place} could not be stopped: {reason}; nothing is started in its place before \
                     somebody has looked: bellrock doctor, then bellrock restart {} {place}",
                    self.app.name
                );
                self.note_of(instance, Step::Stopped, text).level = Level::Alarm;
            }
        }
    }
}
