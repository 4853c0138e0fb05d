//! `version`

use api::AppName;
use api::app::App;
use api::problem::Problem;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Prints the active version alone, for scripts.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let app: App = context.client.get(Route::app(&args.app, &[])).await?;
    let Some(version) = &app.version else {
        let detail = format!("no version of {} is active", app.name);
        return Err(Failure::Problem(Problem::new("nothing-active", 409, detail)));
    };
    context.output.data(version, |version| version.clone());
    Ok(Exit::Ok)
}
