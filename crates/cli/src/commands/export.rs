//! `export`

use std::path::PathBuf;

use api::AppName;
use clap::Subcommand;
use http_body_util::BodyExt;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units::{self, Init};

/// Prints configuration of other programs: proxies that lead requests to an app, inits that run Bellrock.
///
/// What it prints for a proxy is true now; `[export.nginx]` and the like in config.toml keep a file up to date.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// An app's ready instances as an `upstream` of nginx.
    Nginx {
        /// The app.
        #[arg(value_name = "APP")]
        app: AppName,
    },
    /// An app's ready instances as a `backend` of HAProxy.
    Haproxy {
        /// The app.
        #[arg(value_name = "APP")]
        app: AppName,
    },
    /// An app's ready instances as a snippet for Caddy.
    Caddy {
        /// The app.
        #[arg(value_name = "APP")]
        app: AppName,
    },
    /// Bellrock itself as a unit of systemd.
    Systemd(Unit),
    /// Bellrock itself as a service of OpenRC.
    Openrc(Unit),
    /// Bellrock itself as a service of runit.
    Runit(Unit),
    /// Bellrock itself as an init script for SysV.
    Sysv(Unit),
}

#[derive(Debug, clap::Args)]
struct Unit {
    /// Folder of templates: one named `systemd`, `openrc`, `runit` or `sysv` takes the place of ours; `{bellrockd}` and
    /// `{root}` are filled in it.
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let text = match args.what {
        What::Nginx { app } => proxy(context, &app, "nginx").await?,
        What::Haproxy { app } => proxy(context, &app, "haproxy").await?,
        What::Caddy { app } => proxy(context, &app, "caddy").await?,
        What::Systemd(unit) => init(context, Init::Systemd, &unit)?,
        What::Openrc(unit) => init(context, Init::Openrc, &unit)?,
        What::Runit(unit) => init(context, Init::Runit, &unit)?,
        What::Sysv(unit) => init(context, Init::Sysv, &unit)?,
    };
    context.output.data(&text, String::clone);
    Ok(Exit::Ok)
}

async fn proxy(context: &Context<'_>, app: &AppName, name: &str) -> Result<String, Failure> {
    let body = context.client.open(Route::app(app, &["export", name])).await?;
    let bytes = body.collect().await.map_err(|error| Failure::Lost(error.to_string()))?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn init(context: &Context<'_>, init: Init, unit: &Unit) -> Result<String, Failure> {
    let root = std::path::absolute(context.client.root())?;
    units::text(init, unit.templates.as_deref(), &units::bellrockd()?, &root)
}
