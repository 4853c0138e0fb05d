//! In what two releases differ, by content: what a version number says counts for nothing.

mod compare;
mod missing;
mod sets;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use sets::{Keys, Names};

use crate::function::FunctionName;
use crate::inventory::{Kind, Release, StartType};

/// In what two releases differ. What is the same is not mentioned; two equal ones give the [`Default`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Their names.
    pub name: Option<Change<String>>,
    /// Their versions.
    pub version: Option<Change<String>>,
    /// What made them.
    pub kind: Option<Change<Kind>>,
    /// In what they run on.
    pub runtime: RuntimeDifference,
    /// Applications that only one has, or that differ.
    pub applications: BTreeMap<String, ApplicationChange>,
    /// Whether those that both have are started in another order.
    pub has_other_start_order: bool,
    /// Modules that went from one application to another.
    pub moved: BTreeMap<String, Move>,
    /// Consolidated protocols.
    pub protocols: Modules,
    /// What configures them at their start.
    pub configuration: ConfigurationDifference,
    /// Calls of functions that the old release has and the new one has not, in modules of the new one.
    pub missing: Vec<MissingFunction>,
}

/// Something before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<T> {
    /// Before.
    pub old: T,
    /// After.
    pub new: T,
}

/// In what two releases differ that the node itself is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeDifference {
    /// The version of ERTS.
    pub erts: Option<Change<Option<String>>>,
    /// Whether they carry ERTS with other content, or only one carries it.
    pub has_other_erts_content: bool,
    /// OTP's release.
    pub otp: Option<Change<Option<String>>>,
}

/// What became of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationChange {
    /// Only the new release has it.
    Added,
    /// Only the old release has it.
    Removed,
    /// Both have it.
    Changed(Box<ApplicationDifference>),
}

/// In what an application differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationDifference {
    /// Its version. `None` while anything else differs: another build of the same version.
    pub version: Option<Change<String>>,
    /// How the release starts it.
    pub start_type: Option<Change<StartType>>,
    /// Whether its start calls another module, or with another argument.
    pub has_other_callback: bool,
    /// Whether it has other start phases.
    pub has_other_start_phases: bool,
    /// Defaults of its parameters.
    pub environment: Keys,
    /// Applications that must be started before it, included or optional ones among them.
    pub applications: Names,
    /// Names that its processes register.
    pub registered: Names,
    /// Its modules. One that moved to another application is removed here and added there.
    pub modules: Modules,
    /// Files in its `priv` that are no native libraries.
    pub private: Keys,
    /// Native libraries in its `priv`.
    pub native_libraries: Keys,
}

/// In what sets of modules differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modules {
    /// Only there afterwards.
    pub added: BTreeSet<String>,
    /// Only there before.
    pub removed: BTreeSet<String>,
    /// With other code or attributes.
    pub changed: BTreeMap<String, ModuleDifference>,
    /// Of which only line numbers or names of source files differ: loading them changes nothing but stack traces.
    pub only_lines: BTreeSet<String>,
}

/// In what a module differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleDifference {
    /// Whether its code differs; else only its attributes do.
    pub has_other_code: bool,
    /// Whether it has other attributes, `vsn` aside.
    pub has_other_attributes: bool,
    /// A `vsn` that an author wrote, before or after.
    pub vsn: Option<Change<Option<String>>>,
    /// Behaviours.
    pub behaviours: Names,
    /// Functions that others may call.
    pub exports: Functions,
    /// Functions, also those that are not exported.
    pub functions: Functions,
    /// Those of [`Self::functions`] that were changed in numbers, strings or binaries only.
    pub only_values: BTreeSet<FunctionName>,
    /// Fields of its struct, by name and default; added and removed ones when there is a struct on one side only.
    pub structure: Keys,
    /// Whether its struct differs in a way that [`Self::structure`] does not show: there is one on one side only, or its
    /// defaults are made when it is asked for, by a function that changed.
    pub has_other_structure: bool,
    /// Functions of the old version that closures are made of and that the new one has not, or has with other code or
    /// other values closed over.
    pub closures: BTreeSet<FunctionName>,
}

/// In what sets of functions differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Functions {
    /// Only there afterwards.
    pub added: BTreeSet<FunctionName>,
    /// Only there before.
    pub removed: BTreeSet<FunctionName>,
    /// With other code (none among exports).
    pub changed: BTreeSet<FunctionName>,
}

/// A module that went from one application to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The application that had it.
    pub from: String,
    /// The application that has it.
    pub to: String,
    /// In what it differs; `None` when it is the same.
    pub difference: Option<ModuleDifference>,
}

/// In what differs what configures a release at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationDifference {
    /// Parameters of the static configuration by application. Empty as well when one of the two could not be read: then
    /// `sys.config` is among [`Self::files`].
    pub environment: BTreeMap<String, Keys>,
    /// Whether other files are included.
    pub has_other_includes: bool,
    /// The files themselves, `sys.config` only when its content could not be read on both sides.
    pub files: Keys,
}

/// A call of a function that is not there any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingFunction {
    /// The module that calls it.
    pub caller: String,
    /// The application of that module.
    pub application: String,
    /// Whether the calling module is the same in both releases.
    pub is_caller_unchanged: bool,
    /// The module that it was in.
    pub module: String,
    /// The function.
    pub function: FunctionName,
}

impl Difference {
    /// In what `new` differs from `old`.
    pub fn between(old: &Release, new: &Release) -> Self {
        compare::releases(old, new)
    }

    /// Whether the releases are the same but for their names, versions and line numbers.
    pub fn is_empty(&self) -> bool {
        let Self {
            name: _,
            version: _,
            kind,
            runtime,
            applications,
            has_other_start_order,
            moved,
            protocols,
            configuration,
            missing,
        } = self;
        kind.is_none()
            && *runtime == RuntimeDifference::default()
            && applications.values().all(ApplicationChange::is_empty)
            && !has_other_start_order
            && moved.is_empty()
            && protocols.is_empty()
            && *configuration == ConfigurationDifference::default()
            && missing.is_empty()
    }

    /// Modules of both releases that differ: application, name, in what. Protocols and moved ones are not among them.
    pub fn changed_modules(&self) -> impl Iterator<Item = (&str, &str, &ModuleDifference)> {
        self.applications.iter().flat_map(|(application, change)| {
            let modules = change.changed().map(|difference| &difference.modules.changed);
            modules.into_iter().flatten().map(move |(name, it)| (application.as_str(), name.as_str(), it))
        })
    }
}

impl ApplicationChange {
    /// In what it differs, if both have it.
    pub fn changed(&self) -> Option<&ApplicationDifference> {
        match self {
            Self::Changed(difference) => Some(difference),
            Self::Added | Self::Removed => None,
        }
    }

    /// Whether it is the same but for its version and line numbers.
    fn is_empty(&self) -> bool {
        self.changed().is_some_and(|difference| {
            let only_lines = difference.modules.only_lines.clone();
            let modules = Modules { only_lines, ..Modules::default() };
            let version = difference.version.clone();
            *difference == ApplicationDifference { version, modules, ..ApplicationDifference::default() }
        })
    }
}

impl ApplicationDifference {
    /// Whether its files differ under the same version, which `systools` would pass over.
    pub fn is_rebuilt(&self) -> bool {
        self.version.is_none()
    }
}

impl Modules {
    /// Whether they are the same but for line numbers.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

impl<T: PartialEq + Clone> Change<T> {
    /// The change from `old` to `new`; `None` when they are equal.
    pub fn of(old: &T, new: &T) -> Option<Self> {
        (old != new).then(|| Self { old: old.clone(), new: new.clone() })
    }
}
