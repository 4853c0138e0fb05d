//! What a module may do besides computing: the functions of others that it calls and that are not known to be harmless.

use std::collections::BTreeSet;

use super::pairs::Pairs;
use crate::inventory::Module;
use crate::role::{Role, role};

/// Modules of which every function only computes, asks or logs.
const HARMLESS: &[&str] = &[
    "Elixir.Access",
    "Elixir.Atom",
    "Elixir.DynamicSupervisor",
    "Elixir.Enum",
    "Elixir.GenServer",
    "Elixir.IO",
    "Elixir.Integer",
    "Elixir.Keyword",
    "Elixir.Kernel",
    "Elixir.List",
    "Elixir.Logger",
    "Elixir.Map",
    "Elixir.Module",
    "Elixir.PartitionSupervisor",
    "Elixir.Registry",
    "Elixir.String",
    "Elixir.String.Chars",
    "Elixir.Supervisor",
    "Elixir.System",
    "binary",
    "error_logger",
    "filename",
    "gen_server",
    "io",
    "io_lib",
    "lists",
    "maps",
    "os",
    "proplists",
    "string",
    "supervisor",
    "unicode",
];

/// Functions that only ask or log, of modules with others.
const HARMLESS_FUNCTIONS: &[(&str, &[&str])] = &[
    ("Elixir.Application", &["get_env", "fetch_env", "fetch_env!", "compile_env", "get_all_env", "app_dir"]),
    ("application", &["get_env", "get_all_env", "get_key", "which_applications"]),
    ("code", &["priv_dir", "lib_dir", "ensure_loaded"]),
    ("logger", &["log", "allow", "macro_log", "debug", "info", "notice", "warning", "error", "critical"]),
];

/// Functions of the runtime that change something for others.
const HARMFUL_OF_ERLANG: &[&str] = &[
    "register",
    "spawn",
    "spawn_link",
    "spawn_opt",
    "spawn_monitor",
    "send",
    "!",
    "put",
    "open_port",
    "system_flag",
    "process_flag",
    "load_nif",
    "set_cookie",
];

/// The calls that may have effects, as `module:function`.
pub(super) fn effects(module: &Module, pairs: &Pairs<'_>) -> BTreeSet<String> {
    let calls = module.imports.iter().flat_map(|(other, functions)| {
        functions.iter().map(move |function| (other.as_str(), function.name.as_str()))
    });
    let effects = calls.filter(|(other, function)| !is_harmless(other, function, pairs));
    effects.map(|(other, function)| format!("{}:{function}", crate::finding::module_name(other))).collect()
}

fn is_harmless(module: &str, function: &str, pairs: &Pairs<'_>) -> bool {
    if module == "erlang" {
        return !HARMFUL_OF_ERLANG.contains(&function);
    }
    let listed = HARMLESS_FUNCTIONS.iter().find(|(name, _)| *name == module);
    let is_supervisor = || {
        let held = pairs.new.get(module).or(pairs.old.get(module));
        held.is_some_and(|held| matches!(role(held.module), Role::Supervisor | Role::DynamicSupervisor))
    };
    HARMLESS.contains(&module)
        || listed.is_some_and(|(_, functions)| functions.contains(&function))
        || function == "child_spec"
        || is_supervisor()
}
