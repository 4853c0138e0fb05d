//! What runs in an instance's node: the busiest processes, supervision trees, single processes, calls that are traced.

use serde::{Deserialize, Serialize};

/// By what processes are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TopBy {
    /// Work done within the window.
    #[default]
    Reductions,
    /// Memory taken.
    Memory,
    /// Messages that wait.
    Mailbox,
}

/// How a node's figures are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TopQuery {
    /// The instance's place; without it the first one whose node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// By what processes are chosen.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub by: TopBy,
    /// How many processes: 20 unless said otherwise, at most 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<u16>,
    /// Over how many ms load and work are measured: 1000 unless said otherwise, 100 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
}

/// A node's figures and its busiest processes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeTop {
    /// The instance's place.
    pub place: u16,
    /// The node's name.
    pub node: String,
    /// OTP's release.
    pub otp: String,
    /// The version of ERTS.
    pub erts: String,
    /// The version of Elixir, if it is loaded.
    pub elixir: Option<String>,
    /// How long the node has run, ms.
    pub uptime_ms: u64,
    /// Over how long load and work were measured, ms.
    pub window_ms: u64,
    /// The part of the window, 0 to 1, in which each scheduler did work.
    pub schedulers: Vec<f64>,
    /// Processes and ports that wait for a scheduler.
    pub run_queue: u64,
    /// Work done in a second.
    pub reductions_per_s: u64,
    /// Memory by what it is for; none where the node does not count.
    pub memory: Option<NodeMemory>,
    /// Processes.
    pub processes: NodeUsed,
    /// Ports: open files, sockets and programs.
    pub ports: NodeUsed,
    /// Atoms. The node ends when it has as many as it may.
    pub atoms: NodeUsed,
    /// ETS tables.
    pub ets_tables: NodeUsed,
    /// By what the processes are chosen.
    pub by: TopBy,
    /// How many processes were looked at: fewer than there are when there was no time for all.
    pub seen: u64,
    /// Those that have most, the first first.
    pub top: Vec<TopProcess>,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeUsed {
    /// How many there are.
    pub count: u64,
    /// How many there may be.
    pub limit: u64,
}

/// A node's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeMemory {
    /// All of it.
    pub total_bytes: u64,
    /// For processes.
    pub processes_bytes: u64,
    /// For binaries that processes share.
    pub binary_bytes: u64,
    /// For ETS tables.
    pub ets_bytes: u64,
    /// For code.
    pub code_bytes: u64,
    /// For atoms.
    pub atom_bytes: u64,
}

/// A process that has much of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TopProcess {
    /// Its pid in its node, `<0.84.0>`.
    pub pid: String,
    /// Its registered name or its label, if it has one.
    pub name: Option<String>,
    /// What it was begun with.
    pub initial_call: Option<String>,
    /// Where it is.
    pub current_function: Option<String>,
    /// What it was chosen by: reductions within the window, bytes, or messages.
    pub number: u64,
    /// Memory that it takes.
    pub memory_bytes: u64,
    /// Messages that wait.
    pub messages: u64,
}

/// Which supervision trees are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct TreeQuery {
    /// The instance's place; without it the first one whose node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Only of this application of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
}

/// The supervision trees of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeTrees {
    /// The instance's place.
    pub place: u16,
    /// The node's name.
    pub node: String,
    /// Its applications, each with the process that it began with.
    pub applications: Vec<TreeProcess>,
}

/// A process of a supervision tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TreeProcess {
    /// The application's name, or the child's id.
    pub id: String,
    /// Its pid in its node, while there is one.
    pub pid: Option<String>,
    /// Its registered name, if it has one.
    pub name: Option<String>,
    /// Why it has no process, or why what it supervises is not told.
    pub remark: Option<String>,
    /// What it supervises, as far as it is told.
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub children: Vec<TreeProcess>,
    /// How many children are not told.
    pub more: u64,
}

/// Which process is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ProcessQuery {
    /// The instance's place; without it the first one whose node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Its pid, as `<0.84.0>` or `#PID<0.84.0>`, or its registered name.
    pub process: String,
}

/// A process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeProcess {
    /// The instance's place.
    pub place: u16,
    /// The node's name.
    pub node: String,
    /// Its pid.
    pub pid: String,
    /// Its registered name.
    pub name: Option<String>,
    /// How its program has labelled it (OTP 27).
    pub label: Option<String>,
    /// What it was begun with.
    pub initial_call: Option<String>,
    /// Where it is.
    pub current_function: Option<String>,
    /// How it came there, innermost first.
    pub stack: Vec<String>,
    /// `running`, `runnable`, `waiting`, `suspended`, `garbage_collecting` or `exiting`.
    pub status: String,
    /// `low`, `normal`, `high` or `max`.
    pub priority: String,
    /// Whether exits of what it is linked to come as messages.
    pub traps_exits: bool,
    /// Where what it prints goes.
    pub group_leader: String,
    /// Memory that it takes.
    pub memory_bytes: u64,
    /// Its heap and stack.
    pub heap_bytes: u64,
    /// Work done since it was begun.
    pub reductions: u64,
    /// Messages that wait.
    pub messages: u64,
    /// What it is linked to.
    pub links: NodeSome,
    /// What it monitors.
    pub monitors: NodeSome,
    /// What monitors it.
    pub monitored_by: NodeSome,
}

/// Some of several things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeSome {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub some: Vec<String>,
}

/// What is to be traced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BeginTrace {
    /// `lists:seq/2`, `Enum.map/2`; without `/N` with any number of arguments.
    pub function: String,
    /// The instance's place; without it the first one whose node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// After how many lines it stops: 100 unless said otherwise, at most 100,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// After how many ms it stops: 10 s unless said otherwise, at most an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Whether results and exceptions are told too.
    #[serde(default)]
    pub returns: bool,
}

/// A line of a trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TraceLine {
    /// What it is.
    pub what: TraceWhat,
    /// It in words.
    pub text: String,
}

/// What a line of a trace tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TraceWhat {
    /// It runs: calls are told from now on.
    Begun,
    /// A call.
    Call,
    /// A result.
    Return,
    /// An exception.
    Exception,
    /// Something was not told, as there was too much.
    Gap,
    /// The end: as much, or as long, as was asked for.
    Ended,
    /// The end: the node or its tracer was lost.
    Lost,
}
