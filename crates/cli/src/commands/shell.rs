//! `shell`

use std::io::IsTerminal;

use api::console::{Language, SHELL_PROTOCOL, ShellQuery};

use super::Context;
use super::target::Target;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::shell::{Session, size};
use crate::time::parse_span;

/// Opens a shell in the node of a running instance: IEx where Elixir runs, or else Erlang's.
///
/// Ctrl-C ends what is being evaluated, Ctrl-D leaves. Whatever ends the session (a closed terminal, too), the shell in the
/// node ends with what it evaluates, and the node runs on. Only what is typed can stop it: init:stop(), System.stop().
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// Erlang's shell also where Elixir runs.
    #[arg(long, conflicts_with = "elixir")]
    erlang: bool,

    /// IEx, or nothing.
    #[arg(long)]
    elixir: bool,

    /// It ends when nothing is typed and printed for this time.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    idle: String,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    if context.output.json {
        return Err(Failure::Usage("a shell has no JSON; bellrock eval --json has".to_owned()));
    }
    let idle = parse_span(&args.idle).map_err(Failure::Usage)?;
    let (columns, rows) = size();
    let query = ShellQuery {
        place: args.target.place,
        language: match (args.erlang, args.elixir) {
            (true, _) => Some(Language::Erlang),
            (_, true) => Some(Language::Elixir),
            _ => None,
        },
        columns,
        rows,
        idle_ms: Some(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)),
    };
    let route = Route::app(&args.target.app, &["shell"]).query(&query);
    let connection = context.client.switch(route, SHELL_PROTOCOL).await?;
    let is_terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    Session::new(connection, context.output, &args.target.app, is_terminal)?.run().await
}
