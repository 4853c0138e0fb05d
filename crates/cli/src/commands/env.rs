//! `env`

use std::collections::{BTreeMap, BTreeSet};

use api::change::Granted;
use api::variable::{ChangeVariables, Variable, Variables};
use api::{AppName, VariableName};
use clap::Subcommand;
use hyper::Method;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::QUIET;
use crate::table::{Cell, Row, table};

/// Names with these in them are taken for secrets.
const SECRET_WORDS: [&str; 7] =
    ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL", "DATABASE_URL"];

/// What stands in the place of a secret.
pub(super) const MASKED: &str = "********";

/// Shows and changes the environment variables that an app gets.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app.
    #[arg(value_name = "APP")]
    app: AppName,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists variables. Values that look like secrets by their names are masked (in --json too).
    List {
        /// Shows every value.
        #[arg(long)]
        reveal: bool,
    },
    /// Sets variables; the instances are replaced one after another.
    Set {
        /// New values; `secret:PATH#KEY` refers to a secret.
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = assignment)]
        variables: Vec<(VariableName, String)>,

        #[command(flatten)]
        change: Change,
    },
    /// Removes variables that were set here; the instances are replaced one after another.
    Unset {
        /// Their names.
        #[arg(value_name = "NAME", required = true)]
        names: Vec<VariableName>,

        #[command(flatten)]
        change: Change,
    },
}

/// How a change takes effect.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Change {
    /// Leaves the running instances alone; what is started later gets the change.
    #[arg(long, conflicts_with = "wait")]
    later: bool,

    #[command(flatten)]
    waiting: Waiting,
}

fn assignment(text: &str) -> Result<(VariableName, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    let name = name.parse().map_err(|error: api::BadName| error.to_string())?;
    Ok((name, value.to_owned()))
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let (body, waiting) = match args.command {
        Command::List { reveal } => return list(context, &args.app, reveal).await,
        Command::Set { variables, change } => {
            let set: BTreeMap<String, String> =
                variables.into_iter().map(|(name, value)| (name.into(), value)).collect();
            (ChangeVariables { set, unset: BTreeSet::new(), later: change.later }, change.waiting)
        }
        Command::Unset { names, change } => {
            let unset = names.into_iter().map(String::from).collect();
            (ChangeVariables { set: BTreeMap::new(), unset, later: change.later }, change.waiting)
        }
    };
    let wish: Granted = context.client.send(Method::PATCH, Route::app(&args.app, &["env"]), &body).await?;
    granted(context, wish, waiting, false).await
}

async fn list(context: &Context<'_>, app: &AppName, reveal: bool) -> Result<Exit, Failure> {
    let mut variables: Variables = context.client.get(Route::app(app, &["env"])).await?;
    let masked = if reveal { 0 } else { mask(&mut variables.variables) };
    context.output.data(&variables, |it| text(&it.variables));
    if masked > 0 && !context.output.json {
        context.output.say(&format!("{masked} masked by their names; --reveal shows them"));
    }
    Ok(Exit::Ok)
}

/// Whether a value is a secret by its variable's name. A reference to a secret is none.
pub(super) fn is_secret(name: &str, value: &str) -> bool {
    let name = name.to_uppercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) && !value.starts_with("secret:")
}

/// Hides values that are secrets by their names, and says how many.
pub(super) fn mask(variables: &mut [Variable]) -> usize {
    let secrets = variables.iter_mut().filter(|it| is_secret(&it.name, &it.value));
    secrets.map(|it| it.value = MASKED.to_owned()).count()
}

/// The table.
pub(super) fn text(variables: &[Variable]) -> String {
    let line = |variable: &Variable| -> Row {
        let from = Cell::from(variable.from.word()).style(QUIET);
        vec![variable.name.clone().into(), visible(&variable.value).into(), from]
    };
    let rows = variables.iter().map(line).collect();
    let nothing = "no variables but those that every app gets (see the reference)";
    table(&["variable", "value", "from"], rows, nothing)
}

/// A value on one line, without what a terminal would obey.
fn visible(value: &str) -> String {
    value.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
