//! What a package is: told by its content, never by its name.

mod file_name;
mod modules;
mod native;
mod refusal;
mod release;
mod root;
mod shipment;
mod unpacked;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use native::check_file as check_native;
pub use refusal::Refusal;
use unpacked::Tree;

use crate::archive::check_links;
use crate::manifest::{Manifest, join};
use crate::otp::{OtpRelease, OtpSource};
use crate::platform::{GlibcVersion, HostPlatform};

/// Longest `bellrock.toml`.
const MAX_SETTINGS: u64 = 256 << 10;

/// What we know about a package without starting it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What made it.
    pub kind: Kind,
    /// The folder inside the package that instances see as their own; empty when it is the package's top.
    /// All other paths of the facts begin there.
    pub root: String,
    /// The release's name, which mix and rebar3 call the script after; a Gleam package's name.
    pub release_name: String,
    /// The application that everything else is there for, when it can be told: the one named like the release, else
    /// the only one that no other depends on. An umbrella may have several: then `None`.
    pub main_application: Option<String>,
    /// The release's version.
    pub version: String,
    /// Version of the ERTS that the package carries; `None` when it needs a runtime from the host.
    pub erts: Option<String>,
    /// The OTP release that it carries or was made for; `None` when nothing in it says so.
    pub otp_release: Option<OtpRelease>,
    /// What its modules need of a runtime; looked up only for a package without ERTS.
    pub compiled_with: Option<CompiledWith>,
    /// How an instance is started.
    pub start: StartScript,
    /// Its applications, in the order of the release.
    pub applications: Vec<Application>,
    /// Whether every module of the main application (of all own ones when there are several) has debug information.
    pub has_debug_info: bool,
    /// Native files outside of ERTS.
    pub native_libraries: Vec<NativeLibrary>,
    /// The version that `releases/start_erl.data` boots, when the file is there.
    pub boot_version: Option<String>,
    /// The text of `bellrock.toml` at the package's top.
    pub settings: Option<String>,
}

/// What made a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `mix release`.
    MixRelease,
    /// `rebar3 tar` (relx).
    RebarRelease,
    /// `gleam export erlang-shipment`.
    GleamShipment,
}

/// How an instance is started in the foreground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartScript {
    /// The script, from the root.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// One application of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The newest OTP release that a module asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledWith {
    /// OTP's number: a runtime must be at least this.
    pub otp: u32,
    /// The module that says so (its path).
    pub module: String,
    /// By its compiler's version (exact) or its instructions (a lower bound).
    pub known_from: OtpSource,
}

/// A native file: a NIF, a driver or a port program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeLibrary {
    /// Where it is.
    pub path: String,
    /// Architecture in the words of `uname -m`.
    pub arch: String,
    /// Newest glibc that it needs.
    pub glibc: Option<GlibcVersion>,
    /// Whether it is linked to musl.
    pub musl: bool,
    /// Whether this host can load it. One that it cannot load is accepted only beside one of the same application
    /// that it can: some packages carry a variant for each architecture.
    pub fits: bool,
}

/// Reads what an unpacked package is and whether this host can run it. `native` lists its native files and `name` is
/// the file name that it came with, if any: what that says about the version must be true.
pub(crate) fn recognise(
    tree: &Path,
    manifest: &Manifest,
    native: &[String],
    name: Option<&str>,
    platform: &HostPlatform,
) -> Result<Facts, Refusal> {
    let mut facts = identify(tree, manifest)?;
    let tree = Tree::new(tree, manifest);
    if let Some(name) = name {
        file_name::check(name, &facts)?;
    }
    reserved_names(&tree.at(&facts.root))?;
    check_links(manifest, &facts.root).map_err(|link| Refusal::Link(Box::new(link)))?;
    facts.native_libraries = native::check(&tree.at(&facts.root), native, platform)?;
    facts.settings = settings(&tree, &facts.root)?;
    Ok(facts)
}

/// Reads what an unpacked package is, whatever host it is for.
pub(crate) fn identify(tree: &Path, manifest: &Manifest) -> Result<Facts, Refusal> {
    let tree = Tree::new(tree, manifest);
    match root::find(&tree)? {
        root::Root::Release { folder } => release::read(&tree.at(&folder)),
        root::Root::Shipment { folder } => shipment::read(&tree, &folder),
    }
}

/// Instances get folders of their own here; the package may have them as folders only.
fn reserved_names(tree: &Tree<'_>) -> Result<(), Refusal> {
    for name in ["tmp", "log", "releases"] {
        if tree.exists(name) && !tree.has_folder(name) {
            return Err(Refusal::ReservedName { path: name.to_owned() });
        }
    }
    let ours = [crate::tree::INSTANCE_MARK, crate::launch::LAUNCHER];
    match ours.into_iter().find(|name| tree.exists(name)) {
        Some(name) => Err(Refusal::ReservedName { path: name.to_owned() }),
        None => Ok(()),
    }
}

fn settings(tree: &Tree<'_>, root: &str) -> Result<Option<String>, Refusal> {
    for path in [join(root, "bellrock.toml"), "bellrock.toml".to_owned()] {
        if tree.has_file(&path) {
            let bytes = tree.read(&path, MAX_SETTINGS)?;
            let text = String::from_utf8(bytes);
            return text.map(Some).map_err(|_| Refusal::broken(&path, "is not UTF-8 text"));
        }
    }
    Ok(None)
}
