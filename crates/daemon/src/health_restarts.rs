//! An instance of an app that stays unhealthy is replaced: a node that hangs loses its requests by itself, and does not come
//! back by itself.
//!
//! Whose turn it is and when follows from the app's state ([`App::ailing`]); this only waits for it.

use std::sync::Arc;
use std::time::Duration;

use host::clock;
use jiff::Timestamp;
use model::app::{App, Instance, Status};
use model::human;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::control::Control;
use crate::watchdog_restarts::WatchdogRestarts;

/// After a restart that was not to be had: something else is under way.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// Longest wait without a look at the clock, which may have been set.
const LOOK: Duration = Duration::from_secs(60);

/// Sees to one app.
pub struct HealthRestarts {
    restarts: WatchdogRestarts,
}

impl HealthRestarts {
    /// One that has seen nothing yet.
    pub fn new(control: Arc<Control>) -> Self {
        HealthRestarts { restarts: WatchdogRestarts::new(control) }
    }

    /// Follows an app until told to stop.
    pub async fn follow(mut self, mut app: watch::Receiver<Arc<App>>, stop: CancellationToken) {
        let following = async {
            loop {
                let snapshot = app.borrow_and_update().clone();
                let wait = self.look(&snapshot).await;
                tokio::select! {
                    () = sleep(wait) => {}
                    changed = app.changed() => if changed.is_err() { return },
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    /// Asks for what is due; how long to wait then, unless something changes.
    async fn look(&mut self, app: &App) -> Duration {
        let Some((instance, due)) = app.ailing() else {
            self.restarts.none_is_needed();
            return LOOK;
        };
        let now = clock::now();
        let left = Duration::try_from(due.duration_since(now)).unwrap_or_default();
        if !left.is_zero() {
            return left.min(LOOK);
        }
        self.restarts.ask(&app.name, instance.id, reason(instance, now)).await;
        ASK_AGAIN
    }
}

fn reason(instance: &Instance, now: Timestamp) -> String {
    let Status::Unhealthy { why, since } = &instance.status else { return String::new() };
    let time = Duration::try_from(now.duration_since(*since)).unwrap_or_default();
    format!("unhealthy for {}: {why}", human::duration(time))
}
