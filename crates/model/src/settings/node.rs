//! How an app's Erlang nodes are started and who may reach them.

use serde::{Deserialize, Serialize};

use super::app::{AppSettings, StopBy};
use super::checks::{CheckKind, HealthKind};
use super::command::PreCommand;
use super::merge::Stack;
use super::problem::Problem;

/// By what an instance is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Launch {
    /// By Bellrock's launcher, with the arguments that the release's script would have used, but a cookie.
    Direct,
    /// By the release's own script.
    Script,
}

/// Who may reach an instance's node over Erlang distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Nobody: the node has no name.
    Off,
    /// Nodes of this host: it listens on 127.0.0.1.
    #[default]
    Loopback,
    /// Who has a certificate that the host's authority has signed: it listens on every address, with TLS.
    Tls,
}

/// What needs a node with a name, where it has none.
pub(super) fn conflicts(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    if app.distribution != Distribution::Off {
        return Vec::new();
    }
    let commands = [
        ("pre_commands", &app.pre_commands[..]),
        ("post_rollback", &app.post_rollback[..]),
        ("member.check", app.member.check.as_slice()),
    ];
    let speaks = |commands: &[PreCommand]| commands.iter().any(|it| matches!(it, PreCommand::Rpc(_)));
    let commands = commands.into_iter().filter(|(_, commands)| speaks(commands)).map(|(key, _)| {
        let message = "has an `rpc`, and with `distribution` \"off\" no node can be reached";
        stack.locate(key).problem(message, "say distribution = \"loopback\", or use `eval`")
    });
    let asks_node = |kind| matches!(kind, CheckKind::Node | CheckKind::Mfa);
    let others = [
        ("readiness.kind", asks_node(app.readiness.kind), "tcp, http_get or exec"),
        (
            "health.kind",
            app.health.kind.and_then(HealthKind::check_kind).is_some_and(asks_node),
            "tcp, http_get, exec or off",
        ),
        ("stop_by", app.stop_by == StopBy::Node, "signal"),
        ("autoscale.run_queue", app.autoscale.run_queue.is_some(), "autoscale.cpu"),
        ("autoscale.node_memory", app.autoscale.node_memory.is_some(), "autoscale.memory"),
    ];
    let others = others.into_iter().filter(|(_, needs_node, _)| *needs_node).map(|(key, _, instead)| {
        let message = "needs the node, which nobody reaches with `distribution` \"off\"";
        stack.locate(key).problem(message, format!("say distribution = \"loopback\", or choose {instead}"))
    });
    commands.chain(others).collect()
}
