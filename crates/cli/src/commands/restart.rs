//! `restart`

use api::AppName;
use api::change::{Granted, Restart};
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Replaces instances by fresh ones of the same version, one after another.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// Only the instance of this place.
    #[arg(value_name = "INSTANCE")]
    place: Option<u16>,

    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let body = Restart { place: args.place };
    let wish: Granted = context.client.send(Method::POST, Route::app(&args.app, &["restart"]), &body).await?;
    granted(context, wish, args.waiting, false).await
}
