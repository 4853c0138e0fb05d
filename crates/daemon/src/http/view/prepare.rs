//! Prepare commands.

use api::prepare::{Output, PrepareCommand, PrepareOutcome, RunFor};
use host::journal::{Preparation, PrepareEnd};
use model::app::App;

/// A prepare command with its output, standard output first; the app as it is now.
pub(in crate::http) fn prepare_command(app: &App, it: Preparation, outputs: [Output; 2]) -> PrepareCommand {
    let (outcome, detail, run_for) = match it.end {
        Some(PrepareEnd::Done { detail }) => (PrepareOutcome::Done, detail, None),
        Some(PrepareEnd::RunBefore { by }) => (PrepareOutcome::RunBefore, None, by),
        Some(PrepareEnd::Failed { reason }) => (PrepareOutcome::Failed, Some(reason), None),
        Some(PrepareEnd::Unknown { reason }) => (PrepareOutcome::Unknown, Some(reason), None),
        None if app.outbox.contains_key(&it.run.effect) => (PrepareOutcome::Running, None, None),
        None => (PrepareOutcome::Unknown, None, None),
    };
    let [stdout, stderr] = outputs;
    PrepareCommand {
        command: it.command,
        deployment: it.run.deployment.map(|id| id.0),
        at: it.run.at,
        outcome,
        detail,
        run_for: run_for.map(|run| RunFor {
            app: run.app.to_string(),
            version: run.version.to_string(),
            deployment: run.deployment.map(|id| id.0),
            at: run.at,
        }),
        stdout,
        stderr,
    }
}
