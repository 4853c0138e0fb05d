//! `trace`

use api::observation::{BeginTrace, TraceLine, TraceWhat};
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use tokio::io::AsyncBufReadExt;
use tokio_util::io::StreamReader;

use super::Context;
use super::target::Target;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{QUIET, styled};
use crate::time::parse_span;

/// Shows calls of a function in an instance's node, with their arguments.
///
/// The limits hold in the node: it stops by itself, tells no more than it can at ease, and ends when you do. One trace at a
/// time runs in a node. Arguments may be secret; they go to your terminal and nowhere else.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// The function: `lists:seq/2`, `Shop.Cart.add/2`; without `/N` with any number of arguments.
    #[arg(value_name = "M:F/A")]
    function: String,

    /// After so many lines it stops.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u32,

    /// After this time it stops.
    #[arg(long = "for", value_name = "TIME", default_value = "10 s")]
    lasting: String,

    /// Shows results and exceptions too. It costs the function its tail calls.
    #[arg(long)]
    returns: bool,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let lasting = parse_span(&args.lasting).map_err(Failure::Usage)?;
    let body = BeginTrace {
        function: args.function,
        place: args.target.place,
        limit: Some(args.limit),
        for_ms: Some(u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX)),
        returns: args.returns,
    };
    let answer = context.client.stream(Route::app(&args.target.app, &["trace"]), &body).await?;
    let bytes = answer.into_data_stream().map_err(std::io::Error::other);
    let mut lines = StreamReader::new(bytes).lines();
    while let Some(line) = lines.next_line().await.map_err(|error| Failure::Lost(error.to_string()))? {
        let line: TraceLine =
            serde_json::from_str(&line).map_err(|error| Failure::Answer(error.to_string()))?;
        if let Some(end) = show(context, &line) {
            return end;
        }
    }
    Err(Failure::Lost("bellrockd has ended the answer; the trace has ended".to_owned()))
}

/// Shows a line; what becomes of the command when it was the last.
fn show(context: &Context<'_>, line: &TraceLine) -> Option<Result<Exit, Failure>> {
    let output = context.output;
    if output.json {
        output.record(line, |_| String::new());
    }
    let text = &line.text;
    match line.what {
        TraceWhat::Lost => return Some(Err(Failure::Lost(text.clone()))),
        TraceWhat::Call | TraceWhat::Return | TraceWhat::Exception if !output.json => output.line(text),
        TraceWhat::Begun | TraceWhat::Gap | TraceWhat::Ended if !output.json => {
            output.say(&styled(QUIET, text))
        }
        _ => {}
    }
    (line.what == TraceWhat::Ended).then_some(Ok(Exit::Ok))
}
