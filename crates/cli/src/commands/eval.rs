//! `eval`

use std::io::{Read, Write};
use std::time::Duration;

use api::console::{Evaluate, EvaluationLine, Language};
use api::problem::Problem;
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use tokio::io::AsyncBufReadExt;
use tokio_util::io::StreamReader;

use super::Context;
use super::target::Target;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::{parse_span, span};

/// As timeout(1) says it.
const TIME_OVER: u8 = 124;

/// Evaluates Erlang or Elixir in the node of a running instance and prints the value.
///
/// What it prints itself comes too. It ends with 0 when there is a value, with 1 when the text is wrong or raises, with
/// 124 when its time was over. Ctrl-C kills it; processes that it has started go on. The audit has the text's length and
/// digest, not the text.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// The text: Erlang expressions between commas, unless --elixir is given; `-` reads it from standard input.
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: String,

    /// The text is Elixir.
    #[arg(long)]
    elixir: bool,

    /// It is killed after this time.
    #[arg(long = "for", value_name = "TIME", default_value = "30 s")]
    lasting: String,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let text = match args.text.as_str() {
        "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        }
        _ => args.text,
    };
    let language = if args.elixir { Language::Elixir } else { Language::Erlang };
    let lasting = parse_span(&args.lasting).map_err(Failure::Usage)?;
    Asked { target: args.target, language, text, lasting }.run(context).await
}

/// A text to be evaluated.
pub(super) struct Asked {
    pub(super) target: Target,
    pub(super) language: Language,
    pub(super) text: String,
    pub(super) lasting: Duration,
}

impl Asked {
    /// Has it evaluated, and shows what comes of it.
    pub(super) async fn run(self, context: &Context<'_>) -> Result<Exit, Failure> {
        let body = Evaluate {
            language: self.language,
            text: self.text,
            place: self.target.place,
            for_ms: Some(u64::try_from(self.lasting.as_millis()).unwrap_or(u64::MAX)),
        };
        let route = Route::app(&self.target.app, &["eval"]);
        let answer = context.client.stream(route, &body).await?.into_data_stream();
        let mut lines = StreamReader::new(answer.map_err(std::io::Error::other)).lines();
        loop {
            let line = lines.next_line().await.map_err(|error| Failure::Lost(error.to_string()))?;
            let Some(line) = line else {
                return Err(Failure::Lost("bellrockd has ended the answer; it was killed".to_owned()));
            };
            let line: EvaluationLine =
                serde_json::from_str(&line).map_err(|error| Failure::Answer(error.to_string()))?;
            if context.output.json {
                context.output.record(&line, |_| String::new());
            }
            if let Some(end) = show(context, line, self.lasting)? {
                return Ok(end);
            }
        }
    }
}

/// Shows a line; the exit code when it was the last.
fn show(context: &Context<'_>, line: EvaluationLine, lasting: Duration) -> Result<Option<Exit>, Failure> {
    let output = context.output;
    match line {
        EvaluationLine::Printed { text, dropped_bytes } => {
            if dropped_bytes > 0 {
                output.say(&format!("({dropped_bytes} bytes were dropped: it printed faster than was read)"));
            }
            if !output.json {
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Ok(None)
        }
        EvaluationLine::Value { text } => {
            if !output.json {
                output.line(&text);
            }
            Ok(Some(Exit::Ok))
        }
        EvaluationLine::Over { at } => {
            let at = at.map(|at| format!("; it was in {at}")).unwrap_or_default();
            output.say(&format!("killed: it had no value within {} (--for){at}", span(lasting)));
            Ok(Some(Exit::OfTask(TIME_OVER)))
        }
        other => Err(failure(other)),
    }
}

/// Why there is no value.
pub(super) fn failure(line: EvaluationLine) -> Failure {
    let here = |text: String| Failure::Here(anyhow::Error::msg(text));
    match line {
        EvaluationLine::Syntax { line, message } => here(format!("line {line}: {message}")),
        EvaluationLine::Failed { class, reason, stack } => {
            // Elixir says the class itself
            let reason = match reason.starts_with("** (") {
                true => reason,
                false => format!("exception {class}: {reason}"),
            };
            let lines = std::iter::once(reason).chain(stack);
            here(lines.map(|line| line.replace('\n', "\n     ")).collect::<Vec<_>>().join("\n     "))
        }
        EvaluationLine::Died { reason } => here(format!("its process was killed: {reason}")),
        EvaluationLine::NoElixir => {
            let detail = "Elixir does not run in this node; without --elixir the text is Erlang";
            Failure::Problem(Problem::new("no-elixir", 409, detail))
        }
        EvaluationLine::Lost { reason } => Failure::Lost(reason),
        EvaluationLine::Printed { .. } | EvaluationLine::Value { .. } | EvaluationLine::Over { .. } => {
            Failure::Answer("an end was due".to_owned())
        }
    }
}
