//! `backup`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use api::human;
use api::query::BackupQuery;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::io::StreamReader;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;

/// Saves everything that cannot be made again: journal, variables, settings, cookies, papers and packages.
///
/// The file holds secrets: only its owner may read it. `bellrockd --restore FILE` restores it into an empty root.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A file that is not there yet; `-` is standard output.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Leaves the packages out: what is restored cannot start versions that are not unpacked there.
    #[arg(long)]
    without_packages: bool,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let query = BackupQuery { packages: !args.without_packages };
    let ask = async || context.client.open(Route::new(["backup"]).query(&query)).await;
    if args.file == Path::new("-") {
        copy(ask().await?, &mut tokio::io::stdout()).await?;
        return Ok(Exit::Ok);
    }
    if args.file.exists() {
        return Err(Failure::Usage(format!("{} is there already; name another file", args.file.display())));
    }
    let bytes = save(ask().await?, &args.file).await?;
    context.output.say(&format!(
        "{} saved to {}; it holds variables and cookies, and only you may read it (mode 0600)",
        human::bytes(bytes),
        args.file.display()
    ));
    Ok(Exit::Ok)
}

/// Beside its place until it is whole and durable.
async fn save(body: Incoming, to: &Path) -> Result<u64, Failure> {
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut options = fs_err::tokio::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&partial).await;
    let mut file = file.context("could not make the backup's file")?;
    let saved = async {
        let bytes = copy(body, &mut file).await?;
        file.sync_all().await?;
        fs_err::tokio::rename(&partial, to).await?;
        Ok(bytes)
    };
    let saved = saved.await;
    if saved.is_err() {
        // What is left of it is of no use, and what went wrong is told.
        let _ = fs_err::tokio::remove_file(&partial).await;
    }
    saved
}

async fn copy(body: Incoming, to: &mut (impl AsyncWrite + Unpin)) -> Result<u64, Failure> {
    let bytes = body.into_data_stream().map_err(std::io::Error::other);
    let copied = tokio::io::copy(&mut StreamReader::new(bytes), to).await;
    let copied = copied.map_err(not_copied)?;
    to.flush().await?;
    Ok(copied)
}

/// The daemon went away, or the backup's own place failed.
fn not_copied(error: std::io::Error) -> Failure {
    match error.get_ref().is_some_and(|cause| cause.is::<hyper::Error>()) {
        true => Failure::Lost(format!("{error}; there is no backup")),
        false => anyhow::Error::new(error).context("there is no backup").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_lost_connection() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(not_copied(full).exit(), Exit::Failed);
    }
}
