//! The programs under test: those that were built beside the running test.

use std::path::{Path, PathBuf};

/// The folder of the programs: `BELLROCK_PROGRAMS`, else the profile's.
pub fn folder() -> PathBuf {
    std::env::var_os("BELLROCK_PROGRAMS").map_or_else(profile, PathBuf::from)
}

/// The profile's folder, e.g. `target/debug`: test programs lie in its `deps`.
fn profile() -> PathBuf {
    let own = std::env::current_exe().expect("a process knows its program");
    let folder = own.parent().expect("a program lies in a folder");
    let profile = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    profile.to_owned()
}

/// A program of ours.
///
/// # Panics
/// When it was not built: cargo does not build other packages' programs for a test.
pub fn program(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.is_file(),
        "{} is missing; run: cargo build -p daemon -p proxy -p shim -p cli",
        path.display()
    );
    path
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    let profile = profile();
    profile.parent().map_or_else(|| profile.clone(), Path::to_owned)
}
