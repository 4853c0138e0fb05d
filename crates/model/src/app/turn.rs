//! One turn of the state machine: the state being changed and what the change leads to.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::deployment::{Deployment, Ended, Phase};
use super::effect::Effect;
use super::event::Event;
use super::instance::{Ending, Exit, Instance, Status};
use super::note::{Level, Note, Step};
use super::version::Target;
use super::{App, NotTaken, Stepped};
use crate::names::{DeploymentId, EffectId, InstanceId, Place, Slot};
use crate::settings::AppSettings;

pub(super) struct Turn {
    pub(super) app: App,
    pub(super) at: Timestamp,
    /// Whether this is the turn of a command, and not of one that waited in the queue.
    pub(super) is_asked_now: bool,
    effects: Vec<(EffectId, Effect)>,
    notes: Vec<Note>,
    records: Vec<Deployment>,
    pub(super) exits: Vec<(InstanceId, Place, Exit)>,
}

impl Turn {
    pub(super) fn new(app: App, at: Timestamp) -> Self {
        Turn {
            app,
            at,
            is_asked_now: false,
            effects: Vec::new(),
            notes: Vec::new(),
            records: Vec::new(),
            exits: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, event: Event) -> Result<(), NotTaken> {
        match event {
            Event::Command { command, by } => {
                self.is_asked_now = true;
                let taken = self.take_command(command, by);
                self.is_asked_now = false;
                Ok(taken?)
            }
            Event::Done { effect, outcome } => self.take_outcome(effect, outcome),
            Event::Shim { instance, seq, fact } => self.take_shim_fact(instance, seq, fact),
            Event::Check { instance, run, verdict } => self.take_verdict(instance, run, verdict),
            Event::ServerErrors { target, reason } => self.take_server_errors(target, &reason),
            Event::Watchdog { instance, run, level, text } => self.take_watchdog(instance, run, level, &text),
            Event::ProxyHealth { instance, run, down, changes } => {
                self.take_proxy_health(instance, run, down, changes)
            }
            Event::CanaryCounts { deployment, window, old, new } => {
                self.take_canary_counts(deployment, window, &old, &new)
            }
            Event::Adopted { alive, unknown } => {
                self.take_adoption(&alive, &unknown);
                Ok(())
            }
            Event::Tick => Ok(()),
        }
    }

    /// Goes on until nothing more follows from the facts.
    pub(super) fn advance(&mut self) {
        self.thaw();
        self.end_pause();
        loop {
            let before = (self.effects.len(), self.notes.len(), self.stage());
            self.advance_deployment();
            self.stop_drained();
            self.supervise();
            if before == (self.effects.len(), self.notes.len(), self.stage()) {
                break;
            }
        }
        self.prune();
        self.relink();
        self.keep_assets();
        self.reroute();
    }

    pub(super) fn finish(mut self, before: &App) -> Stepped {
        if self.app.deployment != before.deployment {
            self.records.extend(self.app.deployment.clone());
        }
        Stepped {
            app: self.app,
            effects: self.effects,
            notes: self.notes,
            records: self.records,
            exits: self.exits,
        }
    }

    /// How far the deployment has come, in all that others wait for.
    fn stage(&self) -> Option<(DeploymentId, Phase, [Option<Timestamp>; 2])> {
        let deployment = self.app.deployment.as_ref()?;
        Some((deployment.id, deployment.phase.clone(), [deployment.switched_at, deployment.serving_at]))
    }

    fn advance_deployment(&mut self) {
        let is_hot = self.app.deployment.as_ref().is_some_and(Deployment::is_hot);
        match self.app.deployment.as_ref().map(|deployment| &deployment.phase) {
            Some(Phase::Upgrading | Phase::Settling) => self.advance_hot(),
            Some(Phase::Watching { .. }) if is_hot => self.advance_hot(),
            Some(Phase::Replacing | Phase::Watching { .. }) => self.advance_forward(),
            Some(Phase::RollingBack { .. }) => self.advance_back(),
            Some(
                Phase::Staging { .. }
                | Phase::Planning { .. }
                | Phase::Commands { .. }
                | Phase::AfterRollback { .. }
                | Phase::Ended { .. },
            ) => {}
            None => self.begin_queued(),
        }
    }

    pub(super) fn issue(&mut self, effect: Effect) -> EffectId {
        let id = EffectId(self.app.next_effect);
        self.app.next_effect += 1;
        self.app.outbox.insert(id, effect.clone());
        self.effects.push((id, effect));
        id
    }

    pub(super) fn note(&mut self, step: Step, text: impl Into<String>) -> &mut Note {
        let deployment = self.app.deployment.as_ref().map(|deployment| deployment.id);
        self.notes.push(Note {
            deployment,
            place: None,
            instance: None,
            step,
            level: Level::Info,
            text: text.into(),
            tail: None,
            took_ms: None,
        });
        self.notes.last_mut().expect("it was just pushed")
    }

    pub(super) fn note_of(&mut self, instance: InstanceId, step: Step, text: impl Into<String>) -> &mut Note {
        let place = self.app.instances.get(&instance).map(|instance| instance.place);
        let note = self.note(step, text);
        note.place = place;
        note.instance = Some(instance);
        note
    }

    /// Time since `then`, never negative.
    pub(super) fn since(&self, then: Timestamp) -> Duration {
        Duration::try_from(self.at.duration_since(then)).unwrap_or_default()
    }

    pub(super) fn after(&self, wait: Duration) -> Timestamp {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::from_hours(24 * 365));
        self.at.checked_add(wait).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn settings(&self, target: Target) -> Arc<AppSettings> {
        self.app.revision(target).map(|revision| revision.settings.clone()).unwrap_or_default()
    }

    pub(super) fn instance(&mut self, id: InstanceId) -> Option<&mut Instance> {
        self.app.instances.get_mut(&id)
    }

    pub(super) fn deployment(&mut self) -> &mut Deployment {
        self.app.deployment.as_mut().expect("only called while a deployment is under way")
    }

    /// Begins to bring up an instance.
    pub(super) fn create(&mut self, place: Place, slot: Slot, target: Target) -> InstanceId {
        let id = InstanceId(self.app.next_instance);
        self.app.next_instance += 1;
        self.app.places.entry(place).or_default();
        let effect = self.issue(Effect::Create { instance: id });
        self.app.instances.insert(
            id,
            Instance {
                id,
                place,
                slot,
                target,
                hot: None,
                upgrades: 0,
                born: None,
                status: Status::Creating { effect },
                created_at: self.at,
                run: 0,
                pid: None,
                up_since: None,
                ready_at: None,
                crashes: 0,
                seq: 0,
                last_exit: None,
                exposed: false,
                down: None,
            },
        );
        id
    }

    /// Ends an instance, whatever is in flight in it. Effects about one instance are done in order, so what brings it
    /// up ends first; its init command, which may take long, is halted.
    pub(super) fn stop_now(&mut self, id: InstanceId, why: Ending) {
        let Some(instance) = self.app.instances.get(&id).filter(|it| !it.is_told_to_stop()) else { return };
        if let Status::Initialising { effect: run, .. } = instance.status {
            self.issue(Effect::Halt { run });
        }
        let effect = self.issue(Effect::Stop { instance: id });
        if let Some(instance) = self.instance(id) {
            instance.status = Status::Stopping { effect, why };
        }
    }

    /// Keeps the record of a deployment that ended before it began.
    pub(super) fn record(&mut self, deployment: Deployment) {
        self.records.push(deployment);
    }

    /// Ends the running deployment; its record is kept, the queued one may begin.
    pub(super) fn end(&mut self, outcome: Ended) {
        let Some(mut deployment) = self.app.deployment.take() else { return };
        deployment.ended_at = Some(self.at);
        deployment.phase = Phase::Ended { outcome };
        self.records.push(deployment);
    }
}
