//! Taking commands: each is refused with nothing changed, or changes what is wanted.

use std::collections::BTreeMap;

use super::command::{Command, Refused};
use super::deployment::{GiveUp, Kind, Phase, Verdict};
use super::effect::Effect;
use super::forward::Beginning;
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::{NewVersion, Origin, Revision, Target, Variables, Version};
use super::{Mode, Queued};
use crate::names::{DeploymentId, Place, VariableName, VersionId, VersionLabel};
use crate::settings::{AppSettings, VariableValue};

impl Turn {
    pub(super) fn take_command(&mut self, command: Command, by: Origin) -> Result<(), Refused> {
        match command {
            Command::Deploy { version, deployment } => self.deploy(*version, deployment, by),
            Command::Activate { version, settings, deployment } => {
                self.activate(version, settings.map(|settings| *settings), deployment, by)
            }
            Command::Rollback { deployment } => self.roll_back_by_hand(deployment, by),
            Command::Cancel { deployment } => self.cancel(deployment),
            Command::Restart { place, deployment } => self.restart(place, deployment, by),
            Command::Stop { deployment } => self.stop_app(deployment, by),
            Command::Start { deployment } => self.start_app(deployment, by),
            Command::Scale { replicas, deployment } => self.scale(replicas, deployment, by),
            Command::SetVariables { changes, later, deployment } => {
                self.set_variables(changes, later, deployment, by)
            }
            Command::Follow => self.follow(),
            Command::PinTo { version, deployment } => self.pin_to(version, deployment, by),
            Command::ClearGhosts { version } => self.clear_ghosts(version.as_ref()),
            Command::Pin { version, pinned } => self.pin(&version, pinned),
            Command::Delete { version } => self.delete(&version),
        }
    }

    fn deploy(&mut self, new: NewVersion, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        if by == Origin::Store && self.app.mode != Mode::Automatic {
            return Err(Refused::Manual);
        }
        let label = new.label.clone();
        if let Some(known) = self.app.version_called(&label) {
            if known.digest != new.digest {
                return Err(Refused::OtherPackage { version: label, registered: known.digest.clone() });
            }
            if !known.stored && known.ghost.is_none() {
                return Err(Refused::NoPackage { version: label });
            }
            self.check_deployable(&label, Some(&new.settings))?;
        }
        let command = Command::Deploy { version: Box::new(new.clone()), deployment: id };
        if self.queue_behind(&label, command, id, &by)? {
            return Ok(());
        }
        if matches!(by, Origin::Operator { .. }) {
            self.follow_no_more(format!("v{label} was deployed by hand"));
        }
        let to = self.register(new, &by);
        self.begin(Beginning { id, kind: Kind::Deploy, by, to: Some(to), only: None, scaled_before: None });
        Ok(())
    }

    /// Registers a version, or revises a known one that is deployed with other settings or for the first time.
    fn register(&mut self, new: NewVersion, by: &Origin) -> Target {
        let variables = self.current_variables();
        if let Some(known) = self.app.version_called(&new.label) {
            let id = known.id;
            let target = self.revise_for_deployment(id, Some(new.settings));
            if let Some(version) = self.app.versions.iter_mut().find(|version| version.id == id) {
                version.stored = true;
                version.pre_commands = new.pre_commands;
                version.meta.extend(new.meta);
            }
            return target;
        }
        let id = VersionId(self.app.next_version);
        self.app.next_version += 1;
        let version = Version::register(id, new, variables, self.at, by.clone());
        let target = version.target();
        self.app.versions.push(version);
        target
    }

    /// What a new version inherits: the variables of the active one, or those set before there was one.
    fn current_variables(&self) -> Variables {
        match self.app.active().and_then(|active| self.app.revision(active)) {
            Some(revision) => revision.variables.clone(),
            None => self.app.first_variables.clone(),
        }
    }

    /// The target for deploying a known version: what it last ran with; a version that never was active
    /// takes the variables of now.
    fn revise_for_deployment(&mut self, id: VersionId, settings: Option<AppSettings>) -> Target {
        let was_active = self.app.committed.iter().any(|target| target.version == id);
        let now = self.current_variables();
        let version =
            self.app.versions.iter_mut().find(|version| version.id == id).expect("the caller found it");
        let last = version.current();
        let wanted = Revision {
            settings: settings.unwrap_or_else(|| last.settings.clone()),
            variables: if was_active { last.variables.clone() } else { now },
        };
        if wanted == *last {
            return version.target();
        }
        if was_active {
            let revision = version.revise(wanted);
            return Target { version: id, revision };
        }
        version.revisions.insert(version.revision, wanted);
        version.target()
    }

    /// Whether a known version may be deployed now.
    fn check_deployable(&self, label: &VersionLabel, settings: Option<&AppSettings>) -> Result<(), Refused> {
        let version = self.app.version_called(label).ok_or(Refused::NoVersion { version: label.clone() })?;
        if let Some(ghost) = &version.ghost {
            return Err(Refused::Ghosted { version: label.clone(), reason: ghost.reason.clone() });
        }
        let same_settings = settings.is_none_or(|settings| *settings == version.current().settings);
        let is_active = self.app.active().is_some_and(|active| active.version == version.id);
        if is_active
            && same_settings
            && self.app.running
            && self.app.stuck.is_none()
            && self.app.deployment.is_none()
        {
            return Err(Refused::AlreadyRunning { version: label.clone() });
        }
        Ok(())
    }

    /// Queues a deployment behind a running one; before its switch the running one gives way. False: nothing runs.
    fn queue_behind(
        &mut self,
        label: &VersionLabel,
        command: Command,
        id: DeploymentId,
        by: &Origin,
    ) -> Result<bool, Refused> {
        let Some(running) = &self.app.deployment else { return Ok(false) };
        let same = running
            .to
            .and_then(|to| self.app.version(to.version))
            .is_some_and(|version| version.label == *label);
        if (same && !running.is_rolling_back()) || !running.kind.judges_version() {
            return Err(Refused::Busy { deployment: running.id });
        }
        let (busy, phase) = (running.id, running.phase.clone());
        if let Some(dropped) = self.app.queued.replace(Queued { command, by: by.clone(), deployment: id }) {
            self.note(
                Step::Ended,
                format!("deployment {} was dropped from the queue: v{label} is newer", dropped.deployment),
            );
        }
        let reason = format!("v{label} takes its place (deployment {id})");
        match phase {
            Phase::Staging { .. } | Phase::Commands { .. } => {
                self.deployment().give_up = Some(GiveUp { reason, verdict: Verdict::Superseded });
            }
            Phase::Replacing => self.turn_back(reason, None, Verdict::Superseded),
            _ => {}
        }
        self.note(Step::Begun, format!("deployment {id} of v{label} waits for deployment {busy}"));
        Ok(true)
    }

    /// Begins the queued deployment, if there is one.
    pub(super) fn begin_queued(&mut self) {
        let Some(queued) = self.app.queued.take() else { return };
        if let Err(refused) = self.take_command(queued.command, queued.by) {
            let text = format!("deployment {} was dropped from the queue: {refused}", queued.deployment);
            let note = self.note(Step::Ended, text);
            note.deployment = Some(queued.deployment);
            note.level = Level::Warning;
        }
    }

    fn activate(
        &mut self,
        label: VersionLabel,
        settings: Option<AppSettings>,
        id: DeploymentId,
        by: Origin,
    ) -> Result<(), Refused> {
        self.check_deployable(&label, settings.as_ref())?;
        let version = self.app.version_called(&label).ok_or(Refused::NoVersion { version: label.clone() })?;
        if !version.stored {
            return Err(Refused::NoPackage { version: label });
        }
        let version = version.id;
        let command = Command::Activate {
            version: label.clone(),
            settings: settings.clone().map(Box::new),
            deployment: id,
        };
        if self.queue_behind(&label, command, id, &by)? {
            return Ok(());
        }
        self.follow_no_more(format!("v{label} was activated by hand"));
        let was_active = self.app.committed.iter().any(|target| target.version == version);
        let to = self.revise_for_deployment(version, settings);
        let kind = if was_active { Kind::Activate } else { Kind::Deploy };
        self.begin(Beginning { id, kind, by, to: Some(to), only: None, scaled_before: None });
        Ok(())
    }

    fn roll_back_by_hand(&mut self, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let reason = "rolled back by hand";
        if let Some(running) = &self.app.deployment {
            if running.is_rolling_back() {
                return Err(Refused::RollingBack { deployment: running.id });
            }
            if !running.kind.is_watched() {
                return Err(Refused::Busy { deployment: running.id });
            }
            let label = running.to.map(|to| self.app.label(to)).unwrap_or_default();
            self.follow_no_more(format!("v{label} was rolled back by hand"));
            self.give_up(reason.into(), Verdict::RolledBack);
            return Ok(());
        }
        let active = self.app.active().ok_or(Refused::NothingActive)?;
        let to = self.app.rollback_target().ok_or(Refused::NoWayBack)?;
        self.follow_no_more(format!("v{} was rolled back by hand", self.app.label(active)));
        self.begin(Beginning { id, kind: Kind::Rollback, by, to: Some(to), only: None, scaled_before: None });
        Ok(())
    }

    /// Turns the running deployment round; a running pre-command is ended first.
    fn give_up(&mut self, reason: String, verdict: Verdict) {
        match self.deployment().phase {
            Phase::Staging { .. } => self.deployment().give_up = Some(GiveUp { reason, verdict }),
            Phase::Commands { effect, .. } => {
                self.deployment().give_up = Some(GiveUp { reason, verdict });
                self.issue(Effect::Halt { run: effect });
            }
            _ => self.turn_back(reason, None, verdict),
        }
    }

    fn cancel(&mut self, id: DeploymentId) -> Result<(), Refused> {
        if let Some(queued) = self.app.queued.take_if(|queued| queued.deployment == id) {
            self.note(Step::Ended, "taken from the queue by hand").deployment = Some(queued.deployment);
            return Ok(());
        }
        let running = self.app.deployment.as_ref().filter(|running| running.id == id);
        let running = running.ok_or(Refused::NoDeployment { deployment: id })?;
        if running.is_rolling_back() {
            return Err(Refused::RollingBack { deployment: id });
        }
        if running.to.is_none() {
            return Err(Refused::Busy { deployment: id });
        }
        self.give_up("given up by hand".into(), Verdict::Cancelled);
        Ok(())
    }

    /// The active version, when nothing else is under way.
    fn idle_active(&self) -> Result<Target, Refused> {
        if let Some(running) = &self.app.deployment {
            return Err(Refused::Busy { deployment: running.id });
        }
        self.app.active().ok_or(Refused::NothingActive)
    }

    fn restart(&mut self, place: Option<Place>, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let active = self.idle_active()?;
        if !self.app.running {
            return Err(Refused::AppStopped);
        }
        let replicas = self.app.replicas(active);
        if let Some(place) = place.filter(|place| !(1..=replicas).contains(&place.0)) {
            return Err(Refused::NoPlace { place, replicas });
        }
        for (at, state) in &mut self.app.places {
            if place.is_none_or(|place| place == *at) {
                state.forced_restarts += 1;
            }
        }
        self.app.stuck = None;
        let to = self.app.version(active.version).map_or(active, Version::target);
        self.begin(Beginning { id, kind: Kind::Restart, by, to: Some(to), only: place, scaled_before: None });
        Ok(())
    }

    fn stop_app(&mut self, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        self.idle_active()?;
        if !self.app.running {
            return Err(Refused::AppStopped);
        }
        self.app.running = false;
        self.begin(Beginning { id, kind: Kind::Stop, by, to: None, only: None, scaled_before: None });
        Ok(())
    }

    fn start_app(&mut self, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let active = self.idle_active()?;
        if self.app.running && self.app.stuck.is_none() {
            return Err(Refused::AppRunning);
        }
        self.app.stuck = None;
        let to = self.app.version(active.version).map_or(active, Version::target);
        self.begin(Beginning { id, kind: Kind::Start, by, to: Some(to), only: None, scaled_before: None });
        Ok(())
    }

    fn scale(&mut self, replicas: u16, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let active = self.idle_active()?;
        let max = self.settings(active).max();
        if replicas == 0 {
            return Err(Refused::TooFew);
        }
        if replicas > max {
            return Err(Refused::TooMany { replicas, max });
        }
        if replicas == self.app.replicas(active) {
            return Err(Refused::NoChange);
        }
        let scaled_before = self.app.scaled_to.replace(replicas);
        if !self.app.running {
            self.note(Step::Set, format!("{replicas} places, once it is started"));
            return Ok(());
        }
        self.begin(Beginning { id, kind: Kind::Scale, by, to: Some(active), only: None, scaled_before });
        Ok(())
    }

    fn set_variables(
        &mut self,
        changes: BTreeMap<VariableName, Option<VariableValue>>,
        later: bool,
        id: DeploymentId,
        by: Origin,
    ) -> Result<(), Refused> {
        let before = self.current_variables();
        let mut variables = before.clone();
        for (name, value) in &changes {
            match value {
                Some(value) => variables.insert(name.clone(), value.clone()),
                None => variables.remove(name),
            };
        }
        if variables == before {
            return Err(Refused::NoChange);
        }
        if let Some(running) = &self.app.deployment {
            return Err(Refused::Busy { deployment: running.id });
        }
        let names = changes.keys().map(VariableName::as_str).collect::<Vec<_>>().join(", ");
        let Some(active) = self.app.active() else {
            self.app.first_variables = variables;
            self.note(Step::Set, format!("variables for the first version: {names}"));
            return Ok(());
        };
        let version = self.app.versions.iter_mut().find(|version| version.id == active.version);
        let version = version.ok_or(Refused::NothingActive)?;
        let settings = version.current().settings.clone();
        let revision = version.revise(Revision { settings, variables });
        let to = Target { version: active.version, revision };
        let label = self.app.label(to);
        if later || !self.app.running {
            if let Some(version) = self.app.versions.iter_mut().find(|version| version.id == active.version) {
                version.revision = revision;
            }
            if let Some(last) = self.app.committed.last_mut() {
                *last = to;
            }
            self.note(
                Step::Set,
                format!("variables of v{label}: {names}; they apply to what is started from now on"),
            );
            return Ok(());
        }
        self.note(Step::Set, format!("variables of v{label}: {names}"));
        self.begin(Beginning {
            id,
            kind: Kind::Variables,
            by,
            to: Some(to),
            only: None,
            scaled_before: None,
        });
        Ok(())
    }

    fn follow(&mut self) -> Result<(), Refused> {
        if self.app.mode == Mode::Automatic {
            return Err(Refused::NoChange);
        }
        self.app.mode = Mode::Automatic;
        self.note(Step::Set, "automatic mode: the store is followed");
        Ok(())
    }

    fn pin_to(&mut self, label: VersionLabel, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let active = self.app.active().and_then(|active| self.app.version(active.version));
        let runs = active.is_some_and(|active| active.label == label) && self.app.deployment.is_none();
        if !runs {
            self.activate(label.clone(), None, id, by)?;
        }
        let because = format!("pinned to v{label}");
        self.note(Step::Set, format!("manual mode: {because}"));
        self.app.mode = Mode::Manual { because, since: self.at };
        Ok(())
    }

    fn clear_ghosts(&mut self, label: Option<&VersionLabel>) -> Result<(), Refused> {
        if let Some(label) = label {
            self.app.version_called(label).ok_or(Refused::NoVersion { version: label.clone() })?;
        }
        let mut cleared = Vec::new();
        for version in &mut self.app.versions {
            if label.is_none_or(|label| version.label == *label) && version.ghost.take().is_some() {
                cleared.push(format!("v{}", version.label));
            }
        }
        if cleared.is_empty() {
            return Err(Refused::NoChange);
        }
        self.app.versions.retain(|version| version.stored);
        self.note(Step::Set, format!("no longer ghosted: {}", cleared.join(", ")));
        Ok(())
    }

    fn pin(&mut self, label: &VersionLabel, pinned: bool) -> Result<(), Refused> {
        let version = self.app.versions.iter_mut().find(|version| version.label == *label && version.stored);
        let version = version.ok_or(Refused::NoVersion { version: label.clone() })?;
        if version.pinned == pinned {
            return Err(Refused::NoChange);
        }
        version.pinned = pinned;
        let text = if pinned { "is kept whatever its age" } else { "is kept like any other" };
        self.note(Step::Set, format!("v{label} {text}"));
        Ok(())
    }

    fn delete(&mut self, label: &VersionLabel) -> Result<(), Refused> {
        let version = self.app.version_called(label).ok_or(Refused::NoVersion { version: label.clone() })?;
        let id = version.id;
        if !version.stored {
            return Err(Refused::NoPackage { version: label.clone() });
        }
        if let Some(role) = self.use_of(id) {
            return Err(Refused::InUse { version: label.clone(), role: role.into() });
        }
        self.remove_version(id);
        Ok(())
    }
}
