//! What an app's processes find in their environment: built from nothing, never from the daemon's own.
//! The table in docs/reference/environment.md says the same for users.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use model::app::Variables;
use model::settings::{AppSettings, Distribution, VariableValue};
use model::{AppName, Place, Slot, VariableName};
use package::{Facts, Kind};

/// Search path of every app, unless its variables say otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Tells a release's own script the app's cookie.
pub const COOKIE: &str = "RELEASE_COOKIE";

/// Where a node looks for its cookie, in its tree: its `HOME` is the folder.
const COOKIE_FILE: &str = "tmp/.erlang.cookie";

/// What the nodes' names mean to the runtime, in an instance's tree (ERTS User's Guide, "Inet Configuration").
const RESOLVER: &str = "tmp/inetrc";

/// An environment being built; later values win.
pub type Environment = BTreeMap<OsString, OsString>;

/// Where an instance stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The app.
    pub app: &'a AppName,
    /// Its version's label with revision.
    pub version: &'a str,
    /// The place.
    pub place: Place,
    /// The slot of the place.
    pub slot: Slot,
    /// Host part of node names.
    pub node_host: &'a str,
}

/// Why an environment cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A reference to a secret, and nobody to ask.
    #[error("variable {0} refers to a secret, and no provider of secrets is set up on this host")]
    Secret(VariableName),
    /// The ports of a place do not fit into 16 bits.
    #[error("place {0} has no port: port + 2 × max goes beyond 65535")]
    NoPort(Place),
}

impl Standing<'_> {
    /// Name of the Erlang node: `{app}-{place}@{host}`, with `b` after the place in slot b.
    pub fn node(&self) -> String {
        let slot = if self.slot == Slot::B { "b" } else { "" };
        format!("{}-{}{slot}@{}", self.app, self.place, self.node_host)
    }

    /// The ports of this place and slot by the name of their variable, `PORT` first.
    ///
    /// # Errors
    /// [`EnvironmentError::NoPort`].
    pub fn ports(&self, settings: &AppSettings) -> Result<Vec<(String, u16)>, EnvironmentError> {
        let slot = if self.slot == Slot::B { settings.max() } else { 0 };
        let port = |base: u16| {
            base.checked_add(slot)
                .and_then(|port| port.checked_add(self.place.0 - 1))
                .ok_or(EnvironmentError::NoPort(self.place))
        };
        let extra = settings.ports.iter().map(|(name, base)| (name.to_string(), *base));
        std::iter::once(("PORT".to_owned(), settings.port))
            .chain(extra)
            .map(|(name, base)| Ok((name, port(base)?)))
            .collect()
    }
}

/// The environment of an instance, or of a command that runs as one.
///
/// # Errors
/// [`EnvironmentError`].
pub fn of_instance(
    standing: Standing<'_>,
    settings: &AppSettings,
    variables: &Variables,
    facts: &Facts,
    tree: &Path,
    runtime_bin: Option<&Path>,
    cookie: &str,
) -> Result<Environment, EnvironmentError> {
    let mut environment = base(tree);
    if let Some(bin) = runtime_bin {
        let mut path = bin.as_os_str().to_owned();
        path.push(":");
        path.push(PATH);
        environment.insert("PATH".into(), path);
    }
    set(&mut environment, "BELLROCK_APP", standing.app.as_str());
    set(&mut environment, "BELLROCK_PLACE", standing.place.to_string());
    set(&mut environment, "BELLROCK_VERSION", standing.version);
    for (name, port) in standing.ports(settings)? {
        set(&mut environment, &name, port.to_string());
    }
    let by_settings = settings.variables.iter();
    for (name, value) in by_settings.chain(variables) {
        match value {
            VariableValue::Text(text) => set(&mut environment, name.as_str(), text),
            VariableValue::Secret(_) => return Err(EnvironmentError::Secret(name.clone())),
        }
    }
    release(&mut environment, standing, settings, facts, tree);
    // A shipment's script hands no cookie on: its node reads it from HOME/.erlang.cookie.
    if facts.kind != Kind::GleamShipment {
        set(&mut environment, COOKIE, cookie);
    }
    Ok(environment)
}

/// What every process gets.
pub fn base(tree: &Path) -> Environment {
    let mut environment = Environment::new();
    let tmp = tree.join("tmp");
    set(&mut environment, "PATH", PATH);
    set(&mut environment, "LANG", "C.UTF-8");
    set(&mut environment, "HOME", tmp.clone());
    set(&mut environment, "TMPDIR", tmp);
    environment
}

/// What the release's own script and the Erlang runtime are told (D10b).
fn release(
    environment: &mut Environment,
    standing: Standing<'_>,
    settings: &AppSettings,
    facts: &Facts,
    tree: &Path,
) {
    let node = standing.node();
    let names = match settings.distribution {
        Distribution::Off => "none",
        _ if standing.node_host.contains('.') => "name",
        _ => "sname",
    };
    set(environment, "RELEASE_TMP", tree.join("tmp"));
    set(environment, "RELEASE_NODE", &node);
    set(environment, "RELEASE_NODE_SUFFIX", format!("-{}", standing.place));
    set(environment, "RELEASE_DISTRIBUTION", names);
    set(environment, "RELX_REPLACE_OS_VARS", "true");
    // epmd runs under a shim of its own: a node that started it would take it down with its process tree.
    add_flags(environment, "ERL_ZFLAGS", "-start_epmd false");
    if settings.distribution != Distribution::Off && !says_interface(environment) {
        if settings.distribution == Distribution::Loopback {
            // Of several the first counts, and these flags come before all that a release says.
            add_flags(environment, "ERL_AFLAGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        }
        environment.entry("ERL_INETRC".into()).or_insert_with(|| tree.join(RESOLVER).into());
    }
    if facts.kind == Kind::GleamShipment && settings.distribution != Distribution::Off {
        // A shipment's script names no node.
        add_flags(environment, "ERL_AFLAGS", &format!("-{names} {node}"));
    }
}

/// Has a node speak TLS and nothing else, by this file of options.
pub fn speak_tls(environment: &mut Environment, options: &Path) {
    let options = quoted(&options.to_string_lossy());
    add_flags(environment, "ERL_AFLAGS", &format!("-proto_dist inet_tls -ssl_dist_optfile {options}"));
}

/// One word of `ERL_AFLAGS` (erlexec splits at white space, and takes what follows a backslash as it is).
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-".contains(letter);
    let escaped = |letter: char| (!plain(letter)).then_some('\\').into_iter().chain([letter]);
    word.chars().flat_map(escaped).collect()
}

/// Whether the operator's variables say where nodes listen.
fn says_interface(environment: &Environment) -> bool {
    let flags = environment.get(std::ffi::OsStr::new("ERL_AFLAGS"));
    flags.is_some_and(|flags| flags.to_string_lossy().contains("inet_dist_use_interface"))
}

/// What a node needs in its tree beside its environment, as paths in the tree with their contents. They are its app's
/// alone: nobody else may read them.
pub fn private_files(settings: &AppSettings, node_host: &str, cookie: &str) -> Vec<(&'static str, String)> {
    let mut files = vec![(COOKIE_FILE, cookie.to_owned())];
    if settings.distribution != Distribution::Off {
        files.push((RESOLVER, resolver(node_host)));
    }
    files
}

/// The host part of node names means this address to the nodes, whatever else it means: they and epmd listen there.
/// All other names are the host's business, and the hosts file is read by it alone.
fn resolver(node_host: &str) -> String {
    format!(
        "{{hosts_file, \"\"}}.\n{{host, {{127,0,0,1}}, [\"{node_host}\"]}}.\n{{lookup, [file, native]}}.\n"
    )
}

/// Adds flags behind those that the operator's variables say.
fn add_flags(environment: &mut Environment, name: &str, flags: &str) {
    let mut all = environment.remove(&OsString::from(name)).unwrap_or_default();
    if !all.is_empty() {
        all.push(" ");
    }
    all.push(flags);
    environment.insert(name.into(), all);
}

fn set(environment: &mut Environment, name: &str, value: impl Into<OsString>) {
    environment.insert(name.into(), value.into());
}

#[cfg(test)]
pub(crate) mod tests;
