//! Why a well-formed archive is not accepted as a package for this host.

use std::io;

use crate::archive::ArchiveError;
use crate::platform::GlibcVersion;

/// A package that is not accepted. Every message names what was looked for and what is there.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No release and no shipment in it.
    #[error(
        "this is not a release: neither releases/ with lib/ (mix release, rebar3 tar) nor entrypoint.sh with \
         */ebin/*.app (gleam export erlang-shipment) is at its top or in a folder there; there is {}",
        list(found)
    )]
    NotARelease {
        /// Names at the top.
        found: Vec<String>,
    },
    /// Two releases in one package.
    #[error("the package holds two releases, {} and {}: which one is meant?", place(first), place(second))]
    TwoRoots {
        /// One folder, empty for the top.
        first: String,
        /// The other.
        second: String,
    },
    /// Several versions, and no `start_erl.data` that decides.
    #[error(
        "releases/ holds several versions ({}) and no start_erl.data says which one boots",
        list(versions)
    )]
    AmbiguousVersion {
        /// Those versions.
        versions: Vec<String>,
    },
    /// `start_erl.data` names a version that is not there.
    #[error("releases/start_erl.data boots version {version:?}, but releases/ holds {}", list(found))]
    BootVersionMissing {
        /// The version that it names.
        version: String,
        /// Versions with a `.rel` file.
        found: Vec<String>,
    },
    /// Several releases of one version, each with a script.
    #[error("releases/{version}/ holds several releases ({}), each with a script in bin/", list(names))]
    AmbiguousRelease {
        /// The version.
        version: String,
        /// Their names.
        names: Vec<String>,
    },
    /// No script to start it.
    #[error("the script that starts it is missing: {} (there is {})", list(looked_for), list(found))]
    NoStartScript {
        /// Where it should be.
        looked_for: Vec<String>,
        /// What is there instead.
        found: Vec<String>,
    },
    /// The file name says another version.
    #[error("the file is called {file_name:?}, but the release in it is {release_name} {version}")]
    VersionDiffers {
        /// The name of the file.
        file_name: String,
        /// The release's name.
        release_name: String,
        /// Its version.
        version: String,
    },
    /// Native code for another machine.
    #[error("{path} is built for {needs}; this host is {host}")]
    WrongArchitecture {
        /// The file.
        path: String,
        /// Its architecture.
        needs: String,
        /// The host's.
        host: String,
    },
    /// Native code that needs a newer C library.
    #[error("{path} needs glibc {needs} or newer; this host has {}", glibc(*host))]
    NeedsGlibc {
        /// The file.
        path: String,
        /// The version that it needs.
        needs: GlibcVersion,
        /// The host's; `None` when it has no glibc.
        host: Option<GlibcVersion>,
    },
    /// Native code for musl, and no musl here.
    #[error("{path} is linked to musl (built on Alpine?); this host has no musl loader")]
    NeedsMusl {
        /// The file.
        path: String,
    },
    /// A name that instances need for themselves.
    #[error(
        "{path:?} is not a folder in this package, but instances need a folder or file of their own there"
    )]
    ReservedName {
        /// The name.
        path: String,
    },
    /// A link that leads out of the folder that becomes the instance's.
    #[error("a link leads out of the release's folder")]
    Link(#[source] Box<ArchiveError>),
    /// A file of the release that cannot be understood.
    #[error("{path} {problem}")]
    Broken {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that could not be read.
    #[error("{path} could not be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Refusal {
    pub(super) fn broken(path: &str, problem: impl Into<String>) -> Self {
        Self::Broken { path: path.to_owned(), problem: problem.into() }
    }
}

fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn place(folder: &str) -> String {
    if folder.is_empty() { "one at the top".to_owned() } else { format!("one in {folder}/") }
}

fn glibc(version: Option<GlibcVersion>) -> String {
    version.map_or_else(|| "no glibc".to_owned(), |version| version.to_string())
}
