//! What a hot upgrade would do, and whether it should be done: the outcome of planning.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::finding::{Finding, Severity};
use crate::planner::judge;
use crate::policy::Policy;

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The release's name.
    pub release: String,
    /// The version that runs.
    pub from: String,
    /// The version to be installed.
    pub to: String,
    /// Whether it is done hot.
    pub verdict: Verdict,
    /// How deep it reaches; [`Level::Full`] exactly when the verdict is [`Verdict::Full`].
    pub level: Level,
    /// What was found, the weightiest first.
    pub findings: Vec<Finding>,
    /// What is done on the node, as one group. With [`Verdict::Full`]: what would be done if every block were forced.
    pub steps: Steps,
}

/// Whether an upgrade is done hot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// The running node becomes what a start of the new version would be.
    #[serde(rename = "hot")]
    Hot,
    /// Hot, and something differs from a start of the new version: see the findings of care.
    #[serde(rename = "hot with care")]
    Care,
    /// A full deployment is right.
    #[serde(rename = "full")]
    Full,
}

/// How deep an upgrade reaches into the node: the lowest that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing differs that a running node could tell.
    Nothing,
    /// Configuration, files in `priv`, code paths.
    Config,
    /// Modules are loaded; no process notices.
    Load,
    /// Processes are suspended and their states converted.
    Convert,
    /// Children of supervisors are started, stopped or restarted.
    Children,
    /// Applications are started, stopped or restarted within the VM.
    Applications,
    /// All of the node: a full deployment.
    Full,
}

/// What is done on the node, as one group: soft purge of [`Self::purge`] and prepare; suspend the processes of
/// [`Self::conversions`]; write the environment; load; convert; code paths; resume; then `config_change/3`, children and
/// applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    /// Modules to be loaded, callees before callers.
    pub load: Vec<Load>,
    /// Modules that are gone; deleted after everything else.
    pub delete: Vec<Gone>,
    /// Modules whose processes are suspended, and how their states are converted.
    pub conversions: Vec<Conversion>,
    /// Supervisors whose children are compared with what they now say.
    pub supervisors: Vec<Reconcile>,
    /// Modules whose supervised processes are restarted, with the loss of their states.
    pub restarts: BTreeSet<String>,
    /// Configuration.
    pub environment: Environment,
    /// Applications.
    pub applications: Applications,
    /// Where each application's folder is in the new release, from its root: every code path changes, because each
    /// release has a root of its own. For an application that is new or in another folder than before.
    pub folders: BTreeMap<String, String>,
    /// Whether the release has consolidated protocols, whose folder comes before all others in the code path.
    pub has_protocols: bool,
    /// Modules whose old code must be gone before: all that are loaded over others or deleted.
    pub purge: BTreeSet<String>,
    /// Calls that an appup asks for, after everything is loaded.
    pub calls: Vec<Call>,
}

/// A module to be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// The application that it is of.
    pub application: String,
    /// Its name.
    pub module: String,
    /// Its file, from the release's root.
    pub file: String,
    /// What runs now ([`crate::inventory::Module::digest`]); `None` when the module is new.
    pub from: Option<Digest>,
    /// What is loaded.
    pub to: Digest,
    /// Other modules of the group that it calls.
    pub calls: BTreeSet<String>,
    /// Functions that differ, by name and number of arguments.
    pub functions: Vec<String>,
    /// Whether it is a consolidated protocol.
    pub is_protocol: bool,
    /// Whether it runs a function when it is loaded: such a module cannot be loaded together with others.
    pub has_on_load: bool,
    /// Who says so.
    pub source: Source,
}

/// A module that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The application that it was of.
    pub application: String,
    /// Its name.
    pub module: String,
    /// What runs now.
    pub from: Digest,
}

/// Processes of a module are suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The application that the module is of.
    pub application: String,
    /// The module, whose processes are found by it.
    pub module: String,
    /// Its behaviour, for people.
    pub behaviour: String,
    /// How; `None`: they are only suspended while all is loaded.
    pub convert: Option<Convert>,
    /// Who says so.
    pub source: Source,
}

/// A call of `sys:change_code(Process, Module, OldVsn, Extra)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convert {
    /// Whether it goes up (the new module converts, after it was loaded) or down (the old one converts, before).
    pub direction: Direction,
    /// `OldVsn` as Erlang text: the `vsn` of the version that runs (up), of the one that comes (down, inside of
    /// `{down, Vsn}`).
    pub vsn: String,
    /// `Extra`, as Erlang text.
    pub extra: String,
}

/// The way of a conversion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To a version that knows the state of the one before.
    #[default]
    Up,
    /// Back to a version that does not know the later one's.
    Down,
}

/// A supervisor whose children are compared with what it now says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reconcile {
    /// The application.
    pub application: String,
    /// Its callback module; for [`Children::OfStart`] the application's.
    pub module: String,
    /// Who says which children there are.
    pub children: Children,
}

/// Who says which children a supervisor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Children {
    /// `Module:init(Arguments)`, called in the node.
    OfInit,
    /// `Module:start(Type, Arguments)` of the application, called in a throwaway VM with the start of its supervisor
    /// caught.
    OfStart,
}

/// What changes of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Keys whose static values differ, are new or are gone, by application.
    pub keys: BTreeMap<String, BTreeSet<String>>,
    /// Files that compute or include more of it: what they give is known only when they have run.
    pub computed: BTreeSet<String>,
}

/// What happens to applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applications {
    /// Loaded and, as far as the release starts them, started, in this order.
    pub added: Vec<String>,
    /// Stopped and unloaded, in this order: each before those that it needs.
    pub removed: Vec<String>,
    /// Stopped before the modules are loaded, the last one first, and started after, in this order: each after those that it
    /// needs.
    pub restarted: Vec<String>,
    /// Loaded ones that get the new version's resource file.
    pub refreshed: Vec<String>,
}

/// A call that an appup asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The application whose appup it is.
    pub application: String,
    /// Module.
    pub module: String,
    /// Function.
    pub function: String,
    /// Its arguments, a list as Erlang text.
    pub arguments: String,
}

/// Who says what is done about a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The planner, from the modules.
    Planned,
    /// The package's appup.
    Appup,
    /// The operator's settings.
    Settings,
}

impl Plan {
    /// The same with more that was found, as a look at the running node does.
    #[must_use]
    pub fn with(mut self, found: impl IntoIterator<Item = Finding>, policy: &Policy) -> Self {
        self.findings.extend(found);
        (self.findings, self.verdict, self.level) = judge(self.findings, &self.steps, policy);
        self
    }
}

impl Verdict {
    /// Its words.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Hot => "hot",
            Verdict::Care => "hot with care",
            Verdict::Full => "full",
        }
    }

    /// What follows from findings.
    pub(crate) fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Block) => Verdict::Full,
            Some(Severity::Care) => Verdict::Care,
            Some(Severity::Note) | None => Verdict::Hot,
        }
    }
}

impl Level {
    /// What people read.
    pub fn words(self) -> &'static str {
        match self {
            Level::Nothing => "nothing to do",
            Level::Config => "configuration only",
            Level::Load => "load code",
            Level::Convert => "suspend, convert state",
            Level::Children => "reconcile children",
            Level::Applications => "start or stop applications in the VM",
            Level::Full => "full deployment",
        }
    }
}

impl Steps {
    /// The way that all conversions go; up when there are none. A plan with conversions of both ways is
    /// [full](crate::finding::Code::BothWays).
    pub fn direction(&self) -> Direction {
        let converts = self.conversions.iter().filter_map(|conversion| conversion.convert.as_ref());
        let mut ways = converts.map(|convert| convert.direction);
        if ways.any(|way| way == Direction::Down) { Direction::Down } else { Direction::Up }
    }

    /// The lowest level that does all of this.
    pub fn level(&self) -> Level {
        let Applications { added, removed, restarted, refreshed } = &self.applications;
        if !(added.is_empty() && removed.is_empty() && restarted.is_empty()) {
            return Level::Applications;
        }
        if !(self.supervisors.is_empty() && self.restarts.is_empty()) {
            return Level::Children;
        }
        if !(self.conversions.is_empty() && self.calls.is_empty()) {
            return Level::Convert;
        }
        if !(self.load.is_empty() && self.delete.is_empty()) {
            return Level::Load;
        }
        let Environment { keys, computed } = &self.environment;
        let is_quiet = keys.is_empty() && computed.is_empty() && self.folders.is_empty();
        if is_quiet && refreshed.is_empty() { Level::Nothing } else { Level::Config }
    }
}
