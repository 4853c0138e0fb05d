//! `maintenance`

use std::path::PathBuf;

use api::AppName;
use api::change::{BeginMaintenance, Granted};
use clap::Subcommand;
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Answers an app's requests with 503 and a page, until it is switched off.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    #[command(subcommand)]
    wanted: Wanted,
}

/// Whether it is on.
#[derive(Debug, Subcommand)]
enum Wanted {
    /// Every new request gets the page, or a problem document (RFC 9457) where it prefers JSON; what is in flight ends
    /// as it would.
    On {
        /// The page: HTML that needs nothing else of the app, at most 64 KiB. Without it the proxy has one of its own.
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
    },
    /// Requests are served again.
    Off,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let route = Route::app(&args.app, &["maintenance"]);
    let wish: Granted = match args.wanted {
        Wanted::On { page } => {
            let page = page.map(fs_err::read_to_string).transpose()?;
            context.client.send(Method::PUT, route, &BeginMaintenance { page }).await?
        }
        Wanted::Off => context.client.call(Method::DELETE, route).await?,
    };
    granted(context, wish, Waiting { wait: None }, false).await
}
