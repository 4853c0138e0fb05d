//! The demo's folder: bellrockd's root, marked as ours, so that nothing else is ever removed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::processes;

/// Lies in a folder that the demo made.
const MARK: &str = "this-is-a-bellrock-demo";

pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder need not be there yet, the one it lies in must.
    pub(crate) fn at(path: PathBuf) -> Result<Folder> {
        let name = path.file_name().with_context(|| format!("{} has no name of its own", path.display()))?;
        let parent = path.parent().filter(|parent| parent.as_os_str() != "").unwrap_or(Path::new("."));
        Ok(Folder { path: fs::canonicalize(parent)?.join(name) })
    }

    /// Absolute, without links on the way.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a demo was here, or is.
    pub(crate) fn is_demo(&self) -> bool {
        self.path.join(MARK).exists()
    }

    /// Nothing of an earlier demo runs, and nobody else's files are here.
    pub(crate) fn check_free(&self) -> Result<()> {
        let running = processes::below(&self.path)?;
        if let Some(first) = running.first() {
            bail!(
                "a demo runs in {} already ({} processes, {} is one): make demo-stop ends it",
                self.path.display(),
                running.len(),
                first
            );
        }
        if !self.is_demo() && self.path.exists() && fs::read_dir(&self.path)?.next().is_some() {
            bail!(
                "{} is not empty and is no demo's folder: name another one with --dir",
                self.path.display()
            );
        }
        Ok(())
    }

    /// Empties it, and marks it as the demo's.
    pub(crate) fn begin(&self) -> Result<()> {
        if self.is_demo() {
            make_removable(&self.path)?;
            fs::remove_dir_all(&self.path)?;
        }
        fs::create_dir_all(&self.path)?;
        fs::write(self.path.join(MARK), "made by `make demo`; emptied by the next one\n")?;
        Ok(())
    }
}

/// Unpacked versions are read-only, their folders too: who is not root could not remove what is in them.
fn make_removable(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.with_context(|| format!("could not list {}", folder.display()))?;
        if !entry.file_type().is_dir() {
            continue;
        }
        let mode = entry.metadata()?.permissions().mode();
        if mode & 0o700 != 0o700 {
            fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode | 0o700))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_folder_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path().join("demo")).unwrap();
        folder.check_free().unwrap();
        fs::create_dir(folder.path()).unwrap();
        folder.check_free().unwrap();
        fs::write(folder.path().join("thesis.tex"), "mine").unwrap();
        let text = folder.check_free().unwrap_err().to_string();
        assert!(text.contains("is not empty"), "{text}");
        assert!(!folder.is_demo());
    }

    #[test]
    fn the_demos_own_folder_is_emptied_read_only_folders_too() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::at(temp.path().join("demo")).unwrap();
        folder.begin().unwrap();
        let inner = folder.path().join("versions/1.0.0");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("file"), "").unwrap();
        fs::set_permissions(&inner, std::fs::Permissions::from_mode(0o500)).unwrap();
        folder.check_free().unwrap();
        folder.begin().unwrap();
        assert!(folder.is_demo());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
