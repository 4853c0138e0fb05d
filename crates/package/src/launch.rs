//! How an instance is started without its package's own script.
//!
//! The scripts of `mix release` and of rebar3 (relx) hand the cookie to the VM as an argument, where everybody on the
//! host reads it, and relx's starts a VM of its own, for a second, to ask it the host's name. So an instance's tree gets
//! a [launcher](Launcher) beside the release: a short script that does what the package's own does for `start`, with the
//! same arguments but a cookie, which the node then reads from `$HOME/.erlang.cookie`. The release's `env.sh`, `vm.args`
//! and `sys.config` count as they do for its own script; the name and the cookie that a `vm.args` says do not.
//!
//! A launcher stands for the scripts that it was written after, and no other: [`stock`] knows these.

mod stock;
mod substitute;

pub use self::substitute::substitute;
use crate::recognise::{Facts, Kind, StartScript};

/// Name of the launcher in an instance's tree.
pub const LAUNCHER: &str = ".bellrock-launch";

/// What both kinds of launchers do with a file of arguments.
const VM_ARGS: &str = include_str!("launch/vm_args.sh");

/// A script that starts a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launcher {
    /// The script.
    pub text: String,
    /// What is known of the script in whose place it stands.
    pub instead_of: Origin,
}

/// Where a package's start script comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `mix release` or rebar3 wrote it as it is.
    Stock,
    /// Somebody has changed it, or a version wrote it that is not known here.
    Unknown,
}

/// Why there is no launcher for a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLauncher {
    /// The script of a shipment does nothing but start the VM, with no cookie.
    #[error("the script of a Gleam shipment starts the VM at once and shows no cookie")]
    Shipment,
    /// relx's script would ask the host's runtime, by starting it, where it is.
    #[error("its release brings no ERTS, which its own script looks for")]
    NoErts,
    /// relx's short script knows no commands.
    #[error("it has rebar3's short script (extended_start_script is off)")]
    ShortScript,
    /// Something else is to run before the VM.
    #[error("its start script runs pre_start hooks")]
    Hooks,
    /// A name that a script would have to quote.
    #[error("the name or version of its release has unusual characters")]
    Name,
}

impl Launcher {
    /// The launcher of a package whose start script holds `script`.
    ///
    /// # Errors
    /// [`NoLauncher`].
    pub fn of(facts: &Facts, script: &str) -> Result<Self, NoLauncher> {
        let version = facts.boot_version.as_deref().unwrap_or(&facts.version);
        if ![&facts.release_name, version].iter().all(|name| is_plain(name)) {
            return Err(NoLauncher::Name);
        }
        match facts.kind {
            Kind::GleamShipment => Err(NoLauncher::Shipment),
            Kind::MixRelease => Ok(of_mix(facts, script)),
            Kind::RebarRelease => of_relx(facts, version, script),
        }
    }

    /// How it is executed to start an instance.
    pub fn start() -> StartScript {
        StartScript { path: LAUNCHER.to_owned(), arguments: vec!["start".to_owned()] }
    }
}

fn of_mix(facts: &Facts, script: &str) -> Launcher {
    let found = stock::mix(script);
    let options = found.map_or(stock::MIX_OPTIONS[0], |options| options);
    let text = include_str!("launch/mix.sh")
        .replace("@VM_ARGS@", VM_ARGS)
        .replace("@ERL@", options)
        .replace("@NAME@", &facts.release_name);
    Launcher { text, instead_of: origin(found.is_some()) }
}

fn of_relx(facts: &Facts, version: &str, script: &str) -> Result<Launcher, NoLauncher> {
    let erts = facts.erts.as_deref().filter(|erts| is_plain(erts)).ok_or(NoLauncher::NoErts)?;
    if facts.start.arguments != ["foreground"] {
        return Err(NoLauncher::ShortScript);
    }
    if stock::has_hooks(script) {
        return Err(NoLauncher::Hooks);
    }
    let text = include_str!("launch/relx.sh")
        .replace("@VM_ARGS@", VM_ARGS)
        .replace("@ERTS@", erts)
        .replace("@VERSION@", version)
        .replace("@NAME@", &facts.release_name);
    Ok(Launcher { text, instead_of: origin(stock::is_relx(script)) })
}

fn origin(is_stock: bool) -> Origin {
    if is_stock { Origin::Stock } else { Origin::Unknown }
}

/// Whether a text is a word of any shell.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
}
