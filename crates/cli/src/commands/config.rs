//! `config`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use api::AppName;
use api::settings::{SettingsVerdict, Source, example, load_host, reference};
use clap::Subcommand;

use super::{Context, config_reload};
use crate::exit::Exit;
use crate::failure::Failure;

/// Checks and explains settings, for which no daemon is needed; gives running nodes their changed configuration.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads the settings of the host and of all apps and tells everything that is wrong with them.
    ///
    /// They are `etc/bellrock/config.toml` and `etc/bellrock/apps/*.toml` below the root.
    Check {
        /// Another file for the host's settings.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,

        /// Settings of an app to be checked with the others, as if they lay in its place: `APP=FILE`.
        #[arg(long, value_name = "APP=FILE", value_parser = app_file)]
        app: Vec<(AppName, PathBuf)>,
    },
    /// Gives an app's running nodes the configuration that they would be started with now, without a restart.
    ///
    /// For each place in turn the release's configuration is evaluated in a VM of its own: `sys.config`, `config/runtime.exs`
    /// and other config providers, with the variables that are set now (`bellrock env APP set --later`). What differs from
    /// the node's is set there, and its applications are told by `config_change/3`, as OTP does after an upgrade. Applications
    /// that have none are named. Values are never shown. It ends at the first place that fails.
    Reload(config_reload::Args),
    /// Prints every key with its default and meaning, as Markdown.
    Reference,
    /// Prints an example of the host's settings.
    Example,
}

fn app_file(text: &str) -> Result<(AppName, PathBuf), String> {
    let (app, file) = text.split_once('=').ok_or_else(|| format!("{text:?} is not APP=FILE"))?;
    Ok((app.parse().map_err(|error: api::BadName| error.to_string())?, file.into()))
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Reload(args) => config_reload::run(context, args).await,
        Command::Check { config, app } => check(context, config, app),
        Command::Reference => {
            context.output.line(reference().trim_end());
            Ok(Exit::Ok)
        }
        Command::Example => {
            context.output.line(example().trim_end());
            Ok(Exit::Ok)
        }
    }
}

fn check(
    context: &Context<'_>,
    config: Option<PathBuf>,
    given: Vec<(AppName, PathBuf)>,
) -> Result<Exit, Failure> {
    let folder = context.client.root().join("etc/bellrock");
    let host = match config {
        Some(path) => source(&path)?,
        None => source_if_there(&folder.join("config.toml"))?,
    };
    let mut apps: Vec<(AppName, Source)> = Vec::new();
    for (app, path) in lying(&folder.join("apps"))? {
        if !given.iter().any(|(name, _)| *name == app) {
            apps.push((app, source(&path)?));
        }
    }
    for (app, path) in given {
        apps.push((app, source(&path)?));
    }
    let problems: Vec<String> = match load_host(&host, &apps) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    let verdict = SettingsVerdict { ok: problems.is_empty(), problems };
    context.output.data(&verdict, |verdict| text(verdict, apps.len()));
    Ok(if verdict.ok { Exit::Ok } else { Exit::Failed })
}

/// The files of apps, by name.
fn lying(folder: &Path) -> Result<Vec<(AppName, PathBuf)>, Failure> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let app: AppName =
                stem.parse().with_context(|| format!("{} is not named after an app", path.display()))?;
            files.push((app, path));
        }
    }
    files.sort();
    Ok(files)
}

fn source(path: &Path) -> Result<Source, Failure> {
    Ok(Source::new(path.display().to_string(), fs_err::read_to_string(path)?))
}

fn source_if_there(path: &Path) -> Result<Source, Failure> {
    match fs_err::read_to_string(path) {
        Ok(text) => Ok(Source::new(path.display().to_string(), text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Source::new(path.display().to_string(), ""))
        }
        Err(error) => Err(error.into()),
    }
}

/// Every problem on a line, then how many.
pub(super) fn text(verdict: &SettingsVerdict, apps: usize) -> String {
    match verdict.problems.len() {
        0 if apps == 1 => "the settings are in order: the host's and those of 1 app".to_owned(),
        0 => format!("the settings are in order: the host's and those of {apps} apps"),
        1 => format!("{}\n1 problem", verdict.problems[0]),
        count => format!("{}\n{count} problems", verdict.problems.join("\n")),
    }
}
