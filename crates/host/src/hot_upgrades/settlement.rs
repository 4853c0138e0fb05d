//! An upgrade that stays: the next start of the instance is one of the version that it has become.

use std::sync::Arc;
use std::time::Duration;

use hot::Installer;
use model::app::{App, Instance, Target};
use probe::Probe;
use tracing::debug;

use super::{HotUpgrades, UpgradeError};
use crate::tell::Tell;

/// How long a node may take to forget the result.
const FORGETS: Duration = Duration::from_secs(5);

impl<T: Tell> HotUpgrades<T> {
    /// Settles an upgrade: the instance's tree of the new version is there, with what a start needs in it, its shim starts
    /// that next, and its node forgets the result. Done twice, it does the same.
    ///
    /// # Errors
    /// The tree could not be made, or the shim not be told: the next start is one of the old version then. Or the instance is
    /// not in the run any more that the app knows of.
    pub async fn settle(
        &self,
        app: &Arc<App>,
        instance: &Instance,
        to: Target,
        id: &str,
    ) -> Result<(), UpgradeError> {
        let new = instance.upgraded(to);
        self.instances.lay_out(app, &new).await?;
        // What it told before it was set may have been of a run that began before.
        let run = self.instances.set_run(app, &new).await?;
        if run != Some(instance.run) {
            return Err(UpgradeError::StartedAnew);
        }
        // It forgets by itself too, and the next upgrade takes its place.
        let Some(node) = self.plans.nodes.get(&app.name, instance.id) else { return Ok(()) };
        if let Err(error) = Installer::new(Probe::new(node)).acknowledge(id, FORGETS).await {
            debug!(app = %app.name, upgrade = id, error = crate::chain(&error), "its result stays in the node");
        }
        Ok(())
    }
}
