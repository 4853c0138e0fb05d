//! What both versions of a canary have answered since it was told last, from reports whose counts only grow.

use std::collections::{BTreeMap, BTreeSet};

use model::app::{App, Canary, Counted, Deployment, Event, sides};
use model::{DeploymentId, InstanceId};
use tokio::time::Instant;
use wire::proxy::{BOUNDS_US, BackendReport, Counts, Report};

use super::facts::Sample;

/// Of the hundreds that statuses are counted by: 1xx, 2xx, 3xx, 4xx, 5xx.
pub(super) const SERVER_ERRORS: usize = 4;

/// Of each step's time this part passes between two tellings at most, so that a bad version is left soon.
const PART: u32 = 60;
/// Reports come every second; more of them are not waited for.
const MOST_REPORTS: u32 = 5;

/// Counts for one canary. Whatever was counted while nobody looked (the daemon was away) is left out of both sides.
#[derive(Debug, Default)]
pub(super) struct CanaryTally {
    /// The deployment, and the window of its canary.
    of: Option<(DeploymentId, u32)>,
    /// The report that was taken last.
    last: Option<Instant>,
    /// The proxy's process, and what it had counted of each instance by then.
    seen: Option<(u64, BTreeMap<InstanceId, Counts>)>,
    old: Counted,
    new: Counted,
    /// Reports since it was told.
    reports: u32,
}

impl CanaryTally {
    /// Takes a report, once; gives what is to be told now.
    pub(super) fn take(&mut self, app: &App, sample: &Sample) -> Option<Event> {
        let Some((deployment, canary)) = running(app) else {
            *self = CanaryTally::default();
            return None;
        };
        if self.last.replace(sample.at) == Some(sample.at) {
            return None;
        }
        let of = (deployment.id, canary.window);
        if self.of.replace(of) != Some(of) {
            // The report spans the window's beginning: what it counted belongs to neither window.
            (self.old, self.new, self.reports) = (Counted::default(), Counted::default(), 0);
            self.note(app, &sample.report);
            return None;
        }
        self.count(app, deployment, &sample.report);
        self.note(app, &sample.report);
        self.reports += 1;
        let is_due = self.reports >= interval(app) && self.old.requests + self.new.requests > 0;
        is_due.then(|| {
            self.reports = 0;
            Event::CanaryCounts {
                deployment: deployment.id,
                window: canary.window,
                old: std::mem::take(&mut self.old),
                new: std::mem::take(&mut self.new),
            }
        })
    }

    fn count(&mut self, app: &App, deployment: &Deployment, report: &Report) {
        let Some((incarnation, seen)) = &self.seen else { return };
        // Another process has counted from zero, and so has an instance that was not there.
        let nothing = BTreeMap::new();
        let seen = if *incarnation == report.incarnation { seen } else { &nothing };
        let (old, new) = sides(deployment);
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = (old.into_iter().collect(), new.into_iter().collect());
        for it in ours(app, report) {
            let id = InstanceId(it.instance);
            let side = if old.contains(&id) {
                &mut self.old
            } else if new.contains(&id) {
                &mut self.new
            } else {
                continue;
            };
            side.add(&between(seen.get(&id), &it.counts));
        }
    }

    fn note(&mut self, app: &App, report: &Report) {
        let counts = ours(app, report).map(|it| (InstanceId(it.instance), it.counts.clone()));
        self.seen = Some((report.incarnation, counts.collect()));
    }
}

/// The deployment whose canary runs.
pub(super) fn running(app: &App) -> Option<(&Deployment, &Canary)> {
    let deployment = app.deployment.as_ref()?;
    Some((deployment, deployment.running_canary()?))
}

/// How many reports are told together.
fn interval(app: &App) -> u32 {
    let step_time = app.canary_settings().map(|it| it.step_time).unwrap_or_default();
    u32::try_from((step_time / PART).as_secs()).unwrap_or(MOST_REPORTS).clamp(1, MOST_REPORTS)
}

fn ours<'a>(app: &'a App, report: &'a Report) -> impl Iterator<Item = &'a BackendReport> {
    report.backends.iter().filter(|it| it.app == app.name.as_str())
}

/// What was counted between two reports of one process.
fn between(before: Option<&Counts>, after: &Counts) -> Counted {
    let nothing = Counts::default();
    let before = before.unwrap_or(&nothing);
    let grown = |of: fn(&Counts) -> u64| of(after).saturating_sub(of(before));
    let answered = |counts: &Counts| counts.statuses.iter().sum::<u64>();
    let errors = |counts: &Counts| counts.statuses.get(SERVER_ERRORS).copied().unwrap_or(0);
    let bounds = BOUNDS_US.iter().copied().chain([u64::MAX]);
    let earlier = before.latency.iter().copied().chain(std::iter::repeat(0));
    let latency = bounds.zip(after.latency.iter().zip(earlier));
    Counted {
        requests: grown(|it| it.failed) + answered(after).saturating_sub(answered(before)),
        errors: grown(|it| it.failed) + errors(after).saturating_sub(errors(before)),
        latency: latency
            .map(|(bound, (after, before))| (bound, after.saturating_sub(before)))
            .filter(|(_, count)| *count > 0)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(statuses: [u64; 5], failed: u64, latency: &[(usize, u64)]) -> Counts {
        let mut buckets = vec![0; BOUNDS_US.len() + 1];
        latency.iter().for_each(|(bucket, count)| buckets[*bucket] = *count);
        Counts { statuses: statuses.into(), failed, latency: buckets, ..Counts::default() }
    }

    #[test]
    fn only_what_has_grown_counts_and_failed_attempts_are_errors() {
        let before = counts([0, 100, 0, 5, 7], 1, &[(3, 80), (24, 2)]);
        let after = counts([1, 150, 9, 6, 10], 3, &[(3, 120), (4, 20), (24, 3)]);
        let grown = between(Some(&before), &after);
        assert_eq!((grown.requests, grown.errors), (66, 5));
        assert_eq!(grown.latency, [(500, 40), (700, 20), (u64::MAX, 1)].into());
        let all = between(None, &after);
        assert_eq!((all.requests, all.errors), (179, 13));
        assert_eq!(between(Some(&after), &before), Counted::default(), "a count that fell is none");
    }
}
