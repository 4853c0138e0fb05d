//! `activate`

use std::path::PathBuf;

use api::change::{DeployVersion, Granted};
use api::{AppName, VersionLabel};
use hyper::Method;

use super::way::Ways;
use super::{Context, Waiting, granted};
use crate::client::{Client, Route};
use crate::exit::Exit;
use crate::failure::Failure;

/// Deploys an archived version again, with the settings and variables that it last ran with.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// The version.
    #[arg(value_name = "VERSION")]
    version: VersionLabel,

    /// Settings in TOML, instead of what it last ran with.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    #[command(flatten)]
    ways: Ways,

    #[command(flatten)]
    waiting: Waiting,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let settings = args.settings.map(fs_err::read_to_string).transpose()?;
    let wish = deploy_version(&context.client, &args.app, &args.version, settings, &args.ways).await?;
    granted(context, wish, args.waiting, false).await
}

/// Asks for a registered version.
pub(super) async fn deploy_version(
    client: &Client,
    app: &AppName,
    version: &VersionLabel,
    settings: Option<String>,
    ways: &Ways,
) -> Result<Granted, Failure> {
    let body = DeployVersion { version: version.to_string(), settings, way: ways.way(), force: ways.force() };
    client.send(Method::POST, Route::app(app, &["deployments"]), &body).await
}
