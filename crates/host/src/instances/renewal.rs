//! Instances' shims become the program that is installed.

use tracing::{info, warn};

use super::{Instances, Which};
use crate::tell::Tell;

impl<T: Tell> Instances<T> {
    /// Has the shim of each living instance that runs another program go on as the installed one, one after another. One
    /// that cannot goes on as it is; the next daemon tries again. A shim's connection ends with it, and is made anew by
    /// who follows it.
    pub async fn renew_shims(&self) {
        let outdated = match self.shims.outdated() {
            Ok(outdated) => outdated,
            Err(error) => return warn!(%error, "could not tell which shims are of an earlier program"),
        };
        for id in outdated.iter().filter(|id| Which::of_shim(id).is_some()) {
            let Some(living) = self.living(id) else { continue };
            let renewed = match self.shims.formats(id).await {
                Ok(formats) => living.handle.renew(&self.shims.shim_binary, formats).await,
                Err(error) => Err(error),
            };
            match renewed {
                Ok(()) => info!(shim = %id, "goes on as the shim that is installed"),
                Err(error) => {
                    warn!(shim = %id, error = crate::chain(&error), "goes on as a shim of an earlier program");
                }
            }
        }
    }
}
