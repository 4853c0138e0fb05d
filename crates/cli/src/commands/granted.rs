//! What became of a wish, and waiting for it.

use api::change::Granted;

use super::{Context, Waiting};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::progress;

/// Tells what a wish led to; waits for its deployment if that was asked for.
pub(crate) async fn granted(
    context: &Context<'_>,
    granted: Granted,
    waiting: Waiting,
    turned: bool,
) -> Result<Exit, Failure> {
    for remark in granted.remarks.iter().filter(|_| !context.output.json) {
        context.output.say(&format!("note: {remark}"));
    }
    match (granted.deployment, waiting.wait) {
        (Some(id), Some(until)) => progress::wait(&context.client, context.output, id, until, turned).await,
        _ => {
            context.output.data(&granted, text);
            Ok(Exit::Ok)
        }
    }
}

/// One line: what is under way and how to follow it.
pub(super) fn text(granted: &Granted) -> String {
    let Granted { app, deployment, version, .. } = granted;
    let version = version.as_ref().map(|version| format!(" v{version}")).unwrap_or_default();
    match deployment {
        Some(id) => {
            format!("{app}{version}: deployment {id} is under way      bellrock deployments show {id}")
        }
        None => format!("{app}: done"),
    }
}
