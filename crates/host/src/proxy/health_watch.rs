//! Watches which instances the proxy gives no requests, and tells the engine. A reconciler: it compares what the proxy
//! says with what the app's state says was told last, so that nothing is told twice or lost by a restart.
//!
//! What changes all the time is told now and then, with how often it changed: a flapping instance never fills the
//! journal.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use model::InstanceId;
use model::app::{App, Event, Instance};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::facts::{Process, ProxyFacts};
use super::proxy_handle::Proxy;
use crate::tell::Tell;

/// How long a change must last to be told: a crash is told as such, and the instance leaves the routes within this.
const SETTLES: Duration = Duration::from_secs(1);
/// So many changes of an instance are told within [`WINDOW`]; the next one when the first of them is so old.
const BURST: usize = 4;
/// See [`BURST`]: at most 576 lines a day for an instance that never comes to rest.
const WINDOW: Duration = Duration::from_secs(600);
/// So many changes are told although things are now as they were.
const MANY: u32 = 10;

/// Watches one app's instances.
#[derive(Debug)]
pub struct HealthWatch<T> {
    proxy: Proxy,
    tell: Arc<T>,
    watched: BTreeMap<(InstanceId, u32), Changes>,
}

impl<T: Tell> HealthWatch<T> {
    /// Nothing is known yet.
    pub fn new(proxy: Proxy, tell: Arc<T>) -> Self {
        HealthWatch { proxy, tell, watched: BTreeMap::new() }
    }

    /// Follows an app until told to stop.
    pub async fn follow(mut self, mut app: watch::Receiver<Arc<App>>, stop: CancellationToken) {
        let following = async {
            let mut facts = self.proxy.facts();
            loop {
                let snapshot = app.borrow_and_update().clone();
                let due = self.look(&snapshot, &mut facts).await;
                let changed = tokio::select! {
                    changed = app.changed() => changed,
                    changed = facts.changed() => changed,
                    () = at(due) => Ok(()),
                };
                if changed.is_err() {
                    return;
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    /// Tells what is due; returns when the next is.
    async fn look(&mut self, app: &App, facts: &mut watch::Receiver<ProxyFacts>) -> Option<Instant> {
        let now = Instant::now();
        // Of a proxy that cannot be asked nothing new is known.
        let found = {
            let facts = facts.borrow_and_update();
            is_telling(&facts).then(|| offered(app).map(|it| (it, down(app, it, &facts))).collect::<Vec<_>>())
        };
        let found = found?;
        self.watched.retain(|key, _| found.iter().any(|(it, _)| *key == (it.id, it.run)));
        let mut next = None;
        for (it, down) in found {
            let changes = self.watched.entry((it.id, it.run)).or_default();
            let due = changes.see(now, it.down.is_some(), down.is_some());
            if due.is_some_and(|due| due <= now) {
                let event =
                    Event::ProxyHealth { instance: it.id, run: it.run, down, changes: changes.told(now) };
                if let Err(error) = self.tell.tell(&app.name, event).await {
                    debug!(app = %app.name, instance = %it.id, %error, "what the proxy finds not taken");
                }
            } else {
                next = next.into_iter().chain(due).min();
            }
        }
        next
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn is_telling(facts: &ProxyFacts) -> bool {
    facts.unreached.is_none() && matches!(facts.process, Process::Running { .. })
}

/// Instances that the proxy was told to offer requests.
fn offered(app: &App) -> impl Iterator<Item = &Instance> {
    let route = app.routing.applied.as_ref();
    app.instances.values().filter(move |it| route.is_some_and(|route| route.offers(it.id)))
}

fn down(app: &App, it: &Instance, facts: &ProxyFacts) -> Option<String> {
    facts.down.get(&(app.name.to_string(), it.id.0)).map(|health| health.reason.clone())
}

/// What an instance has gone through, and what of it was told.
#[derive(Debug, Default)]
struct Changes {
    /// Whether it was down when it was looked at last.
    was_down: bool,
    /// Changes that were not told, and when the first of them came.
    untold: u32,
    since: Option<Instant>,
    /// When something was told, within the last [`WINDOW`].
    told: VecDeque<Instant>,
}

impl Changes {
    /// Takes a look at it; says when there is something to be told, if there is.
    fn see(&mut self, now: Instant, known_down: bool, is_down: bool) -> Option<Instant> {
        // The first look at one that is known to be down already is no change.
        let before = if self.untold == 0 { known_down } else { self.was_down };
        if is_down != before {
            self.untold = self.untold.saturating_add(1);
        }
        self.was_down = is_down;
        if self.untold == 0 || (is_down == known_down && self.untold < MANY) {
            return None;
        }
        let since = *self.since.get_or_insert(now);
        while self.told.front().is_some_and(|told| now.duration_since(*told) >= WINDOW) {
            self.told.pop_front();
        }
        let freed = self.told.front().filter(|_| self.told.len() >= BURST).map(|first| *first + WINDOW);
        Some(freed.map_or(since + SETTLES, |freed| freed.max(since + SETTLES)))
    }

    /// It is being told; returns how many changes that are.
    fn told(&mut self, now: Instant) -> u32 {
        self.told.push_back(now);
        self.since = None;
        std::mem::take(&mut self.untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at an instance every 100 ms for so long; `is_down` says how it is in each of these moments. Returns what
    /// was told: after how many ms, whether it was down, how many changes.
    fn told(ms: u64, is_down: impl Fn(u64) -> bool) -> Vec<(u64, bool, u32)> {
        let began = Instant::now();
        let (mut changes, mut known_down, mut told) = (Changes::default(), false, Vec::new());
        for at in (0..ms).step_by(100) {
            let (now, is_down) = (began + Duration::from_millis(at), is_down(at));
            if changes.see(now, known_down, is_down).is_some_and(|due| due <= now) {
                known_down = is_down;
                told.push((at, is_down, changes.told(now)));
            }
        }
        told
    }

    #[test]
    fn a_change_that_lasts_is_told_and_one_that_does_not_is_not() {
        assert_eq!(told(60_000, |_| false), []);
        assert_eq!(told(60_000, |ms| ms >= 5_000), [(6_000, true, 1)]);
        let for_a_while = told(60_000, |ms| (5_000..20_000).contains(&ms));
        assert_eq!(for_a_while, [(6_000, true, 1), (21_000, false, 1)]);
        assert_eq!(told(60_000, |ms| (5_000..5_500).contains(&ms)), []);
    }

    #[test]
    fn a_flapping_instance_is_told_of_now_and_then() {
        let an_hour = 3_600_000;
        let slow = told(an_hour, |ms| (ms / 3_000) % 2 == 1);
        assert!(slow.len() <= BURST * 6 + BURST, "{} lines", slow.len());
        assert!(
            slow.iter().map(|(_, _, changes)| changes).sum::<u32>() >= 990,
            "all changes but the last are counted"
        );
        let fast = told(an_hour, |ms| (ms / 200) % 2 == 1);
        assert!(!fast.is_empty() && fast.len() <= BURST * 6 + BURST, "{} lines", fast.len());
    }

    #[test]
    fn what_the_state_knows_is_not_told_again_after_a_start_of_the_daemon() {
        let (now, mut changes) = (Instant::now(), Changes::default());
        assert_eq!(changes.see(now, true, true), None);
        assert_eq!(changes.see(now, true, false), Some(now + SETTLES), "it is well again");
    }
}
