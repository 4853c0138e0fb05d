//! Samples, unpacked, with their inventories.

use std::path::{Path, PathBuf};
use std::process::Command;

use host::lowering::{LowerError, Told, Version, lower};
use hot::Instructions;
use testkit::sample;
use upgrade::inventory::Release;
use upgrade::plan::{Direction, Plan};
use upgrade::policy::Policy;

/// A version on disk.
pub(crate) struct Unpacked {
    pub(crate) root: PathBuf,
    pub(crate) release: Release,
}

impl Unpacked {
    /// A sample below a folder.
    pub(crate) fn sample(name: &str, below: &Path) -> Self {
        let root = below.join(name);
        fs_err::create_dir_all(&root).unwrap();
        let mut tar = Command::new("tar");
        let tar = tar.arg("xzf").arg(&sample(name).path).arg("-C").arg(&root);
        assert!(tar.status().unwrap().success());
        Self::of(root)
    }

    /// What is in this folder.
    pub(crate) fn of(root: PathBuf) -> Self {
        let release = package::inventory::read_folder(&root).unwrap();
        Self { root, release }
    }

    pub(crate) fn version(&self) -> Version<'_> {
        Version { release: &self.release, root: &self.root }
    }

    /// The plan to another, and what a node is told for it.
    pub(crate) fn to(&self, new: &Unpacked, id: &str, way: Direction) -> (Plan, Instructions) {
        let (plan, instructions) = self.lowered(new, id, way);
        (plan, instructions.unwrap())
    }

    pub(crate) fn lowered(
        &self,
        new: &Unpacked,
        id: &str,
        way: Direction,
    ) -> (Plan, Result<Instructions, LowerError>) {
        self.with_policy(new, id, &Policy { way, ..Policy::default() })
    }

    pub(crate) fn with_policy(
        &self,
        new: &Unpacked,
        id: &str,
        policy: &Policy,
    ) -> (Plan, Result<Instructions, LowerError>) {
        let plan = upgrade::plan(&self.release, &new.release, policy);
        let instructions = lower(id, &plan, self.version(), new.version(), &Told::default());
        (plan, instructions)
    }
}
