//! Taking verdicts of checks.

use super::NotTaken;
use super::deployment::Phase;
use super::event::Verdict;
use super::instance::{Ending, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::Target;
use crate::names::InstanceId;

impl Turn {
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

    /// A version that answers with errors is left, whatever its checks say.
    pub(super) fn take_server_errors(&mut self, target: Target, reason: &str) -> Result<(), NotTaken> {
        let is_watched = self.app.deployment.as_ref().is_some_and(|it| {
            it.to == Some(target)
                && it.kind.is_watched()
                && matches!(it.phase, Phase::Watching { .. } | Phase::Upgrading)
        });
        if !is_watched {
            return Err(NotTaken::Stale(format!("v{} is not watched any more", self.app.label(target))));
        }
        self.roll_back(format!("v{}: {reason}", self.app.label(target)), None, None);
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
        let at = self.at;
        let Some(instance) = self.app.instances.get_mut(&id) else { return };
        let place = instance.place;
        instance.status = Status::Unhealthy { why: why.clone(), since: at };
        let note = self.note_of(id, Step::Health, format!("instance {place} is unhealthy: {why}"));
        note.level = Level::Alarm;
        note.tail = tail;
    }
}
