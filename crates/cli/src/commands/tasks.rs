//! `tasks`

use api::AppName;
use api::query::MostQuery;
use api::task::{Task, TaskHow};
use clap::Subcommand;
use hyper::Method;
use jiff::tz::TimeZone;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::{Cell, Row, table};
use crate::task::Following;
use crate::time::clock;

/// Lists the one-off tasks of an app (`bellrock run`), newest first; shows what one writes, or ends one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    /// At most so many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    most: u32,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows all that a task has written and writes, and ends as it does. Ctrl-C leaves it running.
    Follow {
        /// Its number.
        #[arg(value_name = "N")]
        task: u64,
    },
    /// Ends a task with all that it has started: SIGTERM, after 5 s SIGKILL.
    End {
        /// Its number.
        #[arg(value_name = "N")]
        task: u64,
    },
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let app = &args.app;
    match args.command {
        None => {
            let query = MostQuery { most: Some(args.most) };
            let tasks: Vec<Task> = context.client.get(Route::app(app, &["tasks"]).query(&query)).await?;
            let zone = TimeZone::system();
            context.output.data(&tasks, |tasks| text(tasks, &zone));
            Ok(Exit::Ok)
        }
        Some(Command::Follow { task }) => Following { context, app, task, ends_with_us: false }.run().await,
        Some(Command::End { task }) => {
            let route = Route::app(app, &["tasks", &task.to_string()]);
            let task: Task = context.client.call(Method::DELETE, route).await?;
            context.output.data(&task, |task| match &task.end {
                Some(_) => format!("task {} had ended", task.task),
                None => format!("task {} is being ended", task.task),
            });
            Ok(Exit::Ok)
        }
    }
}

/// The table.
pub(super) fn text(tasks: &[Task], zone: &TimeZone) -> String {
    let line = |task: &Task| -> Row {
        vec![
            Cell::figure(task.task.to_string()),
            clock(task.begun_at, zone).into(),
            task.user.clone().unwrap_or_else(|| format!("uid {}", task.uid)).into(),
            format!("v{}", task.version).into(),
            how(task).into(),
            task.command.clone().into(),
        ]
    };
    let heading = ["task", "begun", "by", "version", "how it ended", "command"];
    table(&heading, tasks.iter().map(line).collect(), "no tasks")
}

fn how(task: &Task) -> String {
    let Some(end) = &task.end else { return "runs".into() };
    match end.how {
        TaskHow::Ended => format!("exit {}", end.status.unwrap_or_default()),
        TaskHow::Signalled => format!("signal {}", end.signal.unwrap_or_default()),
        TaskHow::TimeLimit => "its time was over".into(),
        TaskHow::Halted => "was ended".into(),
        TaskHow::NotBegun => "did not begin".into(),
        TaskHow::Unknown => "unknown".into(),
    }
}
