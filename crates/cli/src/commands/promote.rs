//! `promote`

use api::AppName;
use api::app::App;
use api::change::Granted;
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Ends a canary: all requests go to the new version.
///
/// To end it the other way, `bellrock rollback APP`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let before: App = context.client.get(Route::app(&args.app, &[])).await?;
    let running = before.deployment.map(|deployment| deployment.id);
    let wish: Granted = context.client.call(Method::POST, Route::app(&args.app, &["promote"])).await?;
    let wish = Granted { deployment: wish.deployment.or(running), ..wish };
    granted(context, wish, args.waiting, false).await
}
