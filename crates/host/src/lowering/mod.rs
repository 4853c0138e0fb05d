//! From a plan to what a node is told: the [`Plan`] of two versions with what their folders hold, made to
//! [`Instructions`].
//!
//! ```text
//! inventories ─▶ upgrade::plan ─▶ Plan ─┐
//! the versions' folders ────────────────┼─▶ lower ─▶ hot::Instructions ─▶ hot::Installer
//! what VMs told (Told) ─────────────────┘
//! ```
//!
//! Nothing is decided here: a plan that blocks is lowered too, as one that is forced. What cannot be said by files alone
//! comes in [`Told`], and its absence is an error, never a guess.

mod applications;
mod code_paths;
mod environment;
mod files;
mod live;
mod modules;
mod os_environment;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use beam::Term;
use hot::{Direction, Instructions};
use upgrade::inventory::Release;
use upgrade::plan::{Children, Plan};

pub use environment::{computes, environments};
pub use live::{live, not_reached};

/// A version, and where the node has it.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    /// What it is.
    pub release: &'a Release,
    /// The release's root as the node sees it, absolute: what its `RELEASE_ROOT` is, or shall be.
    pub root: &'a Path,
}

/// What a version configures when it starts: values by application and key.
pub type Environments = BTreeMap<String, BTreeMap<String, Term>>;

/// What only a VM can tell.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What starts of the old and of the new version configure, where files compute it (`runtime.exs`, config providers,
    /// templates).
    pub environments: Option<(Environments, Environments)>,
    /// What the `init/1` of the root supervisors of applications would be given, for those whose children no module holds:
    /// `{ok, {Flags, ChildSpecs}}`.
    pub roots: BTreeMap<String, Term>,
    /// Variables of the environment that the new version would be started with and the old one was not, and those that it
    /// would not.
    pub variables: Vec<(String, Option<String>)>,
}

/// Why a plan cannot be made to instructions.
#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    /// A file of a version cannot be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of a version holds something else than it should.
    #[error("{path} {problem}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A node cannot be told the path.
    #[error("the path {} is no text, which a node could be told", path.display())]
    Path {
        /// Which.
        path: PathBuf,
    },
    /// The plan names what the versions do not have: it is another pair's.
    #[error("the plan names {what}, which {version} does not have: it was made of other packages")]
    Foreign {
        /// A module or an application.
        what: String,
        /// The version.
        version: String,
    },
    /// A term of the plan cannot be read.
    #[error("the plan says {text:?} for {what}, which is no Erlang term")]
    Text {
        /// What it is for.
        what: String,
        /// What it says.
        text: String,
    },
    /// Some states go up and some down.
    #[error("{up} converts its state to a newer version and {down} to an older one: no upgrade does both")]
    BothWays {
        /// A module.
        up: String,
        /// Another.
        down: String,
    },
    /// What configures the version computes it, and nobody has told what.
    #[error("{what} computes the configuration of {version}, and what it gives is not known")]
    Computed {
        /// The files.
        what: String,
        /// The version.
        version: String,
    },
    /// The children of a root supervisor are made when its application starts, and nobody has told which.
    #[error("{application} makes the children of its root supervisor when it starts, and which is not known")]
    RootChildren {
        /// The application.
        application: String,
    },
}

/// What a node is told to become the new version. Reads the versions' files: it blocks.
///
/// # Errors
/// A file cannot be read, the plan is none of these versions, or something is missing that only a VM can tell.
pub fn lower(
    id: &str,
    plan: &Plan,
    old: Version<'_>,
    new: Version<'_>,
    told: &Told,
) -> Result<Instructions, LowerError> {
    let mut instructions = touched(id, plan, old, new)?;
    for supervisor in &mut instructions.supervisors {
        if let hot::Which::RootOf(application) = &supervisor.which {
            let application = application.as_str();
            let argument = told.roots.get(application);
            let unknown = || LowerError::RootChildren { application: application.to_owned() };
            supervisor.argument = Some(argument.ok_or_else(unknown)?.clone());
        }
    }
    instructions.applications = applications::lower(plan, new)?;
    instructions.environment = environment::lower(plan, old, new, told)?;
    instructions.code_paths = code_paths::lower(old, new)?;
    instructions.os_environment = os_environment::lower(new)?;
    instructions.os_environment.extend(told.variables.iter().cloned());
    instructions.calls = modules::calls(plan)?;
    Ok(instructions)
}

/// As [`lower`], as far as a [preflight](hot::Installer::preflight) asks: modules, processes, supervisors. It needs no VM.
///
/// # Errors
/// As those of [`lower`].
pub fn touched(
    id: &str,
    plan: &Plan,
    old: Version<'_>,
    new: Version<'_>,
) -> Result<Instructions, LowerError> {
    let (direction, processes) = modules::processes(plan)?;
    let mut instructions = Instructions::new(id, direction.unwrap_or(Direction::Up));
    instructions.modules = modules::loaded(plan, old, new)?;
    instructions.deleted = modules::deleted(plan, old)?;
    instructions.processes = processes;
    instructions.restarts = plan.steps.restarts.iter().map(|module| module.as_str().into()).collect();
    instructions.supervisors = plan.steps.supervisors.iter().map(supervisor).collect();
    Ok(instructions)
}

fn supervisor(reconcile: &upgrade::plan::Reconcile) -> hot::Supervisor {
    let which = match reconcile.children {
        Children::OfInit => hot::Which::Module(reconcile.module.as_str().into()),
        Children::OfStart => hot::Which::RootOf(reconcile.application.as_str().into()),
    };
    hot::Supervisor { which, argument: None, restart: Vec::new() }
}

/// One term of Erlang text.
fn term(what: &str, text: &str) -> Result<Term, LowerError> {
    let terms = beam::text::consult(format!("{text} .").as_bytes()).ok();
    let one = terms.and_then(|mut terms| if terms.len() == 1 { terms.pop() } else { None });
    one.ok_or_else(|| LowerError::Text { what: what.to_owned(), text: text.to_owned() })
}
