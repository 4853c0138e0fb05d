//! By what an instance is started: its package's own script, or Bellrock's launcher in its place.

use std::fmt;
use std::path::Path;

use model::app::{App, Target, Variables};
use model::settings::{AppSettings, Distribution, Launch};
use package::Kind;
use package::launch::{LAUNCHER, Launcher, NoLauncher, Origin};
use package::recognise::StartScript;
use package::tree::Unpacked;

use crate::environment::{self, Environment};
use crate::site::{Site, SiteError};

/// What starts an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Starter {
    /// What is executed, in its tree.
    pub script: StartScript,
    /// Why it is that.
    pub why: Why,
}

/// Why an instance is started by what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The launcher: it does what its script does.
    Launcher,
    /// Its script: the settings say so.
    Said,
    /// Its script: nobody knows what it does.
    UnknownScript,
    /// Its script: no launcher can stand in its place.
    None(NoLauncher),
    /// Its script: the node would not find its cookie.
    Home,
    /// Its script: its tree was laid out before there were launchers.
    OldTree,
}

/// Why an instance cannot be started as its settings say.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `launch = "direct"`, where that does not go.
    #[error("launch is \"direct\", but {0}; say launch = \"script\"")]
    NotDirectly(Why),
    /// `distribution = "off"`, which rebar3's script does not know.
    #[error(
        "distribution is \"off\", but {0}, and rebar3's scripts give every node a name; say launch = \"direct\" or distribution = \"loopback\""
    )]
    Named(Why),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Launcher => f.write_str("its script is known"),
            Why::Said => f.write_str("launch is \"script\""),
            Why::UnknownScript => f.write_str("its start script is none that mix release or rebar3 writes"),
            Why::None(why) => why.fmt(f),
            Why::Home => f.write_str("its variables set HOME, where a node looks for its cookie"),
            Why::OldTree => f.write_str("an earlier Bellrock laid out its tree"),
        }
    }
}

impl fmt::Display for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Why::Launcher => f.write_str("directly"),
            why => write!(f, "by its own script: {why}"),
        }
    }
}

impl Starter {
    /// Whether it is the launcher.
    pub fn is_launcher(&self) -> bool {
        self.why == Why::Launcher
    }

    /// What the launcher starts is told nothing that its cookie could be read from.
    pub fn adapt(&self, environment: &mut Environment) {
        if self.is_launcher() {
            environment.remove(std::ffi::OsStr::new(environment::COOKIE));
        }
    }
}

impl Site {
    /// What starts an instance of a target that stands, or will stand, in `tree`. Reads files: it blocks.
    ///
    /// # Errors
    /// [`SiteError::Start`]; [`SiteError::NoVersion`].
    pub fn starter(
        &self,
        app: &App,
        target: Target,
        unpacked: &Unpacked,
        tree: &Path,
    ) -> Result<Starter, SiteError> {
        let revision = app.revision(target).ok_or(SiteError::NoVersion)?;
        let mut why = why(&revision.settings, &revision.variables, unpacked);
        if why == Why::Launcher && tree.is_dir() && !tree.join(LAUNCHER).is_file() {
            why = Why::OldTree;
        }
        Ok(decide(&revision.settings, why, unpacked)?)
    }
}

/// What the settings, the variables and the package's script come to.
fn why(settings: &AppSettings, variables: &Variables, unpacked: &Unpacked) -> Why {
    if settings.launch == Some(Launch::Script) {
        return Why::Said;
    }
    let facts = &unpacked.facts;
    let script = unpacked.tree().join(&facts.root).join(&facts.start.path);
    let script = fs_err::read_to_string(script).unwrap_or_default();
    match Launcher::of(facts, &script) {
        Err(none) => Why::None(none),
        Ok(_) if settings.variables.keys().chain(variables.keys()).any(|name| name.as_str() == "HOME") => {
            Why::Home
        }
        Ok(Launcher { instead_of: Origin::Unknown, .. }) if settings.launch.is_none() => Why::UnknownScript,
        Ok(_) => Why::Launcher,
    }
}

fn decide(settings: &AppSettings, why: Why, unpacked: &Unpacked) -> Result<Starter, StartError> {
    let facts = &unpacked.facts;
    match why {
        Why::Launcher => return Ok(Starter { script: Launcher::start(), why }),
        // Nothing would be another with a launcher.
        Why::None(NoLauncher::Shipment) | Why::OldTree => {}
        _ if settings.launch == Some(Launch::Direct) => return Err(StartError::NotDirectly(why)),
        _ if settings.distribution == Distribution::Off && facts.kind == Kind::RebarRelease => {
            return Err(StartError::Named(why));
        }
        _ => {}
    }
    Ok(Starter { script: facts.start.clone(), why })
}
