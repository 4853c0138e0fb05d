//! Instructions of appups and relups, the high-level and the low-level ones (OTP, SASL Reference Manual, `appup(4)`).

mod read;
mod write;

use crate::Term;

/// What a release handler is told to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// `update`: processes of the module are suspended while it is loaded, and convert their states.
    Update(Update),
    /// `{update, Module, supervisor}`: the supervisor takes what its `init/1` says now.
    UpdateSupervisor {
        /// The supervisor's callback module.
        module: String,
    },
    /// `load_module`: loaded, nothing else.
    LoadModule {
        /// The module.
        module: String,
        /// What happens to its old code, before and after.
        purge: Purges,
        /// Modules that must be loaded before it.
        depends_on: Vec<String>,
    },
    /// `add_module`: a new one.
    AddModule {
        /// The module.
        module: String,
        /// Modules that must be loaded before it.
        depends_on: Vec<String>,
    },
    /// `delete_module`: one that is gone.
    DeleteModule {
        /// The module.
        module: String,
        /// Modules that must be deleted before it.
        depends_on: Vec<String>,
    },
    /// `add_application`: loaded, and started as its type says.
    AddApplication {
        /// Its name.
        name: String,
        /// `permanent` (when not said), `transient`, `temporary`, `load` or `none`.
        start_type: String,
    },
    /// `remove_application`: stopped and unloaded.
    RemoveApplication {
        /// Its name.
        name: String,
    },
    /// `restart_application`: stopped, loaded anew, started.
    RestartApplication {
        /// Its name.
        name: String,
    },
    /// `load_object_code`: reads modules into memory.
    LoadObjectCode {
        /// The application.
        application: String,
        /// Its version.
        version: String,
        /// The modules.
        modules: Vec<String>,
    },
    /// `point_of_no_return`: a failure afterwards restarts the node.
    PointOfNoReturn,
    /// `load`: what was read becomes the module's code.
    Load {
        /// The module.
        module: String,
        /// What happens to its old code, before and after.
        purge: Purges,
    },
    /// `remove`: the module's code becomes old, and nothing takes its place.
    Remove {
        /// The module.
        module: String,
        /// What happens to its old code, before and after.
        purge: Purges,
    },
    /// `purge`: old code is removed, and processes that run it end.
    Purge(Vec<String>),
    /// `suspend`: processes of modules, each with its time.
    Suspend(Vec<(String, Option<Timeout>)>),
    /// `resume`: processes of modules.
    Resume(Vec<String>),
    /// `code_change`: processes of modules convert their states, each with its extra argument.
    CodeChange {
        /// Up when not said.
        mode: Mode,
        /// Modules with their arguments.
        modules: Vec<(String, Term)>,
    },
    /// `stop`: children whose specifications name these modules are ended.
    Stop(Vec<String>),
    /// `start`: they are started again.
    Start(Vec<String>),
    /// `sync_nodes`: waits until other nodes are as far.
    SyncNodes {
        /// What they agree on.
        id: Term,
        /// The nodes, or `{Module, Function, Arguments}` that tells them.
        nodes: Term,
    },
    /// `apply`: calls a function.
    Apply {
        /// Its module.
        module: String,
        /// Its name.
        function: String,
        /// Its arguments, a list.
        arguments: Term,
    },
    /// `restart_new_emulator`: the runtime, `kernel`, `stdlib` or `sasl` changed.
    RestartNewEmulator,
    /// `restart_emulator`: the node is restarted at the end.
    RestartEmulator,
}

/// `{update, Module, ModType, Timeout, Change, PrePurge, PostPurge, DepMods}`, of which most may be left away.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The module.
    pub module: String,
    /// Whether the module may run while others of its kind are suspended (`static`); else `dynamic`.
    pub is_static: bool,
    /// For a process to be suspended.
    pub timeout: Timeout,
    /// `{advanced, Extra}`: its processes convert their states. `None` is `soft`.
    pub extra: Option<Term>,
    /// What happens to its old code, before and after.
    pub purge: Purges,
    /// Modules that must be loaded before it.
    pub depends_on: Vec<String>,
}

/// How long something may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timeout {
    /// As the release handler is told.
    #[default]
    Default,
    /// For ever.
    Infinity,
    /// Milliseconds.
    Milliseconds(u32),
}

/// What happens to a module's old code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purges {
    /// Before it is loaded.
    pub before: Purge,
    /// Afterwards.
    pub after: Purge,
}

/// What happens to processes that run old code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purge {
    /// They are ended.
    #[default]
    Brutal,
    /// Before a load: nothing is done when there are any. Afterwards: the code stays for them.
    Soft,
}

/// Which way a state is converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// To the newer version.
    #[default]
    Up,
    /// Back.
    Down,
}

/// A term is no instruction of `appup(4)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} is no instruction")]
pub struct NotAnInstruction {
    /// The term, cut after 200 characters.
    pub text: String,
}

impl Instruction {
    /// The instruction that a term is.
    ///
    /// # Errors
    /// It is none.
    pub fn of(term: &Term) -> Result<Self, NotAnInstruction> {
        read::instruction(term).ok_or_else(|| {
            let text = crate::print::Erlang::default().print_flat(term);
            NotAnInstruction { text: text.chars().take(200).collect() }
        })
    }

    /// It as a term, with all that may be left away only where it differs from what is meant then.
    pub fn to_term(&self) -> Term {
        write::term(self)
    }
}
