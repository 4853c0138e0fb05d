//! `run`

use api::AppName;
use api::task::{BeginTask, Task};
use hyper::Method;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::task::{self, Following};
use crate::time::parse_span;

/// Runs a command once, by the release of the running version and with an instance's variables.
///
/// `eval EXPRESSION` runs in a VM of its own, `rpc EXPRESSION` in a running node; anything else is a program of the
/// package with its arguments. What it writes is passed on byte for byte, and its exit status is that of bellrock:
/// 124 when its time was over, 128 and the signal's number when one ended it. Ctrl-C ends it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// Does not wait: it goes on by itself, and `bellrock tasks APP follow N` shows what it writes.
    #[arg(long)]
    detach: bool,

    /// It is ended after this time (`90 s`, `2h`); without it, after the app's command_timeout.
    #[arg(long, value_name = "TIME")]
    time_limit: Option<String>,

    /// The command, behind `--`.
    #[arg(value_name = "COMMAND", last = true, required = true)]
    command: Vec<String>,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let limit = args.time_limit.as_deref().map(parse_span).transpose().map_err(Failure::Usage)?;
    let begin = BeginTask {
        key: key()?,
        command: args.command,
        limit_ms: limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
    };
    let route = Route::app(&args.app, &["tasks"]);
    // Whether the first attempt arrived cannot be known; with the same key it is begun once.
    let ask = async || context.client.send(Method::POST, route.clone(), &begin).await;
    let begun: Task = match ask().await {
        Err(Failure::Lost(_)) => task::patiently(ask).await?,
        begun => begun?,
    };
    if args.detach {
        context.output.data(&begun, |begun| {
            let Task { task, app, version, .. } = begun;
            format!("task {task} runs by v{version}; to see it: bellrock tasks {app} follow {task}")
        });
        return Ok(Exit::Ok);
    }
    Following { context, app: &args.app, task: begun.task, ends_with_us: true }.run().await
}

/// What no other task has: 128 random bits.
fn key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
