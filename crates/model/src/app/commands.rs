//! Taking commands: each is refused with nothing changed, or changes what is wanted.

use super::Mode;
use super::beginning::Beginning;
use super::command::{Command, Refused};
use super::deployment::{Ended, GiveUp, Kind, Phase, Verdict};
use super::effect::Effect;
use super::hot::Wish;
use super::turn::Turn;
use super::version::{NewVersion, Origin};
use crate::names::{DeploymentId, VersionLabel};
use crate::settings::AppSettings;

impl Turn {
    pub(super) fn take_command(&mut self, command: Command, by: Origin) -> Result<(), Refused> {
        if let Some(refused) = self.app.refused_by_freeze(&command, &by, self.at) {
            return Err(refused);
        }
        match command {
            Command::Deploy { version, wish, deployment } => self.deploy(*version, wish, deployment, by),
            Command::Activate { version, settings, wish, deployment } => {
                self.activate(version, settings.map(|settings| *settings), wish, deployment, by)
            }
            Command::Rollback { wish, deployment } => self.roll_back_by_hand(wish, deployment, by),
            Command::Promote => self.promote(),
            Command::Cancel { deployment } => self.cancel(deployment),
            Command::Restart { place, deployment } => self.restart(place, deployment, by),
            Command::Stop { deployment } => self.stop_app(deployment, by),
            Command::Start { deployment } => self.start_app(deployment, by),
            Command::Scale { replicas, deployment } => self.scale(replicas, deployment, by),
            Command::Pause { within } => self.pause(within),
            Command::Resume => self.resume(),
            Command::BeginMaintenance { page } => self.begin_maintenance(page),
            Command::EndMaintenance => self.end_maintenance(),
            Command::SetVariables { changes, later, deployment } => {
                self.set_variables(changes, later, deployment, by)
            }
            Command::Follow => self.follow(),
            Command::PinTo { version, deployment } => self.pin_to(version, deployment, by),
            Command::ClearGhosts { version } => self.clear_ghosts(version.as_ref()),
            Command::Pin { version, pinned } => self.pin(&version, pinned),
            Command::Freeze { reason, until } => self.freeze(reason, until, by),
            Command::Unfreeze => self.unfreeze(&by),
            Command::Delete { version } => self.delete(&version),
        }
    }

    fn deploy(&mut self, new: NewVersion, wish: Wish, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        if by == Origin::Store && self.app.mode != Mode::Automatic {
            return Err(Refused::Manual);
        }
        if by == Origin::Store && self.app.active().is_some() && !self.app.running {
            return Err(Refused::AppStopped);
        }
        let label = new.label.clone();
        let is_active = self.app.active().and_then(|it| self.app.version(it.version)).map(|it| &it.label);
        if by == Origin::Store && self.app.stuck.is_some() && is_active == Some(&label) {
            // What a person has to look at is not tried again at each poll.
            return Err(Refused::AlreadyRunning { version: label });
        }
        let is_removal = |effect: &Effect| matches!(effect, Effect::Forget { label: of, .. } if *of == label);
        if self.app.outbox.values().any(is_removal) {
            return Err(Refused::BeingRemoved { version: label });
        }
        if let Some(known) = self.app.version_called(&label) {
            if known.digest != new.digest {
                return Err(Refused::OtherPackage { version: label, registered: known.digest.clone() });
            }
            // What the store names is its version; other settings for the same one come by hand.
            self.check_deployable(&label, Some(&new.settings).filter(|_| by != Origin::Store))?;
        }
        if matches!(by, Origin::Operator { .. }) {
            self.follow_no_more(format!("v{label} was deployed by hand"));
        }
        let command = Command::Deploy { version: Box::new(new.clone()), wish: wish.clone(), deployment: id };
        if self.queue_behind(&label, command, id, &by)? {
            return Ok(());
        }
        let to = self.register(new, &by);
        self.begin(Beginning {
            id,
            kind: Kind::Deploy,
            by,
            to: Some(to),
            wish,
            only: None,
            scaled_before: None,
        });
        Ok(())
    }

    pub(super) fn activate(
        &mut self,
        label: VersionLabel,
        settings: Option<AppSettings>,
        wish: Wish,
        id: DeploymentId,
        by: Origin,
    ) -> Result<(), Refused> {
        self.check_deployable(&label, settings.as_ref())?;
        let version = self.app.version_called(&label).ok_or(Refused::NoVersion { version: label.clone() })?;
        if !version.stored {
            return Err(Refused::NoPackage { version: label });
        }
        let version = version.id;
        self.follow_no_more(format!("v{label} was activated by hand"));
        let command = Command::Activate {
            version: label.clone(),
            settings: settings.clone().map(Box::new),
            wish: wish.clone(),
            deployment: id,
        };
        if self.queue_behind(&label, command, id, &by)? {
            return Ok(());
        }
        let was_active = self.app.committed.iter().any(|target| target.version == version);
        let to = self.revise_for_deployment(version, settings);
        let kind = if was_active { Kind::Activate } else { Kind::Deploy };
        self.begin(Beginning { id, kind, by, to: Some(to), wish, only: None, scaled_before: None });
        Ok(())
    }

    fn roll_back_by_hand(&mut self, wish: Wish, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let reason = "rolled back by hand";
        if let Some(running) = &self.app.deployment {
            if running.is_rolling_back() {
                return Err(Refused::RollingBack { deployment: running.id });
            }
            if !running.kind.is_watched() {
                return Err(Refused::Busy { deployment: running.id });
            }
            if running.is_given_up() {
                return Err(Refused::RollingBack { deployment: running.id });
            }
            let label = running.to.map(|to| self.app.label(to)).unwrap_or_default();
            self.follow_no_more(format!("v{label} was rolled back by hand"));
            self.give_up(reason.into(), Verdict::RolledBack);
            return Ok(());
        }
        let active = self.app.active().ok_or(Refused::NothingActive)?;
        let to = self.app.rollback_target().ok_or(Refused::NoWayBack)?;
        self.follow_no_more(format!("v{} was rolled back by hand", self.app.label(active)));
        self.begin(Beginning {
            id,
            kind: Kind::Rollback,
            by,
            to: Some(to),
            wish,
            only: None,
            scaled_before: None,
        });
        Ok(())
    }

    /// Turns the running deployment round; a running pre-command is ended first.
    fn give_up(&mut self, reason: String, verdict: Verdict) {
        match self.deployment().phase {
            Phase::Staging { .. } | Phase::Planning { .. } => {
                self.deployment().give_up = Some(GiveUp { reason, verdict });
            }
            Phase::Commands { effect, .. } => {
                self.deployment().give_up = Some(GiveUp { reason, verdict });
                self.issue(Effect::Halt { run: effect });
            }
            _ => self.turn_back(reason, None, verdict),
        }
    }

    pub(super) fn cancel(&mut self, id: DeploymentId) -> Result<(), Refused> {
        if let Some(queued) = self.app.queued.take_if(|queued| queued.deployment == id) {
            self.drop_queued(queued, Ended::Cancelled, "given up by hand");
            return Ok(());
        }
        let running = self.app.deployment.as_ref().filter(|running| running.id == id);
        let running = running.ok_or(Refused::NoDeployment { deployment: id })?;
        if running.is_rolling_back() || running.is_given_up() {
            return Err(Refused::RollingBack { deployment: id });
        }
        if running.to.is_none() {
            return Err(Refused::Busy { deployment: id });
        }
        self.give_up("given up by hand".into(), Verdict::Cancelled);
        Ok(())
    }
}
