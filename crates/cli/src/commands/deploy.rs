//! `deploy`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use api::change::{Granted, PackageOptions};
use api::{AppName, VersionLabel};

use super::activate::deploy_version;
use super::way::Ways;
use super::{Context, Waiting, granted};
use crate::client::{Part, Route, Upload};
use crate::exit::Exit;
use crate::failure::Failure;

/// Deploys a package, or a version that is registered.
///
/// The package's own facts say which app and version it is; APP must be the same.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// A release packed as `.tar.gz`, or the label of a version.
    ///
    /// What has a `/` or ends in `.tar.gz` or `.tgz` is a file, else what is a file here; anything else is a version.
    #[arg(value_name = "PACKAGE|VERSION")]
    what: String,

    /// Settings in TOML, laid over those of the package and the host.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,

    /// Output of the build, kept with the version.
    #[arg(long, value_name = "FILE")]
    build_log: Option<PathBuf>,

    /// What CI knows, shown with the version; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    meta: Vec<(String, String)>,

    #[command(flatten)]
    ways: Ways,

    #[command(flatten)]
    waiting: Waiting,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not KEY=VALUE")),
    }
}

/// What shall be deployed.
#[derive(Debug, PartialEq, Eq)]
enum What {
    Package(PathBuf),
    Version(VersionLabel),
}

fn what(text: &str, is_file: impl Fn(&Path) -> bool) -> Result<What, Failure> {
    let path = PathBuf::from(text);
    if text.contains('/') || text.ends_with(".tar.gz") || text.ends_with(".tgz") || is_file(&path) {
        return Ok(What::Package(path));
    }
    text.parse().map(What::Version).map_err(|error: api::BadName| Failure::Usage(error.to_string()))
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let settings = args.settings.as_ref().map(fs_err::read_to_string).transpose()?;
    let wish = match what(&args.what, Path::is_file)? {
        What::Version(_) if args.build_log.is_some() || !args.meta.is_empty() => {
            let detail = "--build-log and --meta come with a package, not with a version that is registered";
            return Err(Failure::Usage(detail.into()));
        }
        What::Version(version) => {
            deploy_version(&context.client, &args.app, &version, settings, &args.ways).await?
        }
        What::Package(path) => upload(context, &args, &path, settings).await?,
    };
    granted(context, wish, args.waiting, false).await
}

async fn upload(
    context: &Context<'_>,
    args: &Args,
    path: &Path,
    settings: Option<String>,
) -> Result<Granted, Failure> {
    let meta: BTreeMap<String, String> = args.meta.iter().cloned().collect();
    let options = PackageOptions { settings, meta, way: args.ways.way(), force: args.ways.force() };
    let text = serde_json::to_string(&options).expect("options have text keys");
    let mut parts = vec![Part::Text { name: "options", text }];
    if let Some(log) = &args.build_log {
        parts.push(Part::file("build_log", log).await?);
    }
    parts.push(Part::file("package", path).await?);
    context.client.upload(Route::app(&args.app, &["packages"]), Upload { parts }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_versions_are_told_apart() {
        let check = |text: &str| what(text, |path| path == Path::new("here"));
        let package = |text: &str| What::Package(text.into());
        assert_eq!(check("beacon-1.0.0.tar.gz").unwrap(), package("beacon-1.0.0.tar.gz"));
        assert_eq!(check("./here").unwrap(), package("./here"));
        assert_eq!(check("here").unwrap(), package("here"));
        assert_eq!(check("1.0.0+g3f2a").unwrap(), What::Version("1.0.0+g3f2a".parse().unwrap()));
        assert!(matches!(check("a b"), Err(Failure::Usage(_))));
    }
}
