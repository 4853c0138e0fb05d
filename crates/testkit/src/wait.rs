//! Waiting for a condition, never for time to pass.

use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// Longest that anything ordinary takes on two busy cores.
pub const LONG: Duration = Duration::from_secs(60);

/// By what all deadlines are multiplied: `BELLROCK_PATIENCE`, for machines on which everything takes longer.
pub fn patience() -> u32 {
    std::env::var("BELLROCK_PATIENCE").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

/// Looks until `look` sees what it wants, and returns that.
///
/// # Panics
/// When it has not by the deadline; the message names `what` and the caller's line.
#[track_caller]
pub fn wait_for<T>(
    what: impl Into<String>,
    within: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let (what, caller, within) = (what.into(), Location::caller(), within * patience());
    async move {
        let deadline = Instant::now() + within;
        loop {
            match timeout_at(deadline, look()).await {
                Ok(Some(seen)) => return seen,
                Ok(None) if Instant::now() < deadline => sleep(LOOK).await,
                _ => panic!("{what}: not within {within:?} ({caller})"),
            }
        }
    }
}
