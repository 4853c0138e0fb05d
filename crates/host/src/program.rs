//! Programs that commands name.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// A program that is nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no program {name:?}, neither in the package ({}) nor in PATH={}; name it by its absolute path, or install it",
    tree.display(), path.display()
)]
pub struct NoProgram {
    /// As the command has it.
    pub name: String,
    /// The package's tree.
    pub tree: PathBuf,
    /// What was searched besides.
    pub path: OsString,
}

/// Finds a command's program: absolute as it is, in the package's tree when it is there, else by the `PATH` that the
/// command gets.
///
/// # Errors
/// [`NoProgram`]. One with an absolute path is not looked for: starting it fails with the system's own error.
pub(crate) fn find(name: &str, tree: &Path, environment: &Environment) -> Result<PathBuf, NoProgram> {
    let path = Path::new(name);
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let in_package = tree.join(path);
    if in_package.is_file() {
        return Ok(in_package);
    }
    let search = environment.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    std::env::split_paths(&search)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(path))
        .find(|file| file.is_file())
        .ok_or_else(|| NoProgram { name: name.to_owned(), tree: tree.to_owned(), path: search })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_package_then_by_path_else_nowhere() {
        let tree = tempfile::tempdir().unwrap();
        let bin = tree.path().join("bin");
        fs_err::create_dir_all(&bin).unwrap();
        fs_err::write(bin.join("migrate"), "").unwrap();
        let mut environment = crate::environment::base(tree.path());
        let find = |name: &str, environment: &Environment| super::find(name, tree.path(), environment);
        assert_eq!(find("/no/such/thing", &environment), Ok("/no/such/thing".into()));
        assert_eq!(find("bin/migrate", &environment), Ok(bin.join("migrate")));
        assert!(find("sh", &environment).unwrap().ends_with("sh"));
        environment.insert("PATH".into(), format!("relative:{}", bin.display()).into());
        assert_eq!(find("migrate", &environment), Ok(bin.join("migrate")));
        let error = find("sh", &environment).unwrap_err().to_string();
        assert!(error.contains("no program \"sh\"") && error.contains(bin.to_str().unwrap()), "{error}");
    }
}
