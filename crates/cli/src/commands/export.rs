//! `export`

use std::path::{Path, PathBuf};

use api::AppName;
use clap::Subcommand;
use http_body_util::BodyExt;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::standalone;
use crate::units::{self, Init, Templates, UnitFile};

/// Prints configuration of other programs: proxies that lead requests to an app, inits that run Bellrock, or an app
/// without it.
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
    /// Bellrock itself as a unit of systemd, or with --app an app's places without it.
    Systemd(Unit),
    /// Bellrock itself as a service of OpenRC, or with --app an app's places without it.
    Openrc(Unit),
    /// Bellrock itself as a service of runit, or with --app an app's places without it.
    Runit(Unit),
    /// Bellrock itself as an init script for SysV, or with --app an app's places without it.
    Sysv(Unit),
}

#[derive(Debug, clap::Args)]
struct Unit {
    /// Each place of this app at its active version, to be run by the init alone: its release, variables and start script
    /// too. `--into` names a new folder for all of it.
    #[arg(long, value_name = "APP", requires = "into")]
    app: Option<AppName>,

    /// Writes files into this folder instead of printing one.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,

    /// Folder of templates: a file named as one of ours takes its place. docs/how-to/run-as-a-service.md lists them.
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let text = match args.what {
        What::Nginx { app } => proxy(context, &app, "nginx").await?,
        What::Haproxy { app } => proxy(context, &app, "haproxy").await?,
        What::Caddy { app } => proxy(context, &app, "caddy").await?,
        What::Systemd(unit) => return init(context, Init::Systemd, unit).await,
        What::Openrc(unit) => return init(context, Init::Openrc, unit).await,
        What::Runit(unit) => return init(context, Init::Runit, unit).await,
        What::Sysv(unit) => return init(context, Init::Sysv, unit).await,
    };
    context.output.data(&text, String::clone);
    Ok(Exit::Ok)
}

async fn proxy(context: &Context<'_>, app: &AppName, name: &str) -> Result<String, Failure> {
    let body = context.client.open(Route::app(app, &["export", name])).await?;
    let bytes = body.collect().await.map_err(|error| Failure::Lost(error.to_string()))?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn init(context: &Context<'_>, init: Init, unit: Unit) -> Result<Exit, Failure> {
    let templates = Templates { folder: unit.templates };
    match (unit.app, unit.into) {
        (Some(app), Some(into)) => standalone::export(context, init, &app, &into, templates).await,
        (_, into) => {
            let root = std::path::absolute(context.client.root())?;
            let files = units::itself(init, &templates, &units::bellrockd()?, &root)?;
            match into {
                Some(into) => write(context, &files, &into),
                None => print(context, init, &files),
            }
        }
    }
}

/// The first file; the others are named.
fn print(context: &Context<'_>, init: Init, files: &[UnitFile]) -> Result<Exit, Failure> {
    if let Some((first, others)) = files.split_first() {
        context.output.data(&first.text, String::clone);
        for other in others {
            let name = init.name();
            context
                .output
                .say(&format!("{} too, which is not printed: bellrock export {name} --into DIR", other.path));
        }
    }
    Ok(Exit::Ok)
}

/// All files below a folder, each whole or not at all.
fn write(context: &Context<'_>, files: &[UnitFile], into: &Path) -> Result<Exit, Failure> {
    let differs =
        |file: &&UnitFile| fs_err::read_to_string(into.join(&file.path)).is_ok_and(|text| text != file.text);
    let others: Vec<&str> = files.iter().filter(differs).map(|file| file.path.as_str()).collect();
    if !others.is_empty() {
        let what = format!("this replaces {} in {}", others.join(" and "), into.display());
        context.output.confirm(context.yes, &what)?;
    }
    let mut written = Vec::new();
    for file in files {
        let path = into.join(&file.path);
        fs_err::create_dir_all(path.parent().unwrap_or(into))?;
        package::durable::write_whole(&path, file.text.as_bytes(), file.mode(), None)?;
        written.push(path.display().to_string());
    }
    context.output.data(&written, |written| written.join("\n"));
    Ok(Exit::Ok)
}
