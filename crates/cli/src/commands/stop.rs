//! `stop`

use api::AppName;
use api::change::Granted;
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Stops all instances of an app; it stays stopped until `start`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let what = format!("this stops every instance of {}", args.app);
    context.output.confirm(context.yes, &what)?;
    let route = Route::app(&args.app, &["stop"]);
    let wish: Granted = context.client.call(Method::POST, route).await?;
    granted(context, wish, args.waiting, false).await
}
