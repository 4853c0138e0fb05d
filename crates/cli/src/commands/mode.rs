//! `mode`

use api::change::{Granted, SetMode};
use api::{AppName, VersionLabel};
use clap::Subcommand;
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Follows the store, or stays on a version whatever the store says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    #[command(subcommand)]
    mode: Mode,
}

/// The modes.
#[derive(Debug, Subcommand)]
enum Mode {
    /// What the store's version file names is deployed.
    Automatic,
    /// Stays on this version; it is deployed unless it runs.
    Manual {
        /// The version.
        #[arg(value_name = "VERSION")]
        version: VersionLabel,

        #[command(flatten)]
        waiting: Waiting,
    },
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let (body, waiting) = match args.mode {
        Mode::Automatic => (SetMode::Automatic, Waiting { wait: None }),
        Mode::Manual { version, waiting } => (SetMode::Manual { version: version.into() }, waiting),
    };
    let wish: Granted = context.client.send(Method::PUT, Route::app(&args.app, &["mode"]), &body).await?;
    granted(context, wish, waiting, false).await
}
