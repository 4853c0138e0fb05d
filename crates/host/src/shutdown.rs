//! The orderly end of everything when the host goes down. No daemon runs meanwhile, and nothing is forgotten: the next one
//! finds what ran as it does after a reboot, and starts it again.

use std::time::Duration;

use futures_util::future::join_all;
use tracing::{info, warn};

use crate::proxy::is_proxy;
use crate::shim::{Found, ShimError, ShimHost, ShimId};

/// How long a shim may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Ends all shims of this root, each with its child within the child's own time to stop; first the proxy, which finishes
/// what is in flight in the instances, then all others at once. Returns those that are still there `within` that time, each
/// with the reason.
///
/// # Errors
/// When the shims cannot be listed.
pub async fn end_all(shims: &ShimHost, within: Duration) -> Result<Vec<(ShimId, ShimError)>, ShimError> {
    let (proxies, others): (Vec<_>, Vec<_>) = shims.ids()?.into_iter().partition(is_proxy);
    let mut left = Vec::new();
    for group in [proxies, others] {
        let ended = join_all(group.into_iter().map(|id| async move { (end(shims, &id, within).await, id) }));
        left.extend(ended.await.into_iter().filter_map(|(ended, id)| Some((id, ended.err()?))));
    }
    for (id, error) in &left {
        warn!(shim = %id, error = crate::chain(error), "could not be ended in order");
    }
    Ok(left)
}

async fn end(shims: &ShimHost, id: &ShimId, within: Duration) -> Result<(), ShimError> {
    let Found::Alive(shim) = shims.examine(id, 0, ANSWER).await? else { return Ok(()) };
    shim.handle.end(within).await?;
    info!(shim = %id, "ended in order");
    Ok(())
}
