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

/// What the wall's clock will show at a time of ours, to half a second, unless it is set again until then: for what others
/// wait for. Told twice it is the same, as long as the wall's clock was not set.
pub fn on_the_wall(time: Timestamp) -> Timestamp {
    let ahead = Timestamp::now().duration_since(now()).as_secs_f64().round();
    time.checked_add(SignedDuration::from_secs(ahead as i64)).unwrap_or(Timestamp::MAX)
}
