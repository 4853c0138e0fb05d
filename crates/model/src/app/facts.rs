//! Taking facts: ends of effects, news from shims, verdicts of checks, adoption after a start of the daemon.

use super::NotTaken;
use super::deployment::{Phase, Verdict as RollbackVerdict};
use super::effect::{Effect, Run, RunKind};
use super::event::{Outcome, ShimFact, Verdict};
use super::instance::{Ending, Exit, ExitHow, Instance, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use crate::human;
use crate::names::{EffectId, InstanceId, Place};

/// Exits in a row from which a crash loop is an alarm.
const LOOP_ALARM: u32 = 3;

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
            Effect::Link { place, .. } => {
                self.warn_if_failed(&format!("could not set the links of place {place}"), outcome)
            }
            Effect::Forget { label, .. } => {
                self.warn_if_failed(&format!("could not delete the package of v{label}"), outcome)
            }
            Effect::Halt { .. } => self.warn_if_failed("could not end a command", outcome),
        }
        Ok(())
    }

    fn warn_if_failed(&mut self, what: &str, outcome: Outcome) {
        if let Outcome::Failed { reason, .. } | Outcome::Unknown { reason } = outcome {
            self.note(Step::Told, format!("{what}: {reason}")).level = Level::Warning;
        }
    }

    fn stage_ended(&mut self, id: EffectId, outcome: Outcome) {
        let here = matches!(&self.app.deployment, Some(it) if it.phase == Phase::Staging { effect: id });
        if !here {
            return;
        }
        match outcome {
            Outcome::Ok { detail } => self.staged(detail),
            Outcome::Failed { .. } | Outcome::Unknown { .. } if self.gave_up() => {}
            Outcome::Failed { reason, tail } => self.turn_back(reason, tail, RollbackVerdict::RolledBack),
            Outcome::Unknown { reason } => self.turn_back(reason, None, RollbackVerdict::RolledBack),
        }
    }

    fn run_ended(&mut self, id: EffectId, run: &Run, outcome: Outcome) {
        let text = format!("{} `{}`", run.kind, run.command);
        let (failure, tail) = match outcome {
            Outcome::Ok { detail } => {
                let detail = detail.map(|detail| format!("  {detail}")).unwrap_or_default();
                self.note(Step::Command, format!("{text}{detail}"));
                (None, None)
            }
            Outcome::Failed { reason, tail } => (Some(format!("{text}: {reason}")), tail),
            Outcome::Unknown { reason } => {
                (Some(format!("{text}: nobody knows how it ended ({reason}); it is not run again")), None)
            }
        };
        match run.kind {
            RunKind::Prepare | RunKind::Pre { .. } => self.command_ended(id, failure, tail),
            RunKind::Init { instance } => self.init_ended(id, instance, failure, tail),
            RunKind::PostRollback => self.post_rollback_ended(id, failure, tail),
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
            Some(reason) => self.turn_back(reason, tail, RollbackVerdict::RolledBack),
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
            Outcome::Ok { .. } => self.initialise(instance, 0),
            Outcome::Failed { reason, tail } => self.failed_to_start(instance, reason, tail),
            Outcome::Unknown { reason } => self.failed_to_start(instance, reason, None),
        }
    }

    fn launch_ended(&mut self, id: EffectId, instance: InstanceId, outcome: Outcome) {
        let at = self.at;
        let Some(it) =
            self.app.instances.get_mut(&instance).filter(|it| it.status == Status::Launching { effect: id })
        else {
            return;
        };
        match outcome {
            Outcome::Ok { .. } => {
                // Its shim may have told of a first run, and of its end, before.
                let ended = it.run > 0 && it.pid.is_none();
                it.status = if ended { Status::BackingOff { until: at } } else { Status::Starting };
                let text = format!("instance {} started", it.place);
                self.note_of(instance, Step::Started, text);
            }
            Outcome::Failed { reason, tail } => self.failed_to_start(instance, reason, tail),
            // Something of it may be there: it is ended like one that was started.
            Outcome::Unknown { reason } => self.stop(instance, Ending::Failed { reason, tail: None }),
        }
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
            Outcome::Failed { reason, .. } | Outcome::Unknown { reason } => {
                // Nobody knows whether it still runs.
                self.app.places.entry(place).or_default().unknown = Some(instance);
                let text = format!(
                    "instance {place} could not be stopped: {reason}; nothing is started in its place before \
                     somebody has looked: bellrock doctor, then bellrock restart {} {place}",
                    self.app.name
                );
                self.note_of(instance, Step::Stopped, text).level = Level::Alarm;
            }
        }
    }

    pub(super) fn take_shim_fact(
        &mut self,
        id: InstanceId,
        seq: u64,
        fact: ShimFact,
    ) -> Result<(), NotTaken> {
        // A shim that was told to stop its instance ends with it.
        let has_ended = |it: &Instance| if fact == ShimFact::Gone { it.is_ending() } else { it.is_gone() };
        let instance = self.app.instances.get_mut(&id).filter(|instance| !has_ended(instance));
        let instance = instance.ok_or_else(|| NotTaken::Stale(format!("instance {id} has ended")))?;
        if seq != 0 && seq <= instance.seq {
            return Err(NotTaken::Stale(format!("event {seq} of instance {id} was taken before")));
        }
        instance.seq = instance.seq.max(seq);
        let place = instance.place;
        if let Some(state) = self.app.places.get_mut(&place).filter(|state| state.unknown == Some(id)) {
            state.unknown = None;
        }
        match fact {
            ShimFact::Started { run, pid, at } => {
                instance.run = run;
                instance.pid = Some(pid);
                instance.up_since = Some(at);
                if instance.is_launched() {
                    instance.status = Status::Starting;
                }
            }
            ShimFact::Exited { run, at, how, uptime_ms, crash_dump, tail } => {
                self.exited(id, Exit { run, at, how, uptime_ms, crash_dump }, tail);
            }
            ShimFact::BackingOff { until, consecutive } => self.backing_off(id, until, consecutive),
            ShimFact::LogDropped { bytes } => {
                let text = format!(
                    "instance {place}: {bytes} bytes of its output were dropped; it came faster than the disk took it"
                );
                self.note_of(id, Step::Told, text).level = Level::Warning;
            }
            ShimFact::Warning { text } => {
                self.note_of(id, Step::Told, format!("instance {place}: {text}")).level = Level::Warning;
            }
            ShimFact::Gone => {
                let text = format!("the shim of instance {place} died, and the instance with it");
                self.lost(id, text, "its shim died");
            }
        }
        Ok(())
    }

    fn count_crash(&mut self, id: InstanceId, exit: Exit) {
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        instance.crashes += 1;
        instance.pid = None;
        instance.up_since = None;
        instance.last_exit = Some(exit.clone());
        let place = instance.place;
        self.app.places.entry(place).or_default().crashes += 1;
        self.exits.push((id, place, exit));
    }

    fn exited(&mut self, id: InstanceId, exit: Exit, tail: Option<String>) {
        let how = exit.how;
        let up = human::duration(std::time::Duration::from_millis(exit.uptime_ms));
        let at = self.at;
        self.count_crash(id, exit);
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let (place, crashes, was_ready) = (instance.place, instance.crashes, instance.ready_at.is_some());
        if instance.is_launched() {
            instance.status = Status::BackingOff { until: at };
        }
        let note =
            self.note_of(id, Step::Exited, format!("instance {place} exited by itself ({how}) after {up}"));
        note.level = Level::Warning;
        note.tail.clone_from(&tail);
        if !was_ready && (self.is_new(id) || self.is_back_instance(id)) {
            let reason = format!("it exited before it was ready ({how})");
            return self.stop(id, Ending::Failed { reason, tail });
        }
        if self.is_watched(id) {
            let limit = self.new_settings().map_or(u32::MAX, |settings| settings.watch_exits);
            if crashes >= limit {
                let times = if crashes == 1 { "once".to_owned() } else { format!("{crashes} times") };
                self.roll_back(format!("instance {place} crashed {times} ({how})"), tail, Some(id));
            }
        }
    }

    /// Whether an instance is one whose failing says that its version is bad.
    fn is_watched(&self, id: InstanceId) -> bool {
        self.is_new(id) && self.app.deployment.as_ref().is_some_and(|it| it.kind.is_watched())
    }

    fn new_settings(&self) -> Option<crate::settings::AppSettings> {
        self.app.deployment.as_ref().and_then(|it| it.to).map(|to| self.settings(to))
    }

    fn is_back_instance(&self, id: InstanceId) -> bool {
        self.app.deployment.as_ref().is_some_and(|it| it.lanes.values().any(|lane| lane.back == Some(id)))
    }

    fn backing_off(&mut self, id: InstanceId, until: jiff::Timestamp, consecutive: u32) {
        let wait =
            human::duration(std::time::Duration::try_from(until.duration_since(self.at)).unwrap_or_default());
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let place = instance.place;
        if instance.is_launched() {
            instance.status = Status::BackingOff { until };
        }
        if consecutive >= LOOP_ALARM {
            let text = format!(
                "instance {place} is in a crash loop: {consecutive} exits in a row; started again in {wait}"
            );
            self.note_of(id, Step::Exited, text).level = Level::Alarm;
        }
    }

    /// A shim died, and its instance with it: what it may have left is ended before another takes the place.
    fn lost(&mut self, id: InstanceId, text: String, reason: &str) {
        let at = self.at;
        let Some(instance) = self.app.instances.get(&id).filter(|it| !it.is_ending()) else { return };
        let run = instance.run;
        // The end of a run that its shim had told of is not counted again.
        if let Some(since) = instance.up_since {
            let uptime_ms = u64::try_from(self.since(since).as_millis()).unwrap_or(u64::MAX);
            self.count_crash(id, Exit { run, at, how: ExitHow::Unknown, uptime_ms, crash_dump: None });
        }
        self.note_of(id, Step::Exited, text).level = Level::Warning;
        self.stop(id, Ending::Failed { reason: reason.into(), tail: None });
    }

    pub(super) fn take_verdict(
        &mut self,
        id: InstanceId,
        run: u32,
        verdict: Verdict,
    ) -> Result<(), NotTaken> {
        let stale = || NotTaken::Stale(format!("run {run} of instance {id} is not checked any more"));
        let instance =
            self.app.instances.get(&id).filter(|it| it.run == run && it.is_launched()).ok_or_else(stale)?;
        let (place, status) = (instance.place, instance.status.clone());
        match (verdict, status) {
            (Verdict::Ready, Status::Starting) => self.ready(id),
            (Verdict::Healthy, Status::Unhealthy { .. }) => self.healthy(id),
            (Verdict::NeverReady { why, tail }, Status::Starting) => self.never_ready(id, why, tail),
            (Verdict::Unhealthy { why, tail }, Status::Ready) => {
                self.unhealthy(id, why.clone(), tail.clone());
                if self.is_watched(id) {
                    let reason =
                        format!("instance {place} was ready and then failed its health check: {why}");
                    self.roll_back(reason, tail, Some(id));
                }
            }
            _ => return Err(stale()),
        }
        Ok(())
    }

    fn never_ready(&mut self, id: InstanceId, why: String, tail: Option<String>) {
        let Some(instance) = self.app.instances.get(&id) else { return };
        let (place, was_ready) = (instance.place, instance.ready_at.is_some());
        let brought_up = self.is_new(id) || self.is_back_instance(id);
        if brought_up && !was_ready {
            let reason = format!("it was not ready in time: {why}");
            return self.stop(id, Ending::Failed { reason, tail });
        }
        self.unhealthy(id, why.clone(), tail.clone());
        if self.is_watched(id) {
            let reason = format!("instance {place} was ready, exited and was not ready again in time: {why}");
            self.roll_back(reason, tail, Some(id));
        }
    }

    fn healthy(&mut self, id: InstanceId) {
        let at = self.at;
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        instance.status = Status::Ready;
        instance.ready_at.get_or_insert(at);
        let text = format!("instance {} is healthy again", instance.place);
        self.note_of(id, Step::Health, text);
    }

    fn ready(&mut self, id: InstanceId) {
        let at = self.at;
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let first = instance.ready_at.is_none();
        instance.status = Status::Ready;
        instance.ready_at.get_or_insert(at);
        let (place, since) = (instance.place, instance.up_since.unwrap_or(instance.created_at));
        let took = self.since(since);
        if let Some(state) = self.app.places.get_mut(&place) {
            state.retry_at = None;
        }
        let text =
            if first { format!("instance {place} ready") } else { format!("instance {place} ready again") };
        self.note_of(id, Step::Ready, text).took(took);
    }

    fn unhealthy(&mut self, id: InstanceId, why: String, tail: Option<String>) {
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let place = instance.place;
        instance.status = Status::Unhealthy { why: why.clone() };
        let note = self.note_of(id, Step::Health, format!("instance {place} is unhealthy: {why}"));
        note.level = Level::Alarm;
        note.tail = tail;
    }

    /// The daemon has asked every shim. What does not live has ended; what is unknown is left to a person.
    pub(super) fn take_adoption(&mut self, alive: &[InstanceId], unknown: &[InstanceId]) {
        for id in unknown {
            let Some(place) = self.app.instances.get(id).map(|it| it.place) else { continue };
            self.app.places.entry(place).or_default().unknown = Some(*id);
            let text = format!(
                "the shim of instance {place} does not answer: nothing is started in its place; see bellrock doctor"
            );
            self.note_of(*id, Step::Told, text).level = Level::Alarm;
        }
        let gone: Vec<InstanceId> = self
            .app
            .instances
            .values()
            .filter(|it| it.is_launched() && !alive.contains(&it.id) && !unknown.contains(&it.id))
            .map(|it| it.id)
            .collect();
        let instances = &self.app.instances;
        for state in self.app.places.values_mut() {
            // One that lives although it should have ended is as bad as one that does not answer.
            let should_live = |id: &InstanceId| instances.get(id).is_some_and(|it| !it.is_gone());
            state.unknown =
                state.unknown.filter(|id| unknown.contains(id) || (alive.contains(id) && !should_live(id)));
        }
        let all_gone = !gone.is_empty()
            && !self.app.instances.values().any(|it| it.is_launched() && !gone.contains(&it.id));
        if all_gone && matches!(&self.app.deployment, Some(it) if it.phase == Phase::Replacing) {
            self.turn_back("the host went down under it".into(), None, RollbackVerdict::Interrupted);
        }
        for id in gone {
            let place = self.app.instances.get(&id).map_or(Place(0), |it| it.place);
            let text = format!("instance {place} has ended while bellrockd was away");
            self.lost(id, text, "it ended while bellrockd was away");
        }
    }
}
