//! `doctor`

use api::doctor::Check;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ALARM, GOOD};
use crate::table::{Cell, Row, lines};

/// Looks at everything on this host that Bellrock depends on, and says what to do about what is wrong.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) async fn run(context: &Context<'_>, _: Args) -> Result<Exit, Failure> {
    let checks: Vec<Check> = context.client.get(Route::new(["doctor"])).await?;
    context.output.data(&checks, |checks| text(checks));
    Ok(if checks.iter().all(|check| check.ok) { Exit::Ok } else { Exit::Failed })
}

/// A line for each check, a second one with the remedy where one is needed; then the sum.
pub(super) fn text(checks: &[Check]) -> String {
    let rows: Vec<Row> = checks.iter().map(line).collect();
    let mut text = Vec::new();
    for (check, line) in checks.iter().zip(lines(&rows)) {
        text.push(line);
        text.extend(check.remedy.iter().filter(|_| !check.ok).map(|remedy| format!("     do: {remedy}")));
    }
    let wrong = checks.iter().filter(|check| !check.ok).count();
    text.push(match wrong {
        0 if checks.len() == 1 => "1 check passed".to_owned(),
        0 => format!("all {} checks passed", checks.len()),
        1 => "1 check failed".to_owned(),
        wrong => format!("{wrong} checks failed"),
    });
    text.join("\n")
}

fn line(check: &Check) -> Row {
    let mark = if check.ok { Cell::from("✓").style(GOOD) } else { Cell::from("✗").style(ALARM) };
    vec![mark, check.name.clone().into(), check.detail.clone().into()]
}
