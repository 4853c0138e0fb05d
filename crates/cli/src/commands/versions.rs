//! `versions`

use api::version::{Version, VersionState};
use api::{AppName, human};
use jiff::Timestamp;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ALARM, GOOD, WARNING};
use crate::table::{Cell, Row, table};
use crate::time::ago;

/// Lists the versions of an app, newest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let versions: Vec<Version> = context.client.get(Route::app(&args.app, &["versions"])).await?;
    let now = context.now();
    context.output.data(&versions, |versions| text(versions, now));
    Ok(Exit::Ok)
}

/// The table.
pub(super) fn text(versions: &[Version], now: Timestamp) -> String {
    let rows = versions.iter().map(|version| line(version, now)).collect();
    table(&["version", "state", "size", "sha256", "registered", "by", ""], rows, "no versions yet")
}

fn line(version: &Version, now: Timestamp) -> Row {
    let style = match version.state {
        VersionState::Active => GOOD,
        VersionState::Deploying => WARNING,
        VersionState::Ghosted => ALARM,
        VersionState::Archived => anstyle::Style::new(),
    };
    vec![
        Cell::from(revised(version)),
        Cell::from(version.state.word()).style(style),
        Cell::figure(human::bytes(version.size_bytes)),
        short(&version.sha256).into(),
        ago(version.registered_at, now).into(),
        version.by.to_string().into(),
        remarks(version).into(),
    ]
}

fn revised(version: &Version) -> String {
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
    let flags = [
        (version.rollback_target, "rollback target"),
        (version.pinned, "pinned"),
        (!version.stored, "package removed"),
    ];
    let flags = flags.into_iter().filter(|(is, _)| *is).map(|(_, text)| text.to_owned());
    let ghost = version.ghost.iter().map(|ghost| ghost.reason.clone());
    let meta = version.meta.iter().map(|(key, value)| format!("{key}={value}"));
    flags.chain(ghost).chain(meta).collect::<Vec<_>>().join(", ")
}
