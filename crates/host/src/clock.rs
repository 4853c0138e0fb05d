//! The daemon's time: what the wall's clock showed when it was first asked for, and what has passed since by a clock that
//! nobody sets. Deadlines are reckoned by it, so that none is moved where the wall's clock is set.

use std::sync::LazyLock;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

static BEGAN: LazyLock<(Timestamp, Instant)> = LazyLock::new(|| (Timestamp::now(), Instant::now()));

/// The time now; it never goes back while this program runs.
pub fn now() -> Timestamp {
    let (began_at, began) = *BEGAN;
    let passed = SignedDuration::try_from(began.elapsed()).unwrap_or(SignedDuration::MAX);
    began_at.checked_add(passed).unwrap_or(Timestamp::MAX)
}
