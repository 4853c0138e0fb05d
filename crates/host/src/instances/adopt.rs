//! Finding the shims of an earlier daemon.

use std::sync::Arc;
use std::time::Duration;

use model::InstanceId;
use model::app::{App, Event};
use tracing::{info, warn};

use super::{Instances, Which};
use crate::shim::{Connected, Dead, Found, ShimError, ShimId};
use crate::tell::Tell;

/// How long a shim may take to answer; one that does not is unknown, never gone.
const ANSWER: Duration = Duration::from_secs(15);

/// What was found of an app's instances.
#[derive(Debug, Default)]
pub struct Adopted {
    /// Their shim answered.
    pub alive: Vec<InstanceId>,
    /// Their shim did not answer in time.
    pub unknown: Vec<InstanceId>,
    /// What the shims that died had not told yet; the engine takes it before anything else.
    pub news: Vec<Event>,
}

impl<T: Tell> Instances<T> {
    /// Asks every shim of this root; those that the journal knows are followed from the last event it has, the
    /// others are told to stop. Shims of commands are left to the effects that wait for them.
    ///
    /// # Errors
    /// When the run folders cannot be listed: nothing may be started then.
    pub async fn adopt(self: &Arc<Self>, apps: &[Arc<App>]) -> Result<Vec<(Arc<App>, Adopted)>, ShimError> {
        let known = |id: &ShimId| {
            let which = Which::of_shim(id)?;
            let app = apps.iter().find(|app| app.name == which.app)?;
            app.instances
                .get(&which.instance)
                .filter(|it| it.place == which.place && !it.is_gone())
                .map(|it| (which, it.seq))
        };
        // Others (of commands, epmd, the proxy) have somebody who talks to them, and a shim talks to one at a time.
        let ours = |id: &ShimId| Which::of_shim(id).is_some();
        let found = self.shims.adopt_all(ANSWER, ours, |id| known(id).map_or(0, |(_, seq)| seq)).await?;
        let mut adopted: Vec<(Arc<App>, Adopted)> =
            apps.iter().map(|app| (app.clone(), Adopted::default())).collect();
        let outdated = self.outdated_shims();
        for mut shim in found {
            let id = match &shim {
                Found::Alive(connected) => connected.handle.id().clone(),
                Found::Dead(dead) => dead.id.clone(),
                Found::Unknown { id, .. } => id.clone(),
            };
            let Some((which, seq)) = known(&id) else {
                let Some(which) = Which::of_shim(&id) else { continue };
                let of_app = adopted.iter_mut().find(|(app, _)| app.name == which.app);
                if let (false, Some((_, of_app))) = (self.dismiss(shim).await, of_app) {
                    // It may run in its place.
                    of_app.unknown.push(which.instance);
                }
                continue;
            };
            let Some((_, of_app)) = adopted.iter_mut().find(|(app, _)| app.name == which.app) else {
                continue;
            };
            if outdated.contains(&id) {
                shim = self.renewed(shim, seq).await;
            }
            match shim {
                Found::Alive(connected) => {
                    info!(shim = %id, run = connected.welcome.status.run, "found again");
                    of_app.alive.push(which.instance);
                    self.follow(which, *connected, seq);
                }
                Found::Unknown { why, .. } => {
                    warn!(shim = %id, error = crate::chain(&why), "does not answer: nothing is started in its place");
                    of_app.unknown.push(which.instance);
                }
                // Told as gone by the adoption event; what it left is cleaned up by the stop that follows.
                Found::Dead(dead) => {
                    info!(shim = %id, "died while the daemon was away");
                    of_app.news.extend(self.news_of_dead(&which, &dead, seq));
                }
            }
        }
        Ok(adopted)
    }

    /// Ends a shim that the journal does not know; false: it may live yet.
    async fn dismiss(&self, shim: Found) -> bool {
        let dismissed = match shim {
            Found::Alive(connected) => self.end_unknown(*connected).await,
            Found::Dead(dead) => {
                let cleaned = self.shims.clean_up(&dead, Duration::from_secs(10)).await;
                cleaned.and_then(|_| self.shims.forget(&dead.id))
            }
            Found::Unknown { id, why } => {
                warn!(shim = %id, error = crate::chain(&why), "unknown to the journal, and does not answer");
                return false;
            }
        };
        if let Err(error) = &dismissed {
            warn!(error = crate::chain(error), "could not end a shim that the journal does not know");
        }
        dismissed.is_ok()
    }

    async fn end_unknown(&self, connected: Connected) -> Result<(), ShimError> {
        let id = connected.handle.id().clone();
        warn!(shim = %id, "unknown to the journal: told to stop");
        connected.handle.stop(Duration::from_secs(10)).await?;
        connected.handle.ack(u64::MAX).await?;
        connected.handle.release().await?;
        self.shims.forget(&id)
    }

    fn news_of_dead(&self, which: &Which, dead: &Dead, seq: u64) -> Vec<Event> {
        let (stdout, stderr) = self.site.paths.instance_logs(&which.app, which.place, which.instance);
        let tail = || crate::log_tail::of_instance(&stdout, &stderr);
        let facts =
            dead.events_after(seq).filter_map(|event| Some((event.seq, super::facts::of(event, tail)?)));
        facts.map(|(seq, fact)| Event::Shim { instance: which.instance, seq, fact }).collect()
    }
}
