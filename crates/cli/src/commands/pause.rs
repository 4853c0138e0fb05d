//! `pause`

use std::time::Duration;

use api::AppName;
use api::change::{Granted, Pause};
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Lets an app's requests wait in the proxy, while something that they need is being changed.
///
/// Nothing is lost: they go on when the pause is over, each waiting at most hold_timeout. What is in flight ends as it
/// would. Deployments go on too.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// For how long, at most 10 min; it ends by itself then.
    #[arg(long = "for", value_name = "DURATION", default_value = "30 s", value_parser = api::parse_duration)]
    within: Duration,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let body = Pause { for_ms: u64::try_from(args.within.as_millis()).unwrap_or(u64::MAX) };
    let wish: Granted = context.client.send(Method::POST, Route::app(&args.app, &["pause"]), &body).await?;
    granted(context, wish, Waiting { wait: None }, false).await
}
