//! Taking what shims tell about their instances, and what is found of them after a start of the daemon.

use std::sync::Arc;

use super::NotTaken;
use super::deployment::{Deployment, Phase, Verdict};
use super::event::ShimFact;
use super::instance::{Ending, Exit, ExitHow, Instance, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use crate::human;
use crate::names::{InstanceId, Place};
use crate::settings::AppSettings;

/// Exits in a row from which a crash loop is an alarm.
const LOOP_ALARM: u32 = 3;

impl Turn {
    pub(super) fn take_shim_fact(
        &mut self,
        id: InstanceId,
        seq: u64,
        fact: ShimFact,
    ) -> Result<(), NotTaken> {
        // A shim that was told to stop its instance ends with it.
        let has_ended =
            |it: &Instance| if fact == ShimFact::Gone { it.is_told_to_stop() } else { it.is_gone() };
        let instance = self.app.instances.get_mut(&id).filter(|instance| !has_ended(instance));
        let instance = instance.ok_or_else(|| NotTaken::Stale(format!("instance {id} has ended")))?;
        if seq != 0 && seq <= instance.seq {
            return Err(NotTaken::Stale(format!("event {seq} of instance {id} was taken before")));
        }
        instance.seq = instance.seq.max(seq);
        let place = instance.place;
        if let Some(state) = self.app.places.get_mut(&place).filter(|state| state.unknown == Some(id)) {
            state.unknown = None;
            state.unknown_since = None;
        }
        match fact {
            ShimFact::Started { run, pid, at } => {
                instance.run = run;
                instance.pid = Some(pid);
                instance.up_since = Some(at);
                instance.down = None;
                if instance.is_launched() && !instance.is_draining() {
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
        let upgraded = self.app.deployment.as_ref().and_then(|it| it.upgraded_place(id));
        self.loses_upgrade(id);
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let (place, crashes, was_ready) = (instance.place, instance.crashes, instance.ready_at.is_some());
        let draining = match &instance.status {
            Status::Draining { why, .. } => Some(why.clone()),
            _ => None,
        };
        if instance.is_launched() && draining.is_none() {
            instance.status = Status::BackingOff { until: at };
        }
        let note =
            self.note_of(id, Step::Exited, format!("instance {place} exited by itself ({how}) after {up}"));
        note.level = Level::Warning;
        note.tail.clone_from(&tail);
        if let Some(why) = draining {
            // Nothing is in flight in it any more, and its shim shall not start it again.
            return self.stop_now(id, why);
        }
        if !was_ready && (self.is_new(id) || self.is_back_instance(id)) {
            let reason = format!("it exited before it was ready ({how})");
            return self.stop(id, Ending::Failed { reason, tail });
        }
        if let Some(place) = upgraded {
            return self.crashed_after_upgrade(place);
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
    pub(super) fn is_watched(&self, id: InstanceId) -> bool {
        let deployment = self.app.deployment.as_ref().filter(|it| it.kind.is_watched());
        deployment.is_some_and(|it| self.is_new(id) || it.upgraded_place(id).is_some())
    }

    fn new_settings(&self) -> Option<Arc<AppSettings>> {
        self.app.deployment.as_ref().and_then(|it| it.to).map(|to| self.settings(to))
    }

    pub(super) fn is_back_instance(&self, id: InstanceId) -> bool {
        self.app.deployment.as_ref().is_some_and(|it| it.lanes.values().any(|lane| lane.back == Some(id)))
    }

    fn backing_off(&mut self, id: InstanceId, until: jiff::Timestamp, consecutive: u32) {
        let wait =
            human::duration(std::time::Duration::try_from(until.duration_since(self.at)).unwrap_or_default());
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let place = instance.place;
        if instance.is_launched() && !instance.is_draining() {
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
        let Some(instance) = self.app.instances.get(&id).filter(|it| !it.is_told_to_stop()) else { return };
        let run = instance.run;
        let why = match &instance.status {
            Status::Draining { why, .. } => why.clone(),
            _ => Ending::Failed { reason: reason.into(), tail: None },
        };
        // The end of a run that its shim had told of is not counted again.
        if let Some(since) = instance.up_since {
            let uptime_ms = u64::try_from(self.since(since).as_millis()).unwrap_or(u64::MAX);
            self.count_crash(id, Exit { run, at, how: ExitHow::Unknown, uptime_ms, crash_dump: None });
        }
        self.note_of(id, Step::Exited, text).level = Level::Warning;
        self.stop_now(id, why);
    }

    /// The daemon has asked every shim. What does not live has ended; what is unknown is left to a person.
    pub(super) fn take_adoption(&mut self, alive: &[InstanceId], unknown: &[InstanceId]) {
        self.mend_times();
        for id in unknown {
            let Some(place) = self.app.instances.get(id).map(|it| it.place) else { continue };
            self.lose_sight(place, *id);
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
        let is_open =
            |it: &Deployment| it.phase == Phase::Replacing || (it.is_hot() && it.started_at.is_some());
        if all_gone && self.app.deployment.as_ref().is_some_and(is_open) {
            self.turn_back("the host went down under it".into(), None, Verdict::Interrupted);
        }
        for id in gone {
            let place = self.app.instances.get(&id).map_or(Place(0), |it| it.place);
            let text = format!("instance {place} has ended while bellrockd was away");
            self.lost(id, text, "it ended while bellrockd was away");
        }
    }
}
