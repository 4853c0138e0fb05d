//! `info`

use api::human;
use api::observation::{NodeProcess, NodeSome, ProcessQuery};

use super::Context;
use super::target::Target;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::table::lines;

/// Shows a process of an instance's node: where it is, what it takes, what it is tied to.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// Its pid in its node, as `<0.84.0>` or `0.84.0`, or its registered name.
    #[arg(value_name = "PROCESS")]
    process: String,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let query = ProcessQuery { place: args.target.place, process: pid_or_name(args.process) };
    let process = context.client.get(Route::app(&args.target.app, &["process"]).query(&query)).await?;
    context.output.data(&process, text);
    Ok(Exit::Ok)
}

/// `0.84.0` needs no quotes in a shell.
fn pid_or_name(text: String) -> String {
    let is_pid = text.split('.').count() == 3 && text.split('.').all(|part| part.parse::<u32>().is_ok());
    if is_pid { format!("<{text}>") } else { text }
}

/// All of it.
pub(super) fn text(process: &NodeProcess) -> String {
    let NodeProcess { place, node, pid, status, priority, .. } = process;
    let traps = if process.traps_exits { ", traps exits" } else { "" };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let mut rows = vec![
        vec!["process".into(), format!("{pid} in place {place}, {node}").into()],
        vec!["name".into(), or_none(&process.name).into()],
        vec!["status".into(), format!("{status}, priority {priority}{traps}").into()],
        vec!["begun with".into(), or_none(&process.initial_call).into()],
        vec!["is in".into(), or_none(&process.current_function).into()],
        vec!["mailbox".into(), format!("{} messages", process.messages).into()],
        vec![
            "memory".into(),
            format!(
                "{}, heap and stack {}",
                human::bytes(process.memory_bytes),
                human::bytes(process.heap_bytes)
            )
            .into(),
        ],
        vec!["work".into(), format!("{} reductions", process.reductions).into()],
        vec!["prints to".into(), process.group_leader.clone().into()],
        vec!["links".into(), some(&process.links).into()],
        vec!["monitors".into(), some(&process.monitors).into()],
        vec!["monitored by".into(), some(&process.monitored_by).into()],
    ];
    rows.extend(process.label.iter().map(|label| vec!["label".into(), label.clone().into()]));
    let stack = process
        .stack
        .iter()
        .enumerate()
        .map(|(at, frame)| vec![if at == 0 { "stack".into() } else { "".into() }, frame.clone().into()]);
    rows.extend(stack);
    lines(&rows).join("\n")
}

fn some(several: &NodeSome) -> String {
    if several.count == 0 {
        return "-".to_owned();
    }
    let rest = several.count.saturating_sub(several.some.len() as u64);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    several.some.join(" ") + &more
}

#[cfg(test)]
mod tests {
    use super::pid_or_name;

    #[test]
    fn a_pid_needs_no_quotes() {
        assert_eq!(pid_or_name("0.84.0".to_owned()), "<0.84.0>");
        assert_eq!(pid_or_name("<0.84.0>".to_owned()), "<0.84.0>");
        assert_eq!(pid_or_name("My.App.Repo".to_owned()), "My.App.Repo");
    }
}
