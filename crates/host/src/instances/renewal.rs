//! Instances' shims become the program that is installed.

use std::time::Duration;

use tracing::{info, warn};

use super::Instances;
use crate::shim::{Found, ShimId};
use crate::tell::Tell;

/// How long a shim may take to answer.
const ANSWER: Duration = Duration::from_secs(15);

impl<T: Tell> Instances<T> {
    /// The living instances' shims that run another program than the installed one.
    pub(super) fn outdated_shims(&self) -> Vec<ShimId> {
        self.shims.outdated().unwrap_or_else(|error| {
            warn!(%error, "could not tell which shims are of an earlier program");
            Vec::new()
        })
    }

    /// Has a living shim go on as the installed program; one that cannot goes on as it is, and the next daemon tries
    /// again. Its connection ends with it, so this is done before anybody relies on one. Events above `after` are wanted.
    pub(super) async fn renewed(&self, found: Found, after: u64) -> Found {
        let Found::Alive(shim) = found else { return found };
        let id = shim.handle.id().clone();
        match self.shims.renew(&shim.handle, after).await {
            Ok(renewed) => {
                info!(shim = %id, "goes on as the shim that is installed");
                Found::Alive(Box::new(renewed))
            }
            Err(error) => {
                warn!(shim = %id, error = crate::chain(&error), "goes on as a shim of an earlier program");
                if shim.handle.gone().is_none() {
                    return Found::Alive(shim);
                }
                drop(shim);
                self.shims.examine(&id, after, ANSWER).await.unwrap_or_else(|why| Found::Unknown { id, why })
            }
        }
    }
}
