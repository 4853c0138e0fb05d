//! `events`

use std::time::Duration;

use api::AppName;
use api::event::{Event, Level};
use api::query::EventsQuery;
use jiff::tz::TimeZone;
use tokio::time::{Instant, sleep};

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ALARM, QUIET, WARNING, styled};
use crate::time::{clock, span_ms};

/// A daemon that is being replaced is back sooner.
const PATIENCE: Duration = Duration::from_secs(60);

/// Wait between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(500);

/// Shows what happened.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Goes on with what happens from now on.
    #[arg(long, short)]
    follow: bool,

    /// Only of this app.
    #[arg(long, value_name = "APP")]
    app: Option<AppName>,

    /// At most so many of the past.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    most: u32,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let zone = TimeZone::system();
    let mut query =
        EventsQuery { app: args.app.map(String::from), most: Some(args.most), ..EventsQuery::default() };
    let past: Vec<Event> = context.client.get(Route::new(["events"]).query(&query)).await?;
    if !args.follow {
        context.output.data(&past, |past| {
            let lines: Vec<String> = past.iter().map(|event| text(event, &zone)).collect();
            if lines.is_empty() { "no events yet".to_owned() } else { lines.join("\n") }
        });
        return Ok(Exit::Ok);
    }
    for event in &past {
        context.output.record(event, |event| text(event, &zone));
    }
    query.after = past.last().map(|event| event.id);
    query.most = None;
    follow(context, query, &zone).await
}

/// Follows through restarts of the daemon, each event once.
async fn follow(context: &Context<'_>, mut query: EventsQuery, zone: &TimeZone) -> Result<Exit, Failure> {
    let mut last_contact = Instant::now();
    loop {
        match context.client.events(Route::new(["events", "stream"]).query(&query)).await {
            Ok(mut events) => {
                while let Ok(Some(event)) = events.next().await {
                    query.after = Some(event.id);
                    context.output.record(&event, |event| text(event, zone));
                }
                last_contact = Instant::now();
            }
            Err(failure) if failure.is_absence() && last_contact.elapsed() < PATIENCE => {}
            Err(failure) => return Err(failure),
        }
        sleep(PAUSE).await;
    }
}

/// `2026-11-21 09:36:12  beacon  42  instance 1 ready  1.5 s`
pub(super) fn text(event: &Event, zone: &TimeZone) -> String {
    let at = styled(QUIET, &clock(event.at, zone));
    let app = event.app.as_deref().unwrap_or("bellrock");
    let deployment = event.deployment.map(|id| id.to_string()).unwrap_or_default();
    let (mark, text) = match event.level {
        Level::Info => (" ", event.text.clone()),
        Level::Warning => ("!", styled(WARNING, &event.text)),
        Level::Alarm => ("✗", styled(ALARM, &event.text)),
    };
    let took = event.took_ms.map(|ms| format!("  {}", span_ms(ms))).unwrap_or_default();
    let mut lines = vec![format!("{at}  {app:<12}  {deployment:>5}  {mark} {text}{took}")];
    lines.extend(event.log_tail.iter().flat_map(|tail| tail.lines()).map(|line| format!("{:45}{line}", "")));
    lines.join("\n")
}
