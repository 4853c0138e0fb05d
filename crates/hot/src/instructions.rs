//! What is to be done in a node: data that a plan is lowered to. It names everything; nothing is looked up or guessed in
//! the node but who its processes are.

use std::fmt;
use std::time::Duration;

use beam::Term;
use beam::term::Atom;
use bytes::Bytes;

use crate::step::Step;

/// One step from what a node runs to another version of it.
#[derive(Clone, Debug)]
pub struct Instructions {
    /// Names this install, also for a connection that comes later: a deployment's id, for example. At most 255 bytes.
    pub id: String,
    /// Whether state is converted to a newer or an older version.
    pub direction: Direction,
    /// Modules that are loaded, all at once. Consolidated protocols are among them.
    pub modules: Vec<Module>,
    /// Modules that are deleted, after all else.
    pub deleted: Vec<Deleted>,
    /// Whose processes are suspended while modules are loaded.
    pub processes: Vec<Processes>,
    /// Modules whose supervised processes stand still too, and are stopped and started again when everybody has resumed:
    /// they can neither convert their state nor go on with it.
    pub restarts: Vec<Atom>,
    /// Supervisors that take new flags and children.
    pub supervisors: Vec<Supervisor>,
    /// Applications that begin, change or end.
    pub applications: Applications,
    /// Changed environment of applications, those that are added included.
    pub environment: Vec<Environment>,
    /// Changed folders of code, in the order in which they are done.
    pub code_paths: Vec<CodePath>,
    /// Variables of the operating system's environment, and their values; none: it is unset.
    pub os_environment: Vec<(String, Option<String>)>,
    /// Functions that are called when the children of supervisors are as they shall be.
    pub calls: Vec<Apply>,
    /// The install that is finished in the node and not acknowledged, whose place this one takes: that which it undoes.
    pub after: Option<String>,
    /// Before which step it waits until it is [told to go on](crate::Installer::proceed): so that several nodes can be
    /// ready before the first begins. Its deadline does not wait.
    pub hold: Option<Step>,
    /// How long things may take, and how much they may be.
    pub bounds: Bounds,
}

impl Instructions {
    /// That nothing is done.
    pub fn new(id: impl Into<String>, direction: Direction) -> Self {
        Self {
            id: id.into(),
            direction,
            modules: Vec::new(),
            deleted: Vec::new(),
            processes: Vec::new(),
            restarts: Vec::new(),
            supervisors: Vec::new(),
            applications: Applications::default(),
            environment: Vec::new(),
            code_paths: Vec::new(),
            os_environment: Vec::new(),
            calls: Vec::new(),
            after: None,
            hold: None,
            bounds: Bounds::default(),
        }
    }
}

/// Whether state is converted to a newer or an older version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To a newer one: by the new code, after it is loaded, as `code_change(Vsn, …)`.
    Up,
    /// To an older one: by the code that runs, before the older is loaded, as `code_change({down, Vsn}, …)`.
    Down,
}

/// Code of a module.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    /// The object code: a `.beam` file's bytes.
    pub object: Bytes,
    /// The file that the node shall say it is from.
    pub file: String,
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.file, self.object.len())
    }
}

/// A module that is loaded.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name.
    pub name: Atom,
    /// What is loaded.
    pub code: Code,
    /// What it replaces; none when the module is new.
    pub before: Option<Before>,
}

/// What a module is before the step.
#[derive(Clone, Debug)]
pub struct Before {
    /// `module_info(md5)` of what runs. A node that runs something else refuses the step.
    pub md5: [u8; 16],
    /// What is loaded again when the step fails. Without it such a step needs a full deployment.
    pub code: Option<Code>,
}

/// A module that is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// Its name.
    pub name: Atom,
    /// `module_info(md5)` of what runs.
    pub md5: [u8; 16],
}

/// Processes of a behaviour, by their callback module, supervised or not.
#[derive(Clone, Debug)]
pub struct Processes {
    /// The callback module.
    pub module: Atom,
    /// What it is the module of.
    pub behaviour: Behaviour,
    /// How their state is converted; none: they keep it, and only stand still while code is loaded.
    pub convert: Option<Convert>,
}

/// What a callback module is the module of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Of `gen_server`, `gen_statem` and the like, and of special processes (`sys`).
    Server,
    /// Of handlers in processes of `gen_event`.
    Handler,
}

/// How a state is converted: what `code_change` is called with.
#[derive(Clone, Debug)]
pub struct Convert {
    /// The older version's `vsn` attribute, in both directions.
    pub vsn: Term,
    /// `Extra`.
    pub extra: Term,
}

/// A supervisor whose flags and children become those of the new code.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// Which.
    pub which: Which,
    /// What its `init/1` is called with from now on: for one whose children no module holds, as the usual root of an
    /// Elixir application: `{ok, {Flags, ChildSpecs}}`. None: what it was started with.
    pub argument: Option<Term>,
    /// Ids of children that are stopped and started again when everybody has resumed: such as can neither convert their
    /// state nor go on with it.
    pub restart: Vec<Term>,
}

/// Which supervisors are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All with this callback module.
    Module(Atom),
    /// The one that is registered by this name.
    Name(Atom),
    /// The first process of this application.
    RootOf(Atom),
}

/// Applications that begin, change or end. A specification is what is in an `.app` file: `{application, Name, Keys}`.
#[derive(Clone, Debug, Default)]
pub struct Applications {
    /// Loaded and started, in this order: before anybody stands still, or, where their code names what is exchanged, when
    /// everybody has resumed.
    pub added: Vec<AddedApplication>,
    /// Of which the version, modules and other keys change. Their `env` is not taken: [`Instructions::environment`] says
    /// what changes there.
    pub changed: Vec<Term>,
    /// Stopped before anybody stands still, the last first, and started again in this order when everybody goes on: their
    /// connections drop, and their states are lost. They are started again too when it is undone.
    pub restarted: Vec<Atom>,
    /// Stopped and unloaded, in this order, when nobody is in the code before ([`Bounds::linger`]) and children of
    /// supervisors have changed.
    pub removed: Vec<Atom>,
}

/// An application that begins.
#[derive(Clone, Debug)]
pub struct AddedApplication {
    /// Its specification.
    pub specification: Term,
    /// How it is started.
    pub start: StartType,
}

/// How an application of a release is started (OTP, `rel(4)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartType {
    /// The node ends when it ends.
    Permanent,
    /// The node ends when it ends abnormally.
    Transient,
    /// It may end.
    Temporary,
    /// It is loaded only.
    Load,
    /// Neither: its code is there.
    None,
}

/// Changed environment of an application.
#[derive(Clone)]
pub struct Environment {
    /// Its name.
    pub application: Atom,
    /// Keys and their new values.
    pub set: Vec<(Atom, Term)>,
    /// Keys that go.
    pub unset: Vec<Atom>,
}

/// Values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<_> = self.set.iter().map(|(key, _)| key).collect();
        write!(f, "{:?}: {set:?} without {:?}", self.application, self.unset)
    }
}

/// A folder of code: an `ebin`, or that of consolidated protocols.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodePath {
    /// One takes another's place.
    Replace {
        /// Which is in the code path now; compared as absolute paths.
        old: String,
        /// What comes in its place.
        new: String,
    },
    /// A new one, before all others: for consolidated protocols.
    First(String),
    /// A new one, after all others.
    Last(String),
    /// One goes.
    Remove(String),
}

/// A call.
#[derive(Clone, Debug)]
pub struct Apply {
    /// The module.
    pub module: Atom,
    /// The function.
    pub function: Atom,
    /// The arguments.
    pub arguments: Vec<Term>,
}

/// How long things may take, and how much they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For the whole step. When it is over, all is undone as far as possible and everybody resumes.
    pub deadline: Duration,
    /// For all processes to say that they are suspended: so long they may stand still because of one.
    pub suspend: Duration,
    /// For all processes to convert their state.
    pub convert: Duration,
    /// For an answer of a process that is asked something, `config_change/3`, a child or application that starts or
    /// stops, a call.
    pub patience: Duration,
    /// How long what goes (children, applications, modules, keys of the environment) is kept at most for processes that are
    /// still in the code before, which may use it.
    pub linger: Duration,
    /// Most memory of processes whose state is kept for an undo while it is converted, bytes in all. With more, nothing is
    /// kept, and a step that fails after the first state was converted needs a full deployment.
    pub most_saved_bytes: u64,
    /// How much of states, tables and the like is looked at for stored functions, bytes in all.
    pub most_scanned_bytes: u64,
    /// Most findings of each kind that are told one by one.
    pub most_told: u16,
    /// How long the result is kept in the node when nobody acknowledges it.
    pub keep: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(120),
            suspend: Duration::from_secs(5),
            convert: Duration::from_secs(15),
            patience: Duration::from_secs(5),
            linger: Duration::from_secs(5),
            most_saved_bytes: 64 << 20,
            most_scanned_bytes: 64 << 20,
            most_told: 20,
            keep: Duration::from_secs(3600),
        }
    }
}
