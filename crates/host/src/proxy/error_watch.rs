//! Watches what the proxy counts while a deployment is watched, and tells the engine when the new version answers
//! clearly more requests with 5xx than the old one; while it has a canary, what both versions answer. The decision is the
//! model's; so is what follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::app::{App, Deployment, Event, Phase, Responses, Target, is_clearly_above};
use model::{DeploymentId, InstanceId};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use wire::proxy::Report;

use super::canary_tally::{CanaryTally, SERVER_ERRORS, running};
use super::proxy_handle::{CloseWatch, Proxy};
use crate::tell::Tell;

/// Watches one app's deployments.
#[derive(Debug)]
pub struct ErrorWatch<T> {
    proxy: Proxy,
    tell: Arc<T>,
    /// Reports come often as long as there is something to watch.
    closely: Option<CloseWatch>,
    /// The deployment that was told about.
    told: Option<DeploymentId>,
    /// What instances that are upgraded hot had answered before.
    before: Before,
    /// What is counted for its canary.
    tally: CanaryTally,
}

impl<T: Tell> ErrorWatch<T> {
    /// Nothing is watched yet.
    pub fn new(proxy: Proxy, tell: Arc<T>) -> Self {
        ErrorWatch {
            proxy,
            tell,
            closely: None,
            told: None,
            before: Before::default(),
            tally: CanaryTally::default(),
        }
    }

    /// Follows an app until told to stop.
    pub async fn follow(mut self, mut app: watch::Receiver<Arc<App>>, stop: CancellationToken) {
        let following = async {
            let mut facts = self.proxy.facts();
            loop {
                let snapshot = app.borrow_and_update().clone();
                self.look(&snapshot).await;
                let watching = self.closely.is_some();
                let changed = tokio::select! {
                    changed = app.changed() => changed,
                    changed = facts.changed(), if watching => changed,
                };
                if changed.is_err() {
                    return;
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    async fn look(&mut self, app: &App) {
        let watched = watched(app).filter(|(it, _)| self.told != Some(it.id));
        if watched.is_none() && running(app).is_none() {
            self.closely = None;
            self.tally = CanaryTally::default();
            return;
        }
        self.closely.get_or_insert_with(|| self.proxy.watch_closely());
        if let Some(counts) = self.canary_counts(app)
            && let Err(error) = self.tell.tell(&app.name, counts).await
        {
            debug!(app = %app.name, %error, "counts of a canary not taken");
        }
        let Some((deployment, target)) = watched else { return };
        let Some(reason) = self.verdict(app, deployment) else { return };
        warn!(app = %app.name, deployment = %deployment.id, reason, "the new version fails");
        self.told = Some(deployment.id);
        if let Err(error) = self.tell.tell(&app.name, Event::ServerErrors { target, reason }).await {
            debug!(app = %app.name, %error, "5xx of a new version not taken");
        }
    }

    fn canary_counts(&mut self, app: &App) -> Option<Event> {
        let facts = self.proxy.facts();
        let facts = facts.borrow();
        self.tally.take(app, facts.report.as_ref()?)
    }

    fn verdict(&mut self, app: &App, deployment: &Deployment) -> Option<String> {
        let facts = self.proxy.facts();
        let facts = facts.borrow();
        let report = &facts.report.as_ref()?.report;
        let of = |ids: Vec<InstanceId>| responses(report, app.name.as_str(), &ids);
        if deployment.is_hot() {
            let old = deployment.lanes.values().filter_map(|lane| lane.old);
            let old = old.map(|id| (id, deployment.has_upgraded(id)));
            let (old, new) = self.before.and_after(deployment.id, old, |id| of(vec![id]));
            return is_clearly_above(old, new);
        }
        let old = of(deployment.lanes.values().filter_map(|lane| lane.old).collect());
        let new = of(deployment.lanes.values().filter_map(|lane| lane.new).collect());
        is_clearly_above(old, new)
    }
}

/// The deployment that is being watched, if it brings another version or other settings, and what it brings.
fn watched(app: &App) -> Option<(&Deployment, Target)> {
    let deployment = app.deployment.as_ref().filter(|it| it.is_serving() || it.phase == Phase::Upgrading)?;
    let to = deployment.to.filter(|to| deployment.from != Some(*to))?;
    Some((deployment, to))
}

/// What instances had answered when they were upgraded hot, as far as somebody looked.
#[derive(Debug, Default)]
struct Before {
    of: Option<DeploymentId>,
    counted: BTreeMap<InstanceId, Responses>,
}

impl Before {
    /// What the instances of a deployment answered before they were upgraded, and what they have since.
    fn and_after(
        &mut self,
        of: DeploymentId,
        instances: impl Iterator<Item = (InstanceId, bool)>,
        now: impl Fn(InstanceId) -> Responses,
    ) -> (Responses, Responses) {
        if self.of != Some(of) {
            *self = Before { of: Some(of), counted: BTreeMap::new() };
        }
        let (mut old, mut new) = (Responses::default(), Responses::default());
        for (id, is_upgraded) in instances {
            let now = now(id);
            if !is_upgraded {
                self.counted.insert(id, now);
            }
            let before = *self.counted.entry(id).or_insert(now);
            old = Responses { all: old.all + before.all, errors: old.errors + before.errors };
            // A proxy that was started anew counts from nothing.
            new.all += now.all.saturating_sub(before.all);
            new.errors += now.errors.saturating_sub(before.errors);
        }
        (old, new)
    }
}

/// What instances have answered since they began: old ones before the switch, new ones after it.
fn responses(report: &Report, app: &str, instances: &[InstanceId]) -> Responses {
    let ours =
        report.backends.iter().filter(|it| it.app == app && instances.contains(&InstanceId(it.instance)));
    ours.map(|it| &it.counts).fold(Responses::default(), |sum, counts| {
        let answered: u64 = counts.statuses.iter().sum();
        let errors = counts.statuses.get(SERVER_ERRORS).copied().unwrap_or(0);
        Responses { all: sum.all + answered + counts.failed, errors: sum.errors + errors + counts.failed }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::proxy::{BackendReport, Counts};

    fn backend(app: &str, instance: u64, statuses: [u64; 5], failed: u64) -> BackendReport {
        let counts = Counts { statuses: statuses.into(), failed, ..Counts::default() };
        BackendReport { app: app.into(), instance, counts, ..BackendReport::default() }
    }

    #[test]
    fn only_the_asked_instances_count_and_failed_attempts_are_errors() {
        let backends = vec![
            backend("beacon", 1, [1, 100, 10, 5, 7], 2),
            backend("beacon", 2, [0, 1, 0, 0, 1], 0),
            backend("beacon", 3, [0, 999, 0, 0, 999], 999),
            backend("buoy", 1, [0, 999, 0, 0, 999], 999),
        ];
        let report = Report { backends, ..Report::default() };
        let counted = responses(&report, "beacon", &[InstanceId(1), InstanceId(2), InstanceId(9)]);
        assert_eq!(counted, Responses { all: 127, errors: 10 });
        assert_eq!(responses(&report, "beacon", &[]), Responses::default());
    }

    #[test]
    fn what_was_answered_before_an_upgrade_says_nothing_about_it() {
        let mut before = Before::default();
        let mut look = |of: u64, is_upgraded: [bool; 2], counted: [(u64, u64); 2]| {
            let instances = [InstanceId(1), InstanceId(2)].into_iter().zip(is_upgraded);
            let now = |id: InstanceId| {
                let (all, errors) = counted[if id.0 == 1 { 0 } else { 1 }];
                Responses { all, errors }
            };
            let (old, new) = before.and_after(DeploymentId(of), instances, now);
            ((old.all, old.errors), (new.all, new.errors))
        };
        assert_eq!(look(1, [false, false], [(100, 1), (100, 0)]), ((200, 1), (0, 0)));
        assert_eq!(look(1, [true, false], [(150, 21), (140, 0)]), ((240, 1), (50, 20)));
        assert_eq!(look(1, [true, true], [(160, 22), (190, 5)]), ((240, 1), (110, 26)));
        assert_eq!(look(1, [true, true], [(3, 0), (190, 5)]).1, (50, 5), "the proxy has started anew");
        assert_eq!(look(2, [true, false], [(7, 7), (9, 0)]), ((16, 7), (0, 0)), "another deployment");
    }
}
