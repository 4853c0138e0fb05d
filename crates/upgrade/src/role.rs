//! What a module is to the processes of a node.

use crate::inventory::Module;
use crate::reach::Root;

/// What a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Functions.
    Plain,
    /// Processes of a behaviour keep a state that its functions make and read.
    Stateful(&'static Behaviour),
    /// Its `init/1` says which children run.
    Supervisor,
    /// A supervisor whose children are started by calls.
    DynamicSupervisor,
    /// An actor of `gleam_otp`, which holds functions of the module.
    Actor,
    /// `system_code_change/4`, and no behaviour that is known.
    Special,
    /// It starts processes that run its own functions.
    Loop,
}

/// A behaviour whose processes keep a state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    /// Its word.
    pub(crate) word: &'static str,
    /// Names that modules declare it by.
    names: &'static [&'static str],
    /// What makes the state.
    pub(crate) makers: &'static [Root],
    /// What converts it.
    pub(crate) converter: Option<Root>,
    /// Whether a process that crashes is made anew by its client (a page, a socket), so that a state of another shape is
    /// no reason against.
    pub(crate) is_clients: bool,
}

const INIT: &[Root] = &[("init", 1), ("handle_continue", 2)];

/// `sys:change_code/4` reaches all of the first four.
static BEHAVIOURS: [Behaviour; 9] = [
    converting("gen_server", &["gen_server", "Elixir.GenServer"], ("code_change", 3)),
    Behaviour {
        makers: &[("init", 1), ("callback_mode", 0)],
        ..converting("gen_statem", &["gen_statem"], ("code_change", 4))
    },
    converting("gen_event", &["gen_event", "Elixir.GenEvent"], ("code_change", 3)),
    converting("gen_fsm", &["gen_fsm"], ("code_change", 4)),
    converting("GenStage", &["Elixir.GenStage", "Elixir.Broadway"], ("code_change", 3)),
    of_clients(
        "LiveView",
        &["Elixir.Phoenix.LiveView", "Elixir.Phoenix.LiveComponent"],
        &[("mount", 3), ("mount", 1), ("update", 2)],
    ),
    of_clients("channel", &["Elixir.Phoenix.Channel"], &[("join", 3)]),
    of_clients(
        "WebSocket",
        &[
            "cowboy_websocket",
            "Elixir.WebSock",
            "Elixir.Phoenix.Socket.Transport",
            "Elixir.ThousandIsland.Handler",
        ],
        &[("init", 1), ("init", 2), ("websocket_init", 1), ("handle_connection", 2)],
    ),
    of_clients("protocol", &["ranch_protocol"], &[("init", 1), ("init", 3), ("start_link", 3)]),
];

const fn converting(word: &'static str, names: &'static [&'static str], converter: Root) -> Behaviour {
    Behaviour { word, names, makers: INIT, converter: Some(converter), is_clients: false }
}

const fn of_clients(
    word: &'static str,
    names: &'static [&'static str],
    makers: &'static [Root],
) -> Behaviour {
    Behaviour { word, names, makers, converter: None, is_clients: true }
}

/// An Agent: its state is made by a function that the module hands to `Agent.start_link`.
static AGENT: Behaviour = Behaviour {
    word: "Agent",
    names: &[],
    makers: &[("start_link", 0), ("start_link", 1), ("start_link", 2), ("start", 0), ("start", 1)],
    converter: None,
    is_clients: false,
};

const SUPERVISORS: &[&str] = &["supervisor", "Elixir.Supervisor", "supervisor_bridge"];
const DYNAMIC_SUPERVISORS: &[&str] = &["Elixir.DynamicSupervisor", "Elixir.PartitionSupervisor"];

/// A behaviour of the release's own, whose processes are those of another behaviour.
pub(crate) static OWN: Behaviour =
    Behaviour { word: "behaviour's", names: &[], makers: INIT, converter: None, is_clients: false };

/// What starts a process, with its name and its options.
pub(crate) const STARTERS: &[Root] =
    &[("start_link", 0), ("start_link", 1), ("start_link", 2), ("start_link", 3), ("start", 0), ("start", 1)];

/// Functions of `gleam_otp` that start an actor.
const ACTOR_STARTERS: &[&str] = &["start", "start_spec", "new", "new_with_initialiser"];

/// Functions that start a process, per module.
const SPAWNERS: &[(&str, &[&str])] = &[
    ("erlang", &["spawn", "spawn_link", "spawn_monitor", "spawn_opt"]),
    ("proc_lib", &["spawn", "spawn_link", "spawn_opt", "start", "start_link", "start_monitor"]),
    ("Elixir.Task", &["start", "start_link", "async"]),
    ("Elixir.Kernel", &["spawn", "spawn_link"]),
    ("Elixir.Process", &["spawn"]),
];

/// What the module is.
pub(crate) fn role(module: &Module) -> Role {
    let behaviour = BEHAVIOURS.iter().find(|behaviour| module.behaves_as(behaviour.names));
    if let Some(behaviour) = behaviour {
        return Role::Stateful(behaviour);
    }
    if module.behaves_as(SUPERVISORS) {
        return Role::Supervisor;
    }
    if module.behaves_as(DYNAMIC_SUPERVISORS) {
        return Role::DynamicSupervisor;
    }
    if calls_any(module, "gleam@otp@actor", ACTOR_STARTERS) {
        return Role::Actor;
    }
    if calls_any(module, "Elixir.Agent", &["start_link", "start"]) {
        return Role::Stateful(&AGENT);
    }
    if module.is_special_process {
        return Role::Special;
    }
    let spawns = SPAWNERS.iter().any(|(spawner, functions)| calls_any(module, spawner, functions));
    if module.receives && spawns { Role::Loop } else { Role::Plain }
}

/// Whether it starts a supervisor with a list of children that no `init/1` holds.
pub(crate) fn starts_children(module: &Module) -> bool {
    calls_any(module, "Elixir.Supervisor", &["start_link"])
}

fn calls_any(module: &Module, other: &str, functions: &[&str]) -> bool {
    let imported = module.imports.get(other);
    imported.is_some_and(|imported| imported.iter().any(|it| functions.contains(&it.name.as_str())))
}

impl Role {
    /// Its word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Plain => "a plain module",
            Role::Stateful(behaviour) => behaviour.word,
            Role::Supervisor => "a supervisor",
            Role::DynamicSupervisor => "a dynamic supervisor",
            Role::Actor => "an actor",
            Role::Special => "a special process",
            Role::Loop => "a process",
        }
    }
}
