//! Sample applications, as `cargo xtask samples` built them.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::programs;

/// A built package; `samples/README.md` says what each is for.
#[derive(Debug, Clone, Deserialize)]
pub struct Sample {
    /// What tests ask for, e.g. `beacon-base`.
    pub name: String,
    /// The app that the package says it is.
    pub app: String,
    /// The version that it says it is.
    pub version: String,
    /// Where it lies.
    pub path: PathBuf,
    /// Its digest, in hex.
    pub sha256: String,
}

/// The folder of the samples: `BELLROCK_SAMPLES`, else `samples` in cargo's target folder.
pub fn folder() -> PathBuf {
    std::env::var_os("BELLROCK_SAMPLES").map_or_else(|| programs::target().join("samples"), PathBuf::from)
}

/// A sample by its name.
///
/// # Panics
/// When it was not built.
pub fn sample(name: &str) -> &'static Sample {
    static ALL: OnceLock<Vec<Sample>> = OnceLock::new();
    let folder = folder();
    let all = ALL.get_or_init(|| read(&folder));
    let found = all.iter().find(|sample| sample.name == name);
    found.unwrap_or_else(|| panic!("{} has no sample {name}; run: cargo xtask samples", folder.display()))
}

fn read(folder: &Path) -> Vec<Sample> {
    let list = folder.join("samples.json");
    let text = fs_err::read(&list).unwrap_or_else(|error| {
        panic!("{error}; run cargo xtask samples, or say BELLROCK_SAMPLES=folder");
    });
    let mut all: Vec<Sample> = serde_json::from_slice(&text).expect("xtask writes this file");
    for sample in &mut all {
        let name = sample.path.file_name().expect("a package has a name").to_owned();
        sample.path = folder.join(name);
    }
    all
}
