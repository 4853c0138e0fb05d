//! `exits`

use api::AppName;
use api::exit::Exit as AppExit;
use api::query::MostQuery;
use jiff::tz::TimeZone;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::{Cell, Row, table};
use crate::time::{clock, span_ms};

/// Lists exits of an app's instances that nobody asked for, newest first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// At most so many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    most: u32,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let query = MostQuery { most: Some(args.most) };
    let exits: Vec<AppExit> = context.client.get(Route::app(&args.app, &["exits"]).query(&query)).await?;
    let zone = TimeZone::system();
    context.output.data(&exits, |exits| text(exits, &zone));
    Ok(Exit::Ok)
}

/// The table.
pub(super) fn text(exits: &[AppExit], zone: &TimeZone) -> String {
    let line = |exit: &AppExit| -> Row {
        vec![
            clock(exit.at, zone).into(),
            Cell::figure(exit.place.to_string()),
            format!("i{}", exit.instance).into(),
            Cell::figure(exit.run.to_string()),
            exit.how.to_string().into(),
            Cell::figure(span_ms(exit.uptime_ms)),
            exit.crash_dump.clone().unwrap_or_default().into(),
        ]
    };
    let heading = ["when", "place", "instance", "run", "how", "was up", "crash dump"];
    table(&heading, exits.iter().map(line).collect(), "no exits")
}
