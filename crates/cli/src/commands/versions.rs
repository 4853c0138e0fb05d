//! `versions`

use api::version::{Version, VersionState};
use api::{AppName, VersionLabel, human};
use jiff::Timestamp;

use super::{Context, papers};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ALARM, GOOD, WARNING};
use crate::table::{Cell, Row, table};
use crate::time::ago;

/// Lists the versions of an app, or shows one with its settings, variables, deployments and papers.
///
/// A paper that does not exist prints nothing and ends with code 8. Values that look like secrets by their variables'
/// names are masked in what is shown of a version (in --json too); the logs are shown as they were written.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// The version; else all are listed, newest first.
    #[arg(value_name = "VERSION")]
    version: Option<VersionLabel>,

    #[command(flatten)]
    paper: Which,

    /// Shows every value.
    #[arg(long, requires = "version", conflicts_with_all = ["package_settings", "build_log", "prepare_log", "deployment_log"])]
    reveal: bool,
}

/// One paper of a version, which is printed alone.
#[derive(Debug, clap::Args)]
#[group(multiple = false, requires = "version")]
struct Which {
    /// Prints the merged settings that it runs with, as TOML that --settings takes.
    #[arg(long)]
    settings: bool,

    /// Prints the `bellrock.toml` that its package brought.
    #[arg(long)]
    package_settings: bool,

    /// Prints the build log that came with it.
    #[arg(long)]
    build_log: bool,

    /// Prints what its prepare commands wrote. For one that was run on this host before, that is the earlier run's
    /// output, and whose run it was.
    #[arg(long)]
    prepare_log: bool,

    /// Prints the log of the last deployment that brought it up.
    #[arg(long)]
    deployment_log: bool,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let Some(version) = args.version else {
        let versions: Vec<Version> = context.client.get(Route::app(&args.app, &["versions"])).await?;
        let now = context.now();
        context.output.data(&versions, |versions| text(versions, now));
        return Ok(Exit::Ok);
    };
    let reader = papers::Reader { context, app: args.app, version };
    match args.paper {
        Which { settings: true, .. } => reader.settings(args.reveal).await,
        Which { package_settings: true, .. } => reader.copy("package-settings").await,
        Which { build_log: true, .. } => reader.copy("build-log").await,
        Which { prepare_log: true, .. } => reader.prepare_log().await,
        Which { deployment_log: true, .. } => reader.deployment_log().await,
        _ => reader.version(args.reveal).await,
    }
}

/// The table.
pub(super) fn text(versions: &[Version], now: Timestamp) -> String {
    let rows = versions.iter().map(|version| line(version, now)).collect();
    table(&["version", "state", "size", "sha256", "registered", "by", ""], rows, "no versions yet")
}

fn line(version: &Version, now: Timestamp) -> Row {
    vec![
        Cell::from(revised(version)),
        Cell::from(version.state.word()).style(style(version.state)),
        Cell::figure(human::bytes(version.size_bytes)),
        short(&version.sha256).into(),
        ago(version.registered_at, now).into(),
        version.by.to_string().into(),
        remarks(version).into(),
    ]
}

/// How a version's state is shown.
pub(super) fn style(state: VersionState) -> anstyle::Style {
    match state {
        VersionState::Active => GOOD,
        VersionState::Deploying => WARNING,
        VersionState::Ghosted => ALARM,
        VersionState::Archived => anstyle::Style::new(),
    }
}

/// The version with its revision.
pub(super) fn revised(version: &Version) -> String {
    match version.revision {
        0 => version.version.clone(),
        revision => format!("{}+env{revision}", version.version),
    }
}

/// The beginning of a digest tells packages apart.
fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

fn remarks(version: &Version) -> String {
    let ghost = version.ghost.iter().map(|ghost| ghost.reason.clone());
    flags(version).map(str::to_owned).chain(ghost).chain(meta(version)).collect::<Vec<_>>().join(", ")
}

/// What else is true of it, in words.
pub(super) fn flags(version: &Version) -> impl Iterator<Item = &'static str> {
    let flags = [
        (version.rollback_target, "rollback target"),
        (version.pinned, "pinned"),
        (!version.stored, "package removed"),
    ];
    flags.into_iter().filter(|(is, _)| *is).map(|(_, text)| text)
}

/// What CI or the operator attached.
pub(super) fn meta(version: &Version) -> impl Iterator<Item = String> {
    version.meta.iter().map(|(key, value)| format!("{key}={value}"))
}
