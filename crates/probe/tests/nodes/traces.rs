//! A trace of a function that is called all the time.

use probe::{Probe, TraceLine, TraceTarget};
use testkit::nodes::{SOON, World, eval};

use crate::shop;

#[tokio::test]
async fn a_trace_of_a_hot_function_ends_by_itself() {
    let world = World::new().await;
    let (_running, node) = world.connected("hot", &[]).await;
    let probe = Probe::new(node.clone());
    shop::load(&node, "").await;
    eval(&node, "register(hot, spawn(shop, hot, [0])), ok").await;
    let target: TraceTarget = "shop:step/1".parse().unwrap();
    let plan = target.plan(2000, SOON, false).unwrap();
    let mut trace = probe.trace(&plan, SOON).await.unwrap();
    let mut lines = Vec::new();
    while let Some(event) = tokio::time::timeout(SOON, trace.next()).await.expect("it ends") {
        lines.push(TraceLine(&event).to_string());
    }
    assert_eq!(lines.pop().unwrap(), "ended: as many messages as were wanted");
    let calls: Vec<_> = lines.iter().filter(|line| !line.starts_with("...")).collect();
    assert_eq!(calls.len(), 2000);
    let pid = eval(&node, "pid_to_list(whereis(hot))").await.as_text().unwrap();
    assert!(
        calls.iter().all(|line| line.contains(&format!(" {pid} shop:step(")) && line.ends_with(')')),
        "{calls:?}"
    );
    // more was called than could be told meanwhile, and the node was left as it was
    let left = "{whereis(bellrock_tracer), erlang:trace_info({shop, step, 1}, traced),
        erlang:trace_info(whereis(hot), flags)}";
    let left = beam::print::Erlang::default().print_flat(&eval(&node, left).await);
    assert_eq!(left, "{undefined,{traced,false},{flags,[]}}");
}
