//! Instances' Erlang nodes, as `status APP` shows them.

use api::app::Instance;
use api::node::{Mesh, Node, NodeFacts};
use jiff::Timestamp;

use crate::output::{GOOD, WARNING, styled};
use crate::table::{Cell, Row, lines, row};
use crate::time::{between, coarse};

/// A line for each instance that has a node, with what is missing below it.
pub(crate) fn table(instances: &[Instance], now: Timestamp) -> Vec<String> {
    let nodes: Vec<(u16, &Node)> =
        instances.iter().filter_map(|it| Some((it.place, it.node.as_ref()?))).collect();
    let rows: Vec<Row> = nodes.iter().map(|(place, node)| line(*place, node, now)).collect();
    let lines = lines(&rows).into_iter();
    lines.zip(nodes).flat_map(|(line, (_, node))| std::iter::once(line).chain(missing(node))).collect()
}

fn line(place: u16, node: &Node, now: Timestamp) -> Row {
    let Some(facts) = &node.connected else {
        let text = match &node.why_not {
            Some(why) => format!("not connected: {why}"),
            None => "being connected".to_owned(),
        };
        return vec![place.to_string().into(), node.name.clone().into(), Cell::from(text).style(WARNING)];
    };
    let NodeFacts { otp, erts, elixir, schedulers, started_at } = facts;
    let elixir = elixir.as_ref().map(|version| format!("Elixir {version}")).unwrap_or_default();
    let schedulers = schedulers.map(|count| format!("{count} schedulers")).unwrap_or_default();
    let up = started_at.map(|at| format!("up {}", coarse(between(at, now)))).unwrap_or_default();
    let mut row =
        row![place.to_string(), node.name.clone(), format!("OTP {otp}, ERTS {erts}"), elixir, schedulers, up];
    row.extend(node.mesh.as_ref().map(mesh));
    row
}

fn mesh(mesh: &Mesh) -> Cell {
    let of = mesh.connected.len() + mesh.missing.len();
    let style = if mesh.missing.is_empty() { GOOD } else { WARNING };
    Cell::from(format!("mesh {} of {of}", mesh.connected.len())).style(style)
}

fn missing(node: &Node) -> impl Iterator<Item = String> {
    let missing = node.mesh.iter().flat_map(|mesh| &mesh.missing);
    missing.map(|it| {
        let why = it.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("   {}", styled(WARNING, &format!("not connected with {}{why}", it.node)))
    })
}
