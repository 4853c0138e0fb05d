//! A request that waits because no instance is ready, or its app is paused.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout_at};

use crate::core::{Changes, Core};
use crate::own_answer::Problem;
use crate::pause::Pause;
use crate::serving::Route;

/// Counts as held as long as it lives.
pub(crate) struct Hold {
    route: Arc<Route>,
    until: Instant,
}

impl Hold {
    /// Begins to wait, unless too many do. `until` is when an earlier hold of the same request would have ended: all of
    /// them together are one.
    pub(crate) fn begin(route: &Arc<Route>, until: Option<Instant>) -> Result<Self, Problem> {
        if route.hold.is_zero() {
            return Err(Problem::NoInstance);
        }
        let held = route.app.held.fetch_add(1, Ordering::Relaxed);
        let until = until.unwrap_or_else(|| Instant::now() + route.hold);
        let hold = Self { route: route.clone(), until };
        if route.limits.max_held != 0 && held >= route.limits.max_held {
            return Err(Problem::HeldTooMany);
        }
        route.count(|app| &app.held_total);
        Ok(hold)
    }

    /// When it ends at the latest.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Waits until something has changed, or the pause for which it waits is over.
    pub(crate) async fn wait(
        &self,
        core: &Rc<Core>,
        since: Changes,
        pause: Option<Pause>,
    ) -> Result<(), Problem> {
        let pause_ends = pause.and_then(Pause::end).filter(|end| *end < self.until);
        match timeout_at(pause_ends.unwrap_or(self.until), core.change(since)).await {
            Err(_) if pause_ends.is_none() => {
                self.route.count(|app| &app.held_in_vain);
                Err(Problem::HoldTimeout)
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.route.app.held.fetch_sub(1, Ordering::Relaxed);
    }
}
