//! Programs that commands name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// Finds a command's program: absolute as it is, in the package's tree when it is there, else by the `PATH` that the
/// command gets. One that is nowhere keeps its name, so that starting it fails with the system's own error.
pub(crate) fn find(name: &str, tree: &Path, environment: &Environment) -> PathBuf {
    let path = Path::new(name);
    if path.is_absolute() {
        return path.to_owned();
    }
    let in_package = tree.join(path);
    if in_package.is_file() {
        return in_package;
    }
    let search = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    std::env::split_paths(&search)
        .map(|folder| folder.join(path))
        .find(|file| file.is_file())
        .unwrap_or_else(|| path.to_owned())
}
