//! Doing a prepare command: once per host and content, and remembered for each version that asked for it.
//!
//! The journal says which version's run it was and names, by the effect, the log among the papers of the version. What is
//! written there never decides whether a deployment goes on: a paper that cannot be kept is told and done without.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use model::app::{App, Outcome, Run, Version};
use model::settings::Command;
use model::{AppName, EffectId, VersionLabel};
use package::tree::open_version;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::commands::Commands;
use crate::journal::{Journal, JournalError, Preparation, PrepareEnd, PrepareRun, Prepared};
use crate::paths::Paths;
use crate::tell::Tell;
use crate::{prepare_log, prepared};

/// What a deployment's log says of a command that need not be run.
const RUN_BEFORE: &str = "was run on this host before";

/// One prepare command of a version, asked for by an effect.
pub(crate) struct Preparing<'a, T> {
    pub(crate) commands: &'a Commands<T>,
    pub(crate) journal: &'a Journal,
    pub(crate) paths: &'a Paths,
    pub(crate) app: &'a Arc<App>,
    pub(crate) effect: EffectId,
    pub(crate) run: &'a Run,
}

impl<T: Tell> Preparing<'_, T> {
    /// Runs it, unless it was run on this host before (see [`crate::prepared`]).
    pub(crate) async fn perform(&self, command: &Command) -> Outcome {
        self.try_to(command).await.unwrap_or_else(|reason| Outcome::Failed { reason, tail: None })
    }

    async fn try_to(&self, command: &Command) -> Result<Outcome, String> {
        let version = self.app.version(self.run.target.version);
        let version = version.ok_or("its version is not registered any more")?;
        let content = self.content(&version.label, command).await?;
        let asked = Preparation {
            command: command.to_string(),
            run: PrepareRun {
                app: self.app.name.clone(),
                version: version.label.clone(),
                deployment: self.run.deployment,
                effect: self.effect,
                at: Timestamp::now(),
            },
            end: None,
        };
        match self.journal.prepared(content.clone()).await.map_err(text)? {
            Some(Prepared { by }) => {
                self.was_run(version, asked, by).await.map_err(text)?;
                Ok(Outcome::Ok { detail: Some(RUN_BEFORE.into()) })
            }
            None => self.run(version, asked, content).await.map_err(text),
        }
    }

    async fn run(
        &self,
        version: &Version,
        asked: Preparation,
        content: String,
    ) -> Result<Outcome, JournalError> {
        let begun = self.journal.begin_preparation(version.id, asked).await?;
        let outcome = self.commands.run(self.app, self.effect, self.run).await;
        let (end, content) = match outcome.clone() {
            Outcome::Ok { detail } => (PrepareEnd::Done { detail }, Some(content)),
            Outcome::Drained { .. } | Outcome::Upgraded { .. } => {
                (PrepareEnd::Done { detail: None }, Some(content))
            }
            Outcome::Failed { reason, .. } => (PrepareEnd::Failed { reason }, None),
            Outcome::NoRoom { detail: reason } | Outcome::Unknown { reason } => {
                (PrepareEnd::Unknown { reason }, None)
            }
        };
        let ended = Preparation { end: Some(end), ..begun };
        self.journal.end_preparation(version.id, ended, content).await?;
        self.drop_replaced(version).await?;
        Ok(outcome)
    }

    /// Keeps the log of the run that makes this one needless, unless the version has it already.
    async fn was_run(
        &self,
        version: &Version,
        asked: Preparation,
        by: Option<PrepareRun>,
    ) -> Result<(), JournalError> {
        let known = self.journal.preparations(self.app.name.clone(), version.id).await?;
        let same = known.iter().find(|it| it.command == asked.command);
        if let (Some(same), Some(by)) = (same, &by)
            && same.is_of(by)
        {
            return Ok(());
        }
        if let Some(by) = &by {
            self.keep_log_of(by, &version.label).await?;
        }
        let ended = Preparation { end: Some(PrepareEnd::RunBefore { by }), ..asked };
        self.journal.end_preparation(version.id, ended, None).await?;
        self.drop_replaced(version).await
    }

    async fn keep_log_of(&self, run: &PrepareRun, label: &VersionLabel) -> Result<(), JournalError> {
        let keepers = self.journal.keepers_of(run.clone()).await?;
        let from: Vec<_> =
            keepers.iter().map(|it| (self.paths.prepare_logs(&it.app, &it.version), it.effect)).collect();
        let (to, effect) = (self.paths.prepare_logs(&self.app.name, label), self.effect);
        on_disk(&self.app.name, move || {
            for (folder, run) in from {
                if prepare_log::keep_too(&folder, run, &to, effect)? {
                    break;
                }
            }
            Ok(())
        })
        .await;
        Ok(())
    }

    /// Removes the logs of runs in whose place others are known now.
    async fn drop_replaced(&self, version: &Version) -> Result<(), JournalError> {
        let known = self.journal.preparations(self.app.name.clone(), version.id).await?;
        let kept: BTreeSet<EffectId> = known.iter().map(|it| it.run.effect).collect();
        let folder = self.paths.prepare_logs(&self.app.name, &version.label);
        on_disk(&self.app.name, move || prepare_log::keep_only(&folder, &kept)).await;
        Ok(())
    }

    async fn content(&self, label: &VersionLabel, command: &Command) -> Result<String, String> {
        let (folder, command) = (self.paths.version(&self.app.name, label), command.clone());
        let work = move || {
            let unpacked = open_version(&folder).map_err(|error| crate::chain(&error))?;
            Ok(prepared::content(&command, &unpacked.manifest))
        };
        spawn_blocking(work).await.map_err(|fault| fault.to_string())?
    }
}

fn text(error: JournalError) -> String {
    crate::chain(&error)
}

/// Works on papers; what goes wrong is told.
async fn on_disk(app: &AppName, work: impl FnOnce() -> std::io::Result<()> + Send + 'static) {
    let done = spawn_blocking(work).await.map_err(std::io::Error::other);
    if let Err(error) = done.and_then(|done| done) {
        warn!(%app, %error, "could not keep the log of a prepare command");
    }
}
