//! Restarts that a watchdog asks for, like anybody else. Whether it may have one is in the app's state.

use std::sync::Arc;

use host::clock;
use model::app::{Command, Origin, Refused};
use model::{AppName, InstanceId};
use tracing::info;

use crate::control::Control;

/// Asks for restarts of one app's instances, and says once why it does not.
pub struct WatchdogRestarts {
    control: Arc<Control>,
    refused: Option<Refused>,
}

impl WatchdogRestarts {
    /// Nothing has been asked for yet.
    pub fn new(control: Arc<Control>) -> Self {
        WatchdogRestarts { control, refused: None }
    }

    /// Nothing needs a restart now: why the next one is not made is said again.
    pub fn none_is_needed(&mut self) {
        self.refused = None;
    }

    /// Has an instance replaced, if that may be now. Asks only for what will be taken: each question takes a number of a
    /// deployment.
    pub async fn ask(&mut self, name: &AppName, instance: InstanceId, reason: String) {
        let Ok(app) = self.control.app(name) else { return };
        let Some(place) = app.instances.get(&instance).map(|it| it.place) else { return };
        if let Err(why) = app.lets_watchdog_restart(place, clock::now()) {
            if self.refused.as_ref() != Some(&why) {
                info!(app = %name, %place, reason, %why, "the watchdog does not restart it now");
            }
            self.refused = Some(why);
            return;
        }
        let by = Origin::Watchdog { reason: reason.clone() };
        let place = Some(place);
        match self.control.ask(name, by, |deployment| Command::Restart { place, deployment }).await {
            Ok(_) => info!(app = %name, %instance, reason, "restarted by the watchdog"),
            Err(error) => {
                info!(app = %name, %instance, reason, %error, "the watchdog's restart is not taken")
            }
        }
    }
}
