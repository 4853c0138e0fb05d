//! `start`

use api::AppName;
use api::change::Granted;
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Starts an app that was stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let route = Route::app(&args.app, &["start"]);
    let wish: Granted = context.client.call(Method::POST, route).await?;
    granted(context, wish, args.waiting, false).await
}
