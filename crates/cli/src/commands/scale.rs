//! `scale`

use api::AppName;
use api::change::{Granted, Scale};
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Changes the number of places, up to the app's `max`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// How many there shall be.
    #[arg(value_name = "N")]
    replicas: u16,

    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let body = Scale { replicas: args.replicas };
    let wish: Granted = context.client.send(Method::PUT, Route::app(&args.app, &["scale"]), &body).await?;
    granted(context, wish, args.waiting, false).await
}
