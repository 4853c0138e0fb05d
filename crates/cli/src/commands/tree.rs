//! `tree`

use api::observation::{NodeTrees, TreeProcess, TreeQuery};

use super::Context;
use super::target::Target;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{QUIET, styled};

/// Shows the supervision trees of an instance's node.
///
/// Supervisors are asked in the node, each with a time limit; of one with very many children only the number is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// Only of this application of the node, such as `logger`.
    #[arg(value_name = "APPLICATION")]
    application: Option<String>,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let query = TreeQuery { place: args.target.place, application: args.application };
    let trees = context.client.get(Route::app(&args.target.app, &["tree"]).query(&query)).await?;
    context.output.data(&trees, text);
    Ok(Exit::Ok)
}

/// Applications at the left, each child behind its supervisor's line.
pub(super) fn text(trees: &NodeTrees) -> String {
    let mut lines = Vec::new();
    for application in &trees.applications {
        lines.push(described(application));
        below(application, "", &mut lines);
    }
    lines.join("\n")
}

fn below(process: &TreeProcess, before: &str, lines: &mut Vec<String>) {
    let more = (process.more > 0).then(|| styled(QUIET, &format!("… {} more", process.more)));
    let last = process.children.len() + usize::from(more.is_some());
    for (child, number) in process.children.iter().zip(1..) {
        let (branch, under) = if number == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        lines.push(format!("{before}{branch}{}", described(child)));
        below(child, &format!("{before}{under}"), lines);
    }
    lines.extend(more.map(|more| format!("{before}└─ {more}")));
}

fn described(process: &TreeProcess) -> String {
    let TreeProcess { id, pid, name, remark, .. } = process;
    let mut words = vec![id.clone()];
    words.extend(name.clone().filter(|name| name != id).map(|name| format!("({name})")));
    words.extend(pid.as_deref().map(|pid| styled(QUIET, pid)));
    words.extend(remark.as_deref().map(|remark| styled(QUIET, remark)));
    words.join(" ")
}
