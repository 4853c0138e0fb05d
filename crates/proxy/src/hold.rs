//! A request that waits because no instance is ready.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout_at};

use crate::core::{Changes, Core};
use crate::own_answer::Problem;
use crate::serving::Route;

/// Counts as held as long as it lives.
pub(crate) struct Hold {
    route: Arc<Route>,
    until: Instant,
}

impl Hold {
    /// Begins to wait, unless too many do.
    pub(crate) fn begin(route: &Arc<Route>) -> Result<Self, Problem> {
        if route.hold.is_zero() {
            return Err(Problem::NoInstance);
        }
        let held = route.app.held.fetch_add(1, Ordering::Relaxed);
        let hold = Self { route: route.clone(), until: Instant::now() + route.hold };
        if route.limits.max_held != 0 && held >= route.limits.max_held {
            return Err(Problem::HeldTooMany);
        }
        route.count(|app| &app.held_total);
        Ok(hold)
    }

    /// Waits until something has changed.
    pub(crate) async fn wait(&self, core: &Rc<Core>, since: Changes) -> Result<(), Problem> {
        timeout_at(self.until, core.change(since)).await.map_err(|_| {
            self.route.count(|app| &app.held_in_vain);
            Problem::HoldTimeout
        })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.route.app.held.fetch_sub(1, Ordering::Relaxed);
    }
}
