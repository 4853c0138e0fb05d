//! One side of an upgrade: a version, and where an instance's node has it.

use std::path::PathBuf;

use model::app::{App, Instance};
use package::inventory;
use package::tree::Unpacked;
use upgrade::inventory::Release;

use super::UpgradeError;
use crate::lowering::Version;
use crate::site::Site;

/// See the module.
pub(super) struct Side {
    /// The instance as one of this version.
    pub(super) instance: Instance,
    /// What the version is.
    pub(super) release: Release,
    /// As it is unpacked.
    pub(super) unpacked: Unpacked,
    /// Its root: the instance's tree, or the version's own while there is no such tree.
    pub(super) root: PathBuf,
}

impl Side {
    /// Reads it: it blocks.
    pub(super) fn read(site: &Site, app: &App, instance: Instance) -> Result<Self, UpgradeError> {
        let unpacked = site.unpacked(app, instance.target)?;
        let release = inventory::open(&unpacked)?;
        let tree = site.tree(&app.name, &instance);
        let root = if tree.is_dir() { tree } else { unpacked.tree().join(&unpacked.facts.root) };
        Ok(Side { instance, release, unpacked, root })
    }

    /// As the lowering takes it.
    pub(super) fn version(&self) -> Version<'_> {
        Version { release: &self.release, root: &self.root }
    }
}
