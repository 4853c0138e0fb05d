//! Checks over our own link to an instance's Erlang node: one that hangs does not answer.

use std::time::Duration;

use beam::Term;
use dist::{Call, CallError, Node};
use model::settings::Function;
use tokio::time::Instant;

use super::{NotPassed, ProbeTarget};
use crate::nodes::Nodes;

/// Whether the node is connected, answers and has booted: its boot script is done, so that the applications in it have
/// been started (`init:get_status/0`).
pub(super) async fn booted(nodes: &Nodes, target: &ProbeTarget, within: Duration) -> Result<(), NotPassed> {
    ask_booted(&node(nodes, target)?, within).await
}

/// Whether a function in the node says yes. It is not asked before the node has booted.
pub(super) async fn function(
    function: &Function,
    nodes: &Nodes,
    target: &ProbeTarget,
    within: Duration,
) -> Result<(), NotPassed> {
    let (node, began) = (node(nodes, target)?, Instant::now());
    ask_booted(&node, within).await?;
    let call = Call::new(function.module(), function.name(), []);
    let answer = node.call(&call, within.saturating_sub(began.elapsed())).await.map_err(failed)?;
    if says_yes(&answer) {
        return Ok(());
    }
    Err(NotPassed::Answered(format!("{function} answered {}", dist::shown(&answer))))
}

fn node(nodes: &Nodes, target: &ProbeTarget) -> Result<Node, NotPassed> {
    let look = nodes.look(&target.app, target.instance);
    let why = match look {
        Some(look) if look.seen.facts.is_some() => None,
        Some(look) => Some(look.seen.why_not.unwrap_or_else(|| "not yet".to_owned())),
        None => Some("not yet".to_owned()),
    };
    match (why, nodes.get(&target.app, target.instance)) {
        (None, Some(node)) => Ok(node),
        (why, _) => {
            Err(NotPassed::NoAnswer(format!("its node is not connected: {}", why.unwrap_or_default())))
        }
    }
}

async fn ask_booted(node: &Node, within: Duration) -> Result<(), NotPassed> {
    let answer = node.call(&Call::new("init", "get_status", []), within).await.map_err(failed)?;
    match boot(&answer) {
        Boot::Done => Ok(()),
        Boot::UnderWay => Err(NotPassed::NoAnswer("its node is booting".to_owned())),
        Boot::Ending => Err(NotPassed::Answered("its node is stopping".to_owned())),
    }
}

fn failed(error: CallError) -> NotPassed {
    let why = crate::chain(&error);
    match error {
        CallError::NodeDown(..) | CallError::NotConnected { .. } => NotPassed::NoAnswer(why),
        _ => NotPassed::Answered(why),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Boot {
    UnderWay,
    Done,
    Ending,
}

/// Reads `{InternalStatus, ProvidedStatus}`: the second is `started` as soon as the boot script is done, also where what
/// was started by it (`-eval`, `-s`) never returns.
fn boot(status: &Term) -> Boot {
    let word = |nth: usize| status.as_tuple().and_then(|words| words.get(nth)).and_then(Term::as_atom);
    match (word(0), word(1)) {
        (Some("stopping"), _) => Boot::Ending,
        (_, Some("started")) => Boot::Done,
        _ => Boot::UnderWay,
    }
}

/// `true`, `ok`, `{ok, _}`.
fn says_yes(answer: &Term) -> bool {
    let word = |term: &Term| term.as_atom().map(str::to_owned);
    match (word(answer), answer.as_tuple()) {
        (Some(word), _) => word == "true" || word == "ok",
        (None, Some([ok, _])) => word(ok).as_deref() == Some("ok"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Term {
        beam::text::consult(format!("{text}.").as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn a_node_has_booted_when_its_script_is_done() {
        assert_eq!(boot(&read("{started,started}")), Boot::Done);
        // a shipment's main function never returns
        assert_eq!(boot(&read("{starting,started}")), Boot::Done);
        assert_eq!(boot(&read("{starting,applications_loaded}")), Boot::UnderWay);
        assert_eq!(boot(&read("{stopping,stopping}")), Boot::Ending);
        assert_eq!(boot(&read("{stopping,started}")), Boot::Ending);
        assert_eq!(boot(&read("what")), Boot::UnderWay);
    }

    #[test]
    fn yes_is_true_or_ok_and_nothing_else() {
        for yes in ["true", "ok", "{ok,connected}"] {
            assert!(says_yes(&read(yes)), "{yes}");
        }
        for no in ["false", "error", "{error,ok}", "{ok,1,2}", "{ok}", "\"ok\"", "1", "[]", "undefined"] {
            assert!(!says_yes(&read(no)), "{no}");
        }
    }
}
