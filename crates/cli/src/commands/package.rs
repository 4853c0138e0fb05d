//! `package`

use std::path::{Path, PathBuf};

use api::change::{Granted, Pin};
use api::{AppName, VersionLabel, human};
use clap::Subcommand;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use tokio::io::AsyncWriteExt;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Handles stored packages.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// A version of an app.
#[derive(Debug, clap::Args)]
struct Named {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// The version.
    #[arg(value_name = "VERSION")]
    version: VersionLabel,
}

impl Named {
    fn route(&self, rest: &[&str]) -> Route {
        let segments = [&["versions", self.version.as_str()], rest].concat();
        Route::app(&self.app, &segments)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetches the package as it came.
    Download {
        #[command(flatten)]
        named: Named,

        /// Where to write it; `-` is stdout. Else `APP-VERSION.tar.gz` in this folder.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Deletes an inactive version and its package.
    Delete {
        #[command(flatten)]
        named: Named,
    },
    /// Prints the build log that came with the package.
    BuildLog {
        #[command(flatten)]
        named: Named,
    },
    /// Keeps a version whatever its age.
    Pin {
        #[command(flatten)]
        named: Named,
    },
    /// Keeps a version like any other.
    Unpin {
        #[command(flatten)]
        named: Named,
    },
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Download { named, output } => download(context, &named, output).await,
        Command::Delete { named } => delete(context, &named).await,
        Command::BuildLog { named } => {
            let body = context.client.open(named.route(&["build-log"])).await?;
            copy(body, &mut tokio::io::stdout()).await?;
            Ok(Exit::Ok)
        }
        Command::Pin { named } => pin(context, &named, true).await,
        Command::Unpin { named } => pin(context, &named, false).await,
    }
}

async fn delete(context: &Context<'_>, named: &Named) -> Result<Exit, Failure> {
    let what = format!("this deletes version {} of {} and its package", named.version, named.app);
    context.output.confirm(context.yes, &what)?;
    let wish: Granted = context.client.call(Method::DELETE, named.route(&[])).await?;
    granted(context, wish, Waiting { wait: None }, false).await
}

async fn pin(context: &Context<'_>, named: &Named, pinned: bool) -> Result<Exit, Failure> {
    let body = Pin { pinned };
    let wish: Granted = context.client.send(Method::PUT, named.route(&["pin"]), &body).await?;
    granted(context, wish, Waiting { wait: None }, false).await
}

async fn download(context: &Context<'_>, named: &Named, output: Option<PathBuf>) -> Result<Exit, Failure> {
    let body = context.client.open(named.route(&["package"])).await?;
    let path = output.unwrap_or_else(|| format!("{}-{}.tar.gz", named.app, named.version).into());
    if path == Path::new("-") {
        copy(body, &mut tokio::io::stdout()).await?;
        return Ok(Exit::Ok);
    }
    // A package that is cut short is never seen under its name.
    let partial = path.with_file_name(format!(
        ".{}.partial-{}",
        path.file_name().unwrap_or_default().display(),
        std::process::id()
    ));
    let saved = save(body, &partial).await;
    if saved.is_err() {
        // It may not even have been created.
        let _ = fs_err::tokio::remove_file(&partial).await;
    }
    let length = saved?;
    fs_err::tokio::rename(&partial, &path).await?;
    context.output.say(&format!("{}: {}", path.display(), human::bytes(length)));
    Ok(Exit::Ok)
}

pub(crate) async fn save(body: Incoming, path: &Path) -> Result<u64, Failure> {
    let mut file = fs_err::tokio::File::create(path).await?;
    let length = copy(body, &mut file).await?;
    file.sync_all().await?;
    Ok(length)
}

pub(super) async fn copy(mut body: Incoming, to: &mut (impl AsyncWriteExt + Unpin)) -> Result<u64, Failure> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Lost(error.to_string()))?;
        if let Ok(bytes) = frame.into_data() {
            to.write_all(&bytes).await?;
            length += bytes.len() as u64;
        }
    }
    to.flush().await?;
    Ok(length)
}
