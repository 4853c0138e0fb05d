//! What is shown of a running node.

use api::console::EvaluationLine;
use api::observation::{NodeProcess, NodeTop, NodeTrees};
use serde_json::json;

use super::super::{eval, info, top, tree};
use super::{check, from};
use crate::output::failed;

#[test]
fn why_there_is_no_value() {
    let stack = vec!["lists:nth/2 (lists.erl, line 171)".to_owned(), "shop:find/1".to_owned()];
    let lines = [
        EvaluationLine::Syntax { line: 2, message: "syntax error before: '+'".to_owned() },
        EvaluationLine::Failed { class: "error".to_owned(), reason: "function_clause".to_owned(), stack },
        EvaluationLine::Failed {
            class: "error".to_owned(),
            reason: "** (ArgumentError) errors were found:\n\n  * 1st argument: not a number".to_owned(),
            stack: vec!["(shop 1.0.0) lib/shop.ex:3: Shop.find/1".to_owned()],
        },
        EvaluationLine::Died { reason: "killed".to_owned() },
        EvaluationLine::NoElixir,
        EvaluationLine::Lost { reason: "the connection was closed".to_owned() },
    ];
    check("evaluation_failures", &lines.map(|line| failed(&eval::failure(line))).join(""));
}

#[test]
fn a_nodes_busiest_processes() {
    let process = |pid: &str, name: Option<&str>, number: u64| {
        json!({"pid": pid, "name": name, "initial_call": "Shop.Worker.init/1", "number": number,
            "current_function": "gen_server:loop/7", "memory_bytes": 1_250_000, "messages": 3})
    };
    let told: NodeTop = from(json!({
        "place": 2, "node": "shop-2a@host", "otp": "27", "erts": "15.2", "elixir": "1.17.3", "uptime_ms": 1_036_800_000u64,
        "window_ms": 1000, "schedulers": [0.204, 0.1, 0.0, 0.5], "run_queue": 1, "reductions_per_s": 12_345_678,
        "memory": {"total_bytes": 118_000_000, "processes_bytes": 40_000_000, "binary_bytes": 12_000_000,
            "ets_bytes": 8_000_000, "code_bytes": 30_000_000, "atom_bytes": 1_200_000},
        "processes": {"count": 312, "limit": 262_144}, "ports": {"count": 12, "limit": 65_536},
        "atoms": {"count": 800_000, "limit": 1_048_576}, "ets_tables": {"count": 45, "limit": 8192},
        "by": "reductions", "seen": 250,
        "top": [process("<0.84.0>", Some("Shop.Cache"), 1_234_567), process("<0.1201.0>", None, 99)],
    }));
    let target = "shop".parse().unwrap();
    check("top", &top::text(&told, &target));
}

#[test]
fn supervision_trees_are_drawn() {
    let told: NodeTrees = from(json!({"place": 1, "node": "shop-1a@host", "applications": [
        {"id": "kernel", "pid": "<0.47.0>", "name": "kernel_sup", "remark": null, "more": 0, "children": [
            {"id": "logger_sup", "pid": "<0.60.0>", "name": "logger_sup", "remark": null, "more": 3, "children": [
                {"id": "logger_proxy", "pid": "<0.61.0>", "name": "logger_proxy", "remark": null, "children": [], "more": 0}]},
            {"id": "late", "pid": "<0.62.0>", "name": null, "remark": "did not answer in time", "children": [], "more": 0}]},
        {"id": "stdlib", "pid": null, "name": null, "remark": "has no processes", "children": [], "more": 0}]}));
    check("tree", &tree::text(&told));
}

#[test]
fn a_process_with_its_ties() {
    let told: NodeProcess = from(json!({
        "place": 1, "node": "shop-1a@host", "pid": "<0.84.0>", "name": "Shop.Cache", "label": null,
        "initial_call": "Shop.Cache.init/1", "current_function": "gen_server:loop/7",
        "stack": ["gen_server:loop/7 (gen_server.erl, line 865)", "proc_lib:init_p_do_apply/3"], "status": "waiting",
        "priority": "normal", "traps_exits": true, "group_leader": "<0.70.0>", "memory_bytes": 21_432,
        "heap_bytes": 8_000, "reductions": 1234, "messages": 0, "links": {"count": 2, "some": ["<0.70.0>", "#Port<0.5>"]},
        "monitors": {"count": 0, "some": []}, "monitored_by": {"count": 60, "some": ["<0.99.0>"]},
    }));
    check("process", &info::text(&told));
}
