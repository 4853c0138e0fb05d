//! What shall be done. Each effect has an id, is journalled before it is done, and may be done twice.

use crate::settings::{Command, PreCommand};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hot::Hot;
use super::route::Route;
use super::version::Target;
use crate::names::{DeploymentId, EffectId, InstanceId, Place, Slot, VersionId};

/// Something to be done by a doer; its end comes back as [`super::Event::Done`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "effects are few, and each is looked at once")]
pub enum Effect {
    /// See that a version can run here: package verified and unpacked, runtime there, ports free, disk not full.
    Stage {
        /// What shall run.
        target: Target,
        /// Places and slots whose ports will be needed.
        places: Vec<(Place, Slot)>,
    },
    /// Run a command under a runner that outlives the daemon; never a second time.
    Run {
        /// Which command.
        run: Run,
    },
    /// End a command that an operator gave up, with its whole process tree.
    Halt {
        /// The effect that runs it.
        run: EffectId,
    },
    /// Lay out an instance's tree.
    Create {
        /// The instance.
        instance: InstanceId,
    },
    /// Tell an instance's shim to start it and to keep it running.
    Launch {
        /// The instance.
        instance: InstanceId,
    },
    /// End an instance: orderly within its `stop_timeout`, then by force; its whole process tree.
    Stop {
        /// The instance.
        instance: InstanceId,
    },
    /// Delete what an ended instance left (its tree; logs are rotated, not deleted here).
    Remove {
        /// The instance.
        instance: InstanceId,
    },
    /// Point the links of a place (`current`, `new`, `previous` and the log links) at these instances.
    Link {
        /// The place.
        place: Place,
        /// What they shall point at.
        links: Links,
    },
    /// Have the proxy serve this for the app instead of what it serves now. Ended when it is saved and every core of
    /// the proxy serves by it; at once, where the host has no proxy. Only the last one asked for counts: it takes the
    /// place of those before it, which nobody waits for any more.
    Route {
        /// What shall be served; `None`: nothing.
        route: Option<Route>,
    },
    /// Wait until nothing is in flight in an instance that a route drains, or until the time has come. It cannot fail:
    /// a proxy that is away has nothing in flight.
    Drain {
        /// The instance.
        instance: InstanceId,
        /// When it is waited for no longer.
        until: Timestamp,
    },
    /// Find out whether these instances can be upgraded hot. Nothing is changed. Its failure says why not.
    Plan {
        /// The instances.
        instances: Vec<InstanceId>,
        /// What runs in them.
        from: Target,
        /// What shall.
        to: Target,
        /// What is allowed.
        hot: Hot,
        /// Whether it goes back to a version that was registered before the running one.
        is_back: bool,
    },
    /// Take a running instance to another version; what its next start brings stays as it is. Ends with
    /// [`super::Outcome::Upgraded`]; failed, nothing has changed in it; unknown, nobody knows what runs in it. Where it
    /// was done before, that is how it ends.
    Upgrade {
        /// The instance.
        instance: InstanceId,
        /// Its run; in another one nothing is done.
        run: u32,
        /// The deployment, by whose number the node knows the upgrade.
        upgrade: DeploymentId,
        /// What runs in it.
        from: Target,
        /// What shall.
        to: Target,
        /// What is allowed.
        hot: Hot,
        /// Whether it goes back to a version that was registered before the running one.
        is_back: bool,
    },
    /// Take an instance back that was upgraded.
    Undo {
        /// The instance.
        instance: InstanceId,
        /// Its run.
        run: u32,
        /// The deployment that upgraded it.
        upgrade: DeploymentId,
        /// What ran in it before.
        from: Target,
        /// What runs in it.
        to: Target,
        /// Whether the upgrade itself went back to a version that was registered before.
        is_back: bool,
    },
    /// Make the next start of an upgraded instance one of the version that runs in it. Failed, nobody knows what it brings.
    Settle {
        /// The instance.
        instance: InstanceId,
        /// Its run: of another one the version is not known.
        run: u32,
        /// The deployment that upgraded it.
        upgrade: DeploymentId,
        /// The version.
        to: Target,
    },
    /// Delete a version's files.
    Forget {
        /// The version.
        version: VersionId,
        /// Its label, for it may have left the state by then.
        label: crate::names::VersionLabel,
    },
}

/// A command to run once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// What kind of command it is.
    pub kind: RunKind,
    /// The command as the settings have it.
    pub command: CommandLine,
    /// Which version's release it belongs to.
    pub target: Target,
    /// The deployment it is run for.
    pub deployment: Option<DeploymentId>,
}

/// A command as the settings have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandLine {
    /// `SUBCOMMAND REST` of the release.
    Release(PreCommand),
    /// A program with its arguments.
    Program(Command),
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CommandLine::Release(command) => command.fmt(f),
            CommandLine::Program(command) => command.fmt(f),
        }
    }
}

/// The kinds of command that are run once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RunKind {
    /// Once per host and content, to install what the app needs.
    Prepare,
    /// Once per deployment before anything starts, or once per place.
    Pre {
        /// The place whose variables it gets, when it runs once per place.
        place: Option<Place>,
    },
    /// Once per created instance before its start.
    Init {
        /// The instance.
        instance: InstanceId,
    },
    /// Once after a rollback.
    PostRollback,
    /// The check of a member that was brought up, which may be run any number of times: each is an effect of its own.
    Member {
        /// The instance that is asked: it runs with its variables.
        instance: InstanceId,
    },
}

impl std::fmt::Display for RunKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RunKind::Prepare => "prepare command",
            RunKind::Pre { .. } => "pre-command",
            RunKind::Init { .. } => "init command",
            RunKind::PostRollback => "post-rollback command",
            RunKind::Member { .. } => "member check",
        })
    }
}

/// Which instances the links of a place point at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The one that serves.
    pub current: Option<InstanceId>,
    /// The one being brought up beside it.
    pub new: Option<InstanceId>,
    /// The last one that ended.
    pub previous: Option<InstanceId>,
}
