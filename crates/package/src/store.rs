//! Where packages come from: the layout of existing pipelines (D01).
//!
//! `{store}/versions/{app}/{env}/current.json` says which version should run; the package is
//! `{store}/dist/{app}/{app}-{version}.tar.gz`. Names are used as they are, so those that would lead elsewhere are
//! refused.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::digest::Sha256Digest;

/// Longest `current.json`.
const MAX_CURRENT: u64 = 64 << 10;

/// A store in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalStore {
    /// The store's top.
    pub root: PathBuf,
}

/// What `current.json` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// The version that should run.
    pub version: String,
    /// What it says about the package's content.
    pub hash: Hash,
    /// Commands to run once before the new version starts.
    pub pre_commands: Vec<String>,
}

/// The `hash` of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Not said.
    None,
    /// A SHA-256 digest: the package must have it.
    Sha256(Sha256Digest),
    /// Something else, such as a Git revision: kept to be shown.
    Label(String),
}

/// Why a store does not say what to run. Each is a state that lasts until somebody changes the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreProblem {
    /// The store's folder itself is not there.
    #[error("the store {path} is not there")]
    NoStore {
        /// The store's top.
        path: PathBuf,
    },
    /// Not readable.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not JSON: empty, or cut in the middle of being written.
    #[error("{path} is half-written or not JSON")]
    HalfWritten {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// JSON, but not what is expected.
    #[error("{path} is not understood: {problem}")]
    NotUnderstood {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The package is not there.
    #[error("the package {path} is not there")]
    NoPackage {
        /// Where it should be.
        path: PathBuf,
    },
    /// An app, environment or version that cannot be part of a path.
    #[error("{name:?} cannot be the name of {what} in a store")]
    Name {
        /// App, environment or version.
        what: &'static str,
        /// The name.
        name: String,
    },
}

#[derive(Deserialize)]
struct CurrentFile {
    version: String,
    #[serde(default)]
    hash: Option<String>,
    #[serde(default)]
    pre_commands: Option<Vec<String>>,
}

impl LocalStore {
    /// A store in this folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where the version that should run is said.
    pub fn current_path(&self, app: &str, env: &str) -> Result<PathBuf, StoreProblem> {
        let (app, env) = (checked("an app", app)?, checked("an environment", env)?);
        Ok(self.root.join("versions").join(app).join(env).join("current.json"))
    }

    /// Where a package is.
    pub fn package_path(&self, app: &str, version: &str) -> Result<PathBuf, StoreProblem> {
        let (app, version) = (checked("an app", app)?, checked("a version", version)?);
        Ok(self.root.join("dist").join(app).join(format!("{app}-{version}.tar.gz")))
    }

    /// The version that should run; `None` when the store says nothing about this app and environment.
    pub fn current(&self, app: &str, env: &str) -> Result<Option<Current>, StoreProblem> {
        let path = self.current_path(app, env)?;
        match read_bounded(&path) {
            Ok(bytes) => parse(path, &bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.is_there().map(|()| None),
            Err(source) => Err(StoreProblem::Unreadable { path, source }),
        }
    }

    /// Opens a package for reading, and tells where it is.
    pub fn open_package(&self, app: &str, version: &str) -> Result<(PathBuf, fs_err::File), StoreProblem> {
        let path = self.package_path(app, version)?;
        let unreadable = |source| StoreProblem::Unreadable { path: path.clone(), source };
        match fs_err::metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => {
                return Err(StoreProblem::NotUnderstood { path, problem: "it is not a file".to_owned() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.is_there()?;
                return Err(StoreProblem::NoPackage { path });
            }
            Err(source) => return Err(unreadable(source)),
        }
        let file = fs_err::File::open(&path).map_err(unreadable)?;
        Ok((path, file))
    }

    /// A missing file in a missing store is another problem than a missing file: the disk may not be mounted.
    fn is_there(&self) -> Result<(), StoreProblem> {
        match fs_err::metadata(&self.root) {
            Ok(found) if found.is_dir() => Ok(()),
            _ => Err(StoreProblem::NoStore { path: self.root.clone() }),
        }
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    if !fs_err::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a file", path.display())));
    }
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MAX_CURRENT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(path: PathBuf, bytes: &[u8]) -> Result<Current, StoreProblem> {
    if bytes.len() as u64 > MAX_CURRENT {
        return not_understood(path, format!("it is longer than {MAX_CURRENT} bytes"));
    }
    // First as an object: a struct would be read from a JSON array too.
    let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_slice(bytes) {
        Ok(object) => object,
        Err(error) if error.is_data() => return not_understood(path, error.to_string()),
        Err(source) => return Err(StoreProblem::HalfWritten { path, source }),
    };
    let file: CurrentFile = match serde_json::from_value(object.into()) {
        Ok(file) => file,
        Err(error) => return not_understood(path, error.to_string()),
    };
    checked("a version", &file.version)?;
    Ok(Current {
        version: file.version,
        hash: file.hash.map_or(Hash::None, |text| hash(&text)),
        pre_commands: file.pre_commands.unwrap_or_default(),
    })
}

fn not_understood<T>(path: PathBuf, problem: String) -> Result<T, StoreProblem> {
    Err(StoreProblem::NotUnderstood { path, problem })
}

fn hash(text: &str) -> Hash {
    let text = text.trim();
    match text.strip_prefix("sha256:").unwrap_or(text).parse() {
        Ok(digest) => Hash::Sha256(digest),
        Err(_) if text.is_empty() => Hash::None,
        Err(_) => Hash::Label(text.to_owned()),
    }
}

/// A name that stays one name in a path.
fn checked<'a>(what: &'static str, name: &'a str) -> Result<&'a str, StoreProblem> {
    let refused = name.is_empty()
        || name.len() > 200
        || matches!(name, "." | "..")
        || name.contains('/')
        || name.chars().any(char::is_control);
    match refused {
        true => Err(StoreProblem::Name { what, name: name.chars().take(200).collect() }),
        false => Ok(name),
    }
}
