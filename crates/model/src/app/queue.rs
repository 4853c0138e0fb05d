//! The queue of one: a newer version that waits for the running deployment.

use std::collections::BTreeMap;

use super::Queued;
use super::command::{Command, Refused};
use super::deployment::{Deployment, Ended, GiveUp, Kind, Phase, Verdict};
use super::note::{Level, Step};
use super::turn::Turn;
use super::version::{Origin, Version};
use crate::names::{DeploymentId, VersionLabel};
use crate::settings::Strategy;

impl Turn {
    /// Queues a deployment behind a running one; before its switch the running one gives way. False: nothing runs.
    pub(super) fn queue_behind(
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
            self.drop_queued(dropped, Ended::Superseded, &format!("v{label} is newer (deployment {id})"));
        }
        let reason = format!("v{label} takes its place (deployment {id})");
        match phase {
            Phase::Staging { .. } | Phase::Planning { .. } | Phase::Commands { .. }
                if self.deployment().give_up.is_none() =>
            {
                self.deployment().give_up = Some(GiveUp { reason, verdict: Verdict::Superseded });
            }
            Phase::Replacing | Phase::Upgrading if !self.deployment().is_serving() => {
                self.turn_back(reason, None, Verdict::Superseded)
            }
            _ => {}
        }
        self.note(Step::Begun, format!("deployment {id} of v{label} waits for deployment {busy}"));
        Ok(true)
    }

    /// Begins the queued deployment, if there is one.
    pub(super) fn begin_queued(&mut self) {
        let Some(queued) = self.app.queued.take() else { return };
        if let Err(refused) = self.take_command(queued.command.clone(), queued.by.clone()) {
            let reason = refused.to_string();
            self.drop_queued(queued, Ended::Failed { reason: reason.clone(), tail: None }, &reason);
        }
    }

    /// A deployment ends that never began: its record says how.
    pub(super) fn drop_queued(&mut self, queued: Queued, outcome: Ended, why: &str) {
        let Queued { command, by, deployment: id } = queued;
        let text = format!("deployment {id} was dropped from the queue: {why}");
        let note = self.note(Step::Ended, text);
        note.deployment = Some(id);
        note.level = Level::Warning;
        let label = match &command {
            Command::Deploy { version, .. } => Some(&version.label),
            Command::Activate { version, .. } => Some(version),
            _ => None,
        };
        let to = label.and_then(|label| self.app.version_called(label)).map(Version::target);
        let kind = if matches!(command, Command::Activate { .. }) { Kind::Activate } else { Kind::Deploy };
        self.record(Deployment {
            id,
            kind,
            by,
            from: self.app.active(),
            to,
            strategy: Strategy::default(),
            begun_at: self.at,
            started_at: None,
            canary: None,
            hot: None,
            switched_at: None,
            serving_at: None,
            turned_at: None,
            ended_at: Some(self.at),
            phase: Phase::Ended { outcome },
            lanes: BTreeMap::new(),
            scaled_before: None,
            give_up: None,
            pre_commands_ran: false,
            drains: Vec::new(),
        });
    }
}
