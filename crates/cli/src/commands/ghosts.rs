//! `ghosts`

use api::change::Granted;
use api::version::Ghost;
use api::{AppName, VersionLabel};
use clap::Subcommand;
use hyper::Method;
use jiff::Timestamp;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::{Row, row, table};
use crate::time::ago;

/// Lists versions that were rolled back and are not deployed again, or clears them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lets ghosted versions be deployed again.
    Clear {
        /// Only this one.
        #[arg(value_name = "VERSION")]
        version: Option<VersionLabel>,
    },
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let Some(Command::Clear { version }) = args.command else {
        let ghosts: Vec<Ghost> = context.client.get(Route::app(&args.app, &["ghosts"])).await?;
        let now = context.now();
        context.output.data(&ghosts, |ghosts| text(ghosts, now));
        return Ok(Exit::Ok);
    };
    let route = match &version {
        Some(version) => Route::app(&args.app, &["ghosts", version.as_str()]),
        None => Route::app(&args.app, &["ghosts"]),
    };
    let wish: Granted = context.client.call(Method::DELETE, route).await?;
    granted(context, wish, Waiting { wait: None }, false).await
}

/// The table.
pub(super) fn text(ghosts: &[Ghost], now: Timestamp) -> String {
    let line = |ghost: &Ghost| -> Row {
        row![ghost.version.clone(), ago(ghost.at, now), ghost.deployment.to_string(), ghost.reason.clone()]
    };
    table(&["version", "since", "deployment", "reason"], ghosts.iter().map(line).collect(), "no ghosts")
}
