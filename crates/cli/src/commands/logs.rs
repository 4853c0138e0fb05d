//! `logs`

use api::AppName;
use api::log::{Line, Stream};
use api::query::LogsQuery;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use jiff::tz::TimeZone;
use tokio::io::AsyncBufReadExt;
use tokio_util::io::StreamReader;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{QUIET, styled};
use crate::time::parse_since;

/// Shows what an app's instances wrote.
///
/// Lines are shown as they were written, behind the number of their place when there are several.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// Only of this place; `i12` is the instance with that number, which may have ended.
    #[arg(value_name = "INSTANCE", value_parser = instance)]
    instance: Option<Which>,

    /// Goes on with what is written from now on.
    #[arg(long, short)]
    follow: bool,

    /// Standard error instead of standard output.
    #[arg(long)]
    stderr: bool,

    /// Only what was written since then: `10 min`, `2h`, `2026-11-21 09:36`, `2026-11-21T09:36:00Z`.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only the last so many lines of each instance (100 unless --since is given).
    #[arg(long, short = 'n', value_name = "LINES")]
    tail: Option<u32>,
}

/// Whose lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Place(u16),
    Instance(u64),
}

fn instance(text: &str) -> Result<Which, String> {
    let which = match text.strip_prefix('i') {
        Some(number) => number.parse().map(Which::Instance),
        None => text.parse().map(Which::Place),
    };
    which.map_err(|_| format!("{text:?} is neither a place (1, 2 …) nor an instance (i12)"))
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let since = args.since.as_deref().map(|text| parse_since(text, context.now(), &TimeZone::system()));
    let query = LogsQuery {
        place: args
            .instance
            .and_then(|which| if let Which::Place(place) = which { Some(place) } else { None }),
        instance: args
            .instance
            .and_then(|which| if let Which::Instance(id) = which { Some(id) } else { None }),
        stream: if args.stderr { Stream::Stderr } else { Stream::Stdout },
        tail: args.tail,
        since: since.transpose().map_err(Failure::Usage)?,
        follow: args.follow,
    };
    let body = context.client.open(Route::app(&args.app, &["logs"]).query(&query)).await?;
    let bytes = body.into_data_stream().map_err(std::io::Error::other);
    let mut lines = StreamReader::new(bytes).lines();
    let several = args.instance.is_none();
    loop {
        match lines.next_line().await {
            Ok(Some(line)) => {
                let line: Line =
                    serde_json::from_str(&line).map_err(|error| Failure::Answer(error.to_string()))?;
                context.output.record(&line, |line| text(line, several));
            }
            Ok(None) if args.follow => return Err(Failure::Lost("bellrockd has ended the stream".into())),
            Ok(None) => return Ok(Exit::Ok),
            Err(error) => return Err(Failure::Lost(error.to_string())),
        }
    }
}

/// A line, behind its place when there are several.
pub(super) fn text(line: &Line, several: bool) -> String {
    match several {
        true => format!("{} {}", styled(QUIET, &format!("{} │", line.place)), line.text),
        false => line.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_instances_are_told_apart() {
        assert_eq!(instance("2"), Ok(Which::Place(2)));
        assert_eq!(instance("i12"), Ok(Which::Instance(12)));
        assert!(instance("x").is_err());
    }
}
