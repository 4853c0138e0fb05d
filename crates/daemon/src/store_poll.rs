//! Following the store: what its version file names is deployed, for apps in automatic mode.
//!
//! Each app has a follower of its own, which is asked to look at each interval unless it still does: a store that
//! hangs delays nobody else.

mod fetch;
pub mod follower;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use follower::Follower;
use model::AppName;
use model::settings::HostConfig;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::control::Control;

/// Polls the stores of all apps.
pub struct StorePoll {
    control: Arc<Control>,
    followers: BTreeMap<AppName, Arc<Mutex<Follower>>>,
    /// What was said about the settings as a whole.
    said: Option<String>,
}

impl StorePoll {
    /// A poller for the apps of the settings and those that are registered.
    pub fn new(control: Arc<Control>) -> Self {
        StorePoll { control, followers: BTreeMap::new(), said: None }
    }

    /// Polls until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let wait = self.poll(&stop);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Has every follower look that does not look already, and tells when to do so again.
    pub fn poll(&mut self, stop: &CancellationToken) -> std::time::Duration {
        match self.control.settings_files.load() {
            Ok(config) => {
                self.said = None;
                let config = Arc::new(config);
                self.begin_round(&config, stop);
                config.settings.poll_interval
            }
            Err(error) => {
                let problem = error.to_string();
                if self.said.as_ref() != Some(&problem) {
                    warn!("the settings cannot be used, the store is not followed: {problem}");
                    self.said = Some(problem);
                }
                self.control.site.settings.poll_interval
            }
        }
    }

    fn begin_round(&mut self, config: &Arc<HostConfig>, stop: &CancellationToken) {
        let registered = self.control.apps();
        let apps = config.apps().cloned().chain(registered.iter().map(|app| app.name.clone()));
        for app in apps.collect::<BTreeSet<AppName>>() {
            // Whoever has it is still looking.
            let Ok(mut follower) = self.follower(app).try_lock_owned() else { continue };
            let (config, stop) = (config.clone(), stop.clone());
            self.control.tasks().spawn(async move { stop.run_until_cancelled(follower.poll(config)).await });
        }
    }

    /// The follower of an app.
    pub fn follower(&mut self, app: AppName) -> Arc<Mutex<Follower>> {
        let new = |app: &AppName| Arc::new(Mutex::new(Follower::new(self.control.clone(), app.clone())));
        self.followers.entry(app).or_insert_with_key(new).clone()
    }
}
