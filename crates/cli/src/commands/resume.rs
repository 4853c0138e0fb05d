//! `resume`

use api::AppName;
use api::change::Granted;
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Ends a pause: requests that wait go on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let wish: Granted = context.client.call(Method::POST, Route::app(&args.app, &["resume"])).await?;
    granted(context, wish, Waiting { wait: None }, false).await
}
