//! What runs in a node: asked of it, and told as it is.

use std::time::Duration;

use ::api::observation::{
    NodeMemory, NodeProcess, NodeSome, NodeTop, NodeTrees, NodeUsed, ProcessQuery, TopBy, TopProcess,
    TopQuery, TreeProcess, TreeQuery,
};
use ::api::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use model::AppName;
use probe::{
    Below, By, Child, ChildState, Frame, Info, InfoPlan, Mfa, Probe, ProbeError, Process, SamplePlan,
    Several, Top, TopPlan, Tree, TreePlan, Used,
};

use super::super::api::Api;
use super::super::extract::{Json, Path, Query};
use super::super::problem::Failure;
use super::Place;

/// How long a node has for an answer, beside what is measured.
const ANSWER: Duration = Duration::from_secs(10);
/// For how long processes are looked at, at most.
const LOOKING: Duration = Duration::from_millis(500);

/// What an instance's node does: load, memory, limits, the busiest processes. It is computed in the node.
#[utoipa::path(get, path = "/v1/apps/{app}/top", tag = "console", operation_id = "top",
    params(("app" = String, Path, description = "Name of the app"), TopQuery),
    responses((status = OK, body = NodeTop), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn top(
    State(api): State<Api>,
    Path(name): Path<AppName>,
    Query(query): Query<TopQuery>,
) -> Result<Json<NodeTop>, Failure> {
    let place = Place::find(&api, &name, query.place).await?;
    let probe = Probe::new(place.node.clone());
    let window = Duration::from_millis(query.window_ms.unwrap_or(1000).clamp(100, 10_000));
    let work = query.by == TopBy::Reductions;
    let top = TopPlan {
        by: by(query.by),
        most: query.most.unwrap_or(20).min(200),
        window: if work { window } else { Duration::ZERO },
        looking: LOOKING,
    };
    let sample = SamplePlan { mailboxes: 0, nodes: 0, window, looking: LOOKING };
    let (facts, sample, top) = tokio::try_join!(
        probe.facts(ANSWER),
        probe.sample(&sample, ANSWER + window),
        probe.top(&top, ANSWER)
    )
    .map_err(unanswered)?;
    let load = sample.load.as_ref();
    Ok(Json(NodeTop {
        place: place.place,
        node: facts.node,
        otp: facts.otp,
        erts: facts.erts,
        elixir: facts.elixir,
        uptime_ms: millis(facts.uptime),
        window_ms: millis(load.map_or(window, |load| load.window)),
        schedulers: load.map(|load| load.schedulers.clone()).unwrap_or_default(),
        run_queue: sample.run_queue,
        reductions_per_s: load.map_or(0, |load| load.reductions_per_sec),
        memory: sample.memory.map(|memory| NodeMemory {
            total_bytes: memory.total_bytes,
            processes_bytes: memory.processes_bytes,
            binary_bytes: memory.binary_bytes,
            ets_bytes: memory.ets_bytes,
            code_bytes: memory.code_bytes,
            atom_bytes: memory.atom_bytes,
        }),
        processes: used(sample.processes),
        ports: used(sample.ports),
        atoms: used(sample.atoms),
        ets_tables: used(sample.ets_tables),
        by: query.by,
        seen: top.seen,
        top: view_top(top),
    }))
}

/// The supervision trees of an instance's node.
#[utoipa::path(get, path = "/v1/apps/{app}/tree", tag = "console", operation_id = "tree",
    params(("app" = String, Path, description = "Name of the app"), TreeQuery),
    responses((status = OK, body = NodeTrees), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn tree(
    State(api): State<Api>,
    Path(name): Path<AppName>,
    Query(query): Query<TreeQuery>,
) -> Result<Json<NodeTrees>, Failure> {
    let place = Place::find(&api, &name, query.place).await?;
    let plan = TreePlan { application: query.application, ..TreePlan::default() };
    let trees = Probe::new(place.node.clone()).tree(&plan, ANSWER).await.map_err(unanswered)?;
    Ok(Json(NodeTrees {
        place: place.place,
        node: place.node.name().to_string(),
        applications: trees.into_iter().map(view_tree).collect(),
    }))
}

/// A process of an instance's node. Neither its messages nor its dictionary are told, as secrets may be in them.
#[utoipa::path(get, path = "/v1/apps/{app}/process", tag = "console", operation_id = "process",
    params(("app" = String, Path, description = "Name of the app"), ProcessQuery),
    responses((status = OK, body = NodeProcess), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn process(
    State(api): State<Api>,
    Path(name): Path<AppName>,
    Query(query): Query<ProcessQuery>,
) -> Result<Json<NodeProcess>, Failure> {
    let place = Place::find(&api, &name, query.place).await?;
    let info = Probe::new(place.node.clone()).info(&query.process, &InfoPlan::default(), ANSWER).await;
    Ok(Json(view_process(&place, info.map_err(unanswered)?)))
}

fn unanswered(error: ProbeError) -> Failure {
    let (slug, status) = match &error {
        ProbeError::NoProcess(_) => ("no-process", StatusCode::NOT_FOUND),
        ProbeError::NoApplication(_) => ("no-application", StatusCode::NOT_FOUND),
        _ => ("node", StatusCode::BAD_GATEWAY),
    };
    Failure::new(slug, status, host::chain(&error))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn by(by: TopBy) -> By {
    match by {
        TopBy::Reductions => By::Reductions,
        TopBy::Memory => By::Memory,
        TopBy::Mailbox => By::Mailbox,
    }
}

fn used(used: Used) -> NodeUsed {
    NodeUsed { count: used.count, limit: used.limit }
}

/// A function as its language writes it.
fn shown(function: &Mfa) -> String {
    match function.module.starts_with("Elixir.") {
        true => function.elixir(),
        false => function.to_string(),
    }
}

fn view_top(top: Top) -> Vec<TopProcess> {
    let view = |process: Process| TopProcess {
        initial_call: process.initial_call.as_ref().map(shown),
        current_function: process.current_function.as_ref().map(shown),
        name: process.name.map(without_elixir).or(process.label),
        pid: process.pid,
        number: process.number,
        memory_bytes: process.memory_bytes,
        messages: process.messages,
    };
    top.processes.into_iter().map(view).collect()
}

fn without_elixir(name: String) -> String {
    name.strip_prefix("Elixir.").map_or(name.clone(), str::to_owned)
}

fn view_tree(tree: Tree) -> TreeProcess {
    let Tree { application, pid, name, below } = tree;
    let remark = pid.is_none().then(|| "has no processes".to_owned());
    view_below(TreeProcess { id: application, pid, name, remark, children: Vec::new(), more: 0 }, below)
}

fn view_child(child: Child) -> TreeProcess {
    let Child { id, state, pid, name, below } = child;
    let remark = match state {
        ChildState::Running => None,
        ChildState::Restarting => Some("is being restarted".to_owned()),
        ChildState::Stopped => Some("has ended".to_owned()),
    };
    view_below(TreeProcess { id, pid, name, remark, children: Vec::new(), more: 0 }, below)
}

fn view_below(process: TreeProcess, below: Below) -> TreeProcess {
    let remark = |text: &str| TreeProcess { remark: Some(text.to_owned()), ..process.clone() };
    match below {
        Below::Nothing => process,
        Below::Children { children, more } => {
            TreeProcess { children: children.into_iter().map(view_child).collect(), more, ..process }
        }
        Below::Many(more) => TreeProcess { more, ..process },
        Below::Deeper => remark("supervises more, deeper than is shown"),
        Below::Late => remark("did not answer in time: it hangs, or starts a child"),
        Below::Gone => remark("ended meanwhile"),
        Below::Odd => remark("does not answer as a supervisor"),
    }
}

fn view_process(place: &Place, info: Info) -> NodeProcess {
    NodeProcess {
        place: place.place,
        node: place.node.name().to_string(),
        name: info.name.map(without_elixir),
        label: info.label,
        initial_call: info.initial_call.as_ref().map(shown),
        current_function: info.current_function.as_ref().map(shown),
        stack: info.stack.iter().map(view_frame).collect(),
        pid: info.pid,
        status: info.status,
        priority: info.priority,
        traps_exits: info.traps_exits,
        group_leader: info.group_leader,
        memory_bytes: info.memory_bytes,
        heap_bytes: info.heap_bytes,
        reductions: info.reductions,
        messages: info.messages,
        links: some(info.links),
        monitors: some(info.monitors),
        monitored_by: some(info.monitored_by),
    }
}

fn view_frame(frame: &Frame) -> String {
    let function = shown(&frame.function);
    match (&frame.file, frame.line) {
        (Some(file), Some(line)) => format!("{function} ({file}, line {line})"),
        _ => function,
    }
}

fn some(several: Several<String>) -> NodeSome {
    NodeSome { count: several.count, some: several.some }
}
