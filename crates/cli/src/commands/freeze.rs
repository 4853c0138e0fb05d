//! `freeze` and `unfreeze`

use api::AppName;
use api::change::{Freeze, Granted};
use hyper::Method;
use jiff::tz::TimeZone;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::parse_until;

/// Refuses deployments, with a reason, until the app is unfrozen.
///
/// Pushes, the store, activations, variables and the autoscaler are refused; rollback, restarts, stop, start and scale by
/// hand are not, and crashed instances are started again.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    which: Which,

    /// Why, for whoever is refused.
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// When it ends by itself: `2h`, `2026-11-21 18:00`, `2026-11-21T18:00:00Z`.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Lets an app be deployed again.
#[derive(Debug, clap::Args)]
pub struct UnfreezeArgs {
    #[command(flatten)]
    which: Which,
}

/// One app or all.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The app.
    #[arg(value_name = "APP")]
    app: Option<AppName>,

    /// Every app that the host has now.
    #[arg(long)]
    all: bool,
}

impl Which {
    fn route(&self) -> Route {
        match &self.app {
            Some(app) => Route::app(app, &["freeze"]),
            None => Route::new(["freeze"]),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let until = args.until.as_deref().map(|text| parse_until(text, context.now(), &TimeZone::system()));
    let body = Freeze { reason: args.reason, until: until.transpose().map_err(Failure::Usage)? };
    let route = args.which.route();
    if args.which.all {
        return Ok(all(context, &context.client.send(Method::PUT, route, &body).await?));
    }
    one(context, context.client.send(Method::PUT, route, &body).await?).await
}

pub(super) async fn unfreeze(context: &Context<'_>, args: UnfreezeArgs) -> Result<Exit, Failure> {
    let route = args.which.route();
    if args.which.all {
        return Ok(all(context, &context.client.call(Method::DELETE, route).await?));
    }
    one(context, context.client.call(Method::DELETE, route).await?).await
}

async fn one(context: &Context<'_>, wish: Granted) -> Result<Exit, Failure> {
    granted(context, wish, Waiting { wait: None }, false).await
}

fn all(context: &Context<'_>, wishes: &Vec<Granted>) -> Exit {
    context.output.data(wishes, |wishes| match wishes.as_slice() {
        [] => "nothing would change".to_owned(),
        wishes => wishes.iter().map(super::granted::text).collect::<Vec<_>>().join("\n"),
    });
    Exit::Ok
}
