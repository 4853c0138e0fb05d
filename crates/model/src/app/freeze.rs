//! Freezing: what changes an app's version, variables or number of places by itself is refused until somebody thaws it,
//! or its time is over. What keeps the app running goes on: crash restarts, rollback, and what operators do with the
//! instances of the version that runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::command::{Command, Refused};
use super::note::Step;
use super::turn::Turn;
use super::version::Origin;

/// Why nothing is deployed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Why.
    pub reason: String,
    /// Who wanted it.
    pub by: Origin,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl App {
    /// Whether it is frozen at a time.
    pub fn frozen_at(&self, at: Timestamp) -> Option<&Frozen> {
        self.frozen.as_ref().filter(|it| it.until.is_none_or(|until| at < until))
    }

    /// Why a command is refused while the app is frozen.
    pub fn refused_by_freeze(&self, command: &Command, by: &Origin, at: Timestamp) -> Option<Refused> {
        let Frozen { reason, by: who, until, .. } = self.frozen_at(at)?;
        let is_change = match command {
            Command::Deploy { .. }
            | Command::Activate { .. }
            | Command::PinTo { .. }
            | Command::SetVariables { .. } => true,
            Command::Scale { .. } => matches!(by, Origin::Autoscaler { .. }),
            Command::Rollback { .. }
            | Command::Cancel { .. }
            | Command::Promote
            | Command::Pause { .. }
            | Command::Resume
            | Command::BeginMaintenance { .. }
            | Command::EndMaintenance
            | Command::Restart { .. }
            | Command::Stop { .. }
            | Command::Start { .. }
            | Command::Follow
            | Command::ClearGhosts { .. }
            | Command::Pin { .. }
            | Command::Delete { .. }
            | Command::Freeze { .. }
            | Command::Unfreeze => false,
        };
        is_change.then(|| Refused::Frozen { reason: reason.clone(), who: who.to_string(), until: *until })
    }
}

impl Turn {
    pub(super) fn freeze(
        &mut self,
        reason: String,
        until: Option<Timestamp>,
        by: Origin,
    ) -> Result<(), Refused> {
        if let Some(until) = until.filter(|until| *until <= self.at) {
            return Err(Refused::Past { until });
        }
        let ends = until.map(|until| format!(" until {until}")).unwrap_or_default();
        self.note(Step::Set, format!("frozen by {by}{ends}: {reason}"));
        self.app.frozen = Some(Frozen { reason, by, since: self.at, until });
        Ok(())
    }

    pub(super) fn unfreeze(&mut self, by: &Origin) -> Result<(), Refused> {
        let frozen = self.app.frozen.take().ok_or(Refused::NotFrozen)?;
        self.note(Step::Set, format!("no longer frozen, by {by} (it was: {})", frozen.reason));
        Ok(())
    }

    /// Ends a freeze whose time is over.
    pub(super) fn thaw(&mut self) {
        let at = self.at;
        let is_over = |it: &mut Frozen| it.until.is_some_and(|until| until <= at);
        if let Some(frozen) = self.app.frozen.take_if(is_over) {
            self.note(Step::Set, format!("no longer frozen: its time is over (it was: {})", frozen.reason));
        }
    }
}
