//! What a release is, as far as a hot upgrade asks: its applications, modules, configuration and runtime.
//!
//! Everything is told by content, never by version or time, so that two inventories are equal exactly when nothing
//! that counts differs. An inventory can be kept in a file; it holds digests, not values, of what may be secret.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::function::FunctionName;

/// A release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What made it.
    pub kind: Kind,
    /// What it runs on.
    pub runtime: Runtime,
    /// Its applications by name. A release of mix or rebar3 lists OTP's own among them; a shipment of Gleam has none
    /// of these.
    pub applications: BTreeMap<String, Application>,
    /// Names of the applications in the order of the `.rel`; for a shipment by name. Those that others need need not come
    /// first: see [`Release::in_order`].
    pub start_order: Vec<String>,
    /// Consolidated protocols (mix, `releases/VERSION/consolidated`) by module name. Each takes the place of the module of
    /// the same name in its application.
    pub protocols: BTreeMap<String, Module>,
    /// What configures it at its start.
    pub configuration: Configuration,
}

/// What made a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `mix release`.
    Mix,
    /// `rebar3 tar` (relx).
    Rebar,
    /// `gleam export erlang-shipment`.
    Gleam,
}

/// What a release runs on. The versions of Elixir and of OTP's parts are those of their applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Version of ERTS that the `.rel` names, whether the release carries it or not.
    pub erts: Option<String>,
    /// What its `erts-*` folder holds (digest of names and contents); `None` when it carries no ERTS.
    pub erts_content: Option<Digest>,
    /// OTP's release, `25` or more precisely, as far as something in the package says so.
    pub otp: Option<String>,
}

/// What configures a release at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The static configuration, `sys.config`: per application and key a digest of the value's text. `None` when the file is
    /// not there, or no list of terms (a template of relx, whose variables are replaced at the start).
    ///
    /// The release's version inside the value of `elixir`'s `config_provider_init` counts as no change.
    pub environment: Option<BTreeMap<String, BTreeMap<String, Digest>>>,
    /// Further files that `sys.config` names; what they say is not known here.
    pub included: Vec<String>,
    /// Digests of the files beside it that say how to start: `sys.config`, `runtime.exs`, `vm.args`, `remote.vm.args`,
    /// `env.sh` and their templates (`.src`), by name. The version of the release is part of none of them as mix and
    /// rebar3 write them, except of `sys.config` of mix: use [`Self::environment`] for that.
    pub files: BTreeMap<String, Digest>,
}

/// How an application of a release is started (`.rel`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartType {
    /// Started; the node ends with it.
    Permanent,
    /// Started; the node ends with it when it fails.
    Transient,
    /// Started; its end is only reported.
    Temporary,
    /// Loaded and not started.
    Load,
    /// Its modules are loaded, it is not.
    None,
}

/// An application of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its version, as its `.app` says.
    pub version: String,
    /// Where it is, from the release's root: `lib/shop-1.0.0`; for a shipment `erlang-shipment/shop` or `shop`.
    pub folder: String,
    /// How the release starts it; [`StartType::Temporary`] in a shipment, where
    /// `application:ensure_all_started/1` does it.
    pub start_type: StartType,
    /// What its start calls (`mod`).
    pub callback: Option<Callback>,
    /// Its defaults (`env` of the `.app`): a digest of each value's text.
    pub environment: BTreeMap<String, Digest>,
    /// Digest of `start_phases`, if it has any.
    pub start_phases: Option<Digest>,
    /// Applications that must be started before it.
    pub applications: BTreeSet<String>,
    /// Applications that it starts by itself.
    pub included_applications: BTreeSet<String>,
    /// Those of [`Self::applications`] that may be missing.
    pub optional_applications: BTreeSet<String>,
    /// Names that its processes register.
    pub registered: BTreeSet<String>,
    /// The modules in its `ebin` by the names of their files. One that is damaged is among them, see [`Module::unread`].
    pub modules: BTreeMap<String, Module>,
    /// Files in its `priv` by their paths there, with digests of their contents (the first half of a SHA-256).
    pub private: BTreeMap<String, Digest>,
    /// Those of [`Self::private`] that are native libraries (`.so`): NIFs and drivers.
    pub native_libraries: BTreeSet<String>,
    /// Text of its `.appup`, which [`beam::appup::parse`] reads.
    pub appup: Option<String>,
}

/// What the start of an application calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// The module.
    pub module: String,
    /// Digest of the argument's text.
    pub argument: Digest,
}

/// A compiled module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// What its code is: equal to `beam_lib:md5/1` and to `Module:module_info(md5)`. Atoms, code, literals, imports, exports,
    /// funs and the chunk `Meta` (which `mix release` strips) count; attributes, line numbers, debug information,
    /// documentation and the compiler do not.
    pub digest: Digest,
    /// Digest of its attributes but `vsn`.
    pub attributes: Digest,
    /// Its `vsn` attribute as Erlang text. The compiler's own is made of the digest, so only one that an author
    /// wrote says something: see [`Self::has_own_vsn`].
    pub vsn: Option<String>,
    /// Whether an author wrote the `vsn`: the compiler's is one integer of more than 63 bits.
    pub has_own_vsn: bool,
    /// Digest of its line numbers and file names; `None` when the release was stripped of them.
    pub lines: Option<Digest>,
    /// Behaviours that it declares, `gen_server`, `Elixir.Supervisor`, …; of a module that was stripped of its attributes
    /// those of OTP whose callbacks it exports.
    pub behaviours: BTreeSet<String>,
    /// What others may call.
    pub exports: BTreeSet<FunctionName>,
    /// What it calls of other modules by name, per module.
    pub imports: BTreeMap<String, BTreeSet<FunctionName>>,
    /// Its functions, also those that are not exported. Empty when [`Self::unread`] is set.
    pub functions: BTreeMap<FunctionName, Function>,
    /// Functions of its own that it makes closures of: such a closure dies with this version of the module.
    pub closures: Vec<Closure>,
    /// What it has for converting a state.
    pub code_change: CodeChange,
    /// Whether it exports `system_code_change/4`: a special process (`sys`, `proc_lib`).
    pub is_special_process: bool,
    /// The fields of its struct in Elixir, with their defaults as Erlang text. `None` when it has no struct, or one whose
    /// `__struct__/0` gives no literal (then only the digest of that function says whether it changed).
    pub structure: Option<BTreeMap<String, String>>,
    /// Tuples that its code takes for records: of which name, and of how many elements (with the name). Only those
    /// whose name and size are tested together, as patterns of records are.
    pub records: BTreeMap<String, BTreeSet<u32>>,
    /// Tuples that begin with an atom and that it builds, in code or literals, likewise.
    pub records_built: BTreeMap<String, BTreeSet<u32>>,
    /// Keys of maps in its code.
    pub maps: MapKeys,
    /// Sizes of tuples in its code that have no name.
    pub tuples: TupleSizes,
    /// Modules of Elixir that it names in code or literals (atoms that begin with `Elixir.`), but for itself: who may
    /// hold a struct of another is among those that name it.
    pub mentions: BTreeSet<String>,
    /// Whether it runs a function when it is loaded (`-on_load`).
    pub has_on_load: bool,
    /// Whether it loads a native library (calls `erlang:load_nif/2`).
    pub loads_nif: bool,
    /// Whether one of its functions has a `receive`: a process that waits there holds this version of the module.
    pub receives: bool,
    /// Why its instructions were not read (an instruction newer than we know, or damage). Then what only they tell is
    /// missing: [`Self::functions`], records, structs, and a conversion counts as an author's own. Of a file that is no
    /// module at all nothing is known but its content.
    pub unread: Option<String>,
}

/// A function of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// The same for functions of the same instructions: labels, places in tables and line numbers do not count, so that
    /// a function that nobody changed is the same in a module that somebody did. Only equality means something.
    pub digest: u64,
    /// The same for functions that differ in numbers, strings and binaries only, also those in literals. Atoms, sizes
    /// of tuples and keys of maps count.
    pub skeleton: u64,
    /// Functions of the same module that it calls or makes closures of, but for itself.
    pub calls: BTreeSet<FunctionName>,
}

/// Sizes of tuples in a module's code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TupleSizes {
    /// Of those that it builds with something else than an atom in front, outside of literals.
    pub built: BTreeSet<u32>,
    /// Of those whose size it tests by itself, as patterns without a name do.
    pub demanded: BTreeSet<u32>,
}

/// Keys of maps in a module's code: those that are atoms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapKeys {
    /// Keys of maps that it builds or adds to, also in literals.
    pub built: BTreeSet<String>,
    /// Keys that a map must have: in patterns, in `map_get/2`, in updates (`M#{K := V}`, `%{m | k: v}`).
    pub read: BTreeSet<String>,
}

/// A closure that a module makes, `fun(X) -> … end` or `fun name/1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Closure {
    /// The function that holds its code. Its arguments are those of the closure, then what that closes over.
    pub function: FunctionName,
    /// How many arguments the closure takes.
    pub arity: u8,
    /// How many values it closes over.
    pub free: u8,
}

/// What a module has for converting a state: `code_change/3` (`gen_server`, `gen_event`), `code_change/4`
/// (`gen_statem`, `gen_fsm`), `system_code_change/4` (special processes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeChange {
    /// Nothing.
    None,
    /// One that returns the state as it is: what `use GenServer` injects, and what Erlang's templates hold.
    Trivial,
    /// An author's own.
    Own,
}

impl Release {
    /// The application that has a module, and the module.
    pub fn module(&self, name: &str) -> Option<(&str, &Module)> {
        self.applications.iter().find_map(|(app, held)| Some((app.as_str(), held.modules.get(name)?)))
    }

    /// Names of the applications in the order of their start: each after those that it needs or includes, and else as
    /// [`Self::start_order`] has them (as `systools:make_script/2` sorts them). A walk by hand: a chain of applications may be
    /// longer than a stack is deep.
    pub fn in_order(&self) -> Vec<&String> {
        let mut begun: BTreeSet<&String> = BTreeSet::new();
        let mut sorted = Vec::with_capacity(self.start_order.len());
        for first in self.start_order.iter().filter(|name| self.applications.contains_key(*name)) {
            let mut path = if begun.insert(first) { vec![first] } else { Vec::new() };
            while let Some(&name) = path.last() {
                let application = &self.applications[name];
                let needed = application.applications.iter().chain(&application.included_applications);
                let mut known = needed.filter_map(|name| self.applications.get_key_value(name));
                match known.find(|(name, _)| begun.insert(name)) {
                    Some((next, _)) => path.push(next),
                    None => sorted.extend(path.pop()),
                }
            }
        }
        sorted
    }

    /// All modules: application, name, module. Consolidated protocols are not among them.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &str, &Module)> {
        self.applications.iter().flat_map(|(app, held)| {
            held.modules.iter().map(move |(name, module)| (app.as_str(), name.as_str(), module))
        })
    }
}

impl Module {
    /// A file of which nothing is known but its content, and why.
    pub fn opaque(content: &[u8], why: String) -> Self {
        Self {
            digest: Digest::of(content),
            attributes: Digest::of(&[]),
            vsn: None,
            has_own_vsn: false,
            lines: None,
            behaviours: BTreeSet::new(),
            exports: BTreeSet::new(),
            imports: BTreeMap::new(),
            functions: BTreeMap::new(),
            closures: Vec::new(),
            code_change: CodeChange::None,
            is_special_process: false,
            structure: None,
            records: BTreeMap::new(),
            records_built: BTreeMap::new(),
            maps: MapKeys::default(),
            tuples: TupleSizes::default(),
            mentions: BTreeSet::new(),
            has_on_load: false,
            loads_nif: false,
            receives: false,
            unread: Some(why),
        }
    }

    /// Whether it calls this function of another module by name.
    pub fn calls(&self, module: &str, function: &str, arity: u8) -> bool {
        let imported = self.imports.get(module);
        imported.is_some_and(|functions| functions.iter().any(|it| it.is(function, arity)))
    }

    /// Whether others may call this.
    pub fn exports(&self, function: &str, arity: u8) -> bool {
        self.exports.contains(&FunctionName::new(function, arity))
    }

    /// One of its functions.
    pub fn function(&self, name: &str, arity: u8) -> Option<&Function> {
        self.functions.get(&FunctionName::new(name, arity))
    }

    /// Whether it declares this behaviour, under Erlang's or Elixir's name of it.
    pub fn behaves_as(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.behaviours.contains(*name))
    }
}
