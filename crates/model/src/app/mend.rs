//! What a state says of times, after the host's clock was set back while no daemon ran.

use jiff::Timestamp;

use super::deployment::Phase;
use super::instance::Status;
use super::member_check::Answer;
use super::turn::Turn;
use super::{reroute, supervise};

impl Turn {
    /// Nothing that has happened lies ahead, and nothing is waited for longer than it may take: what does was reckoned by a
    /// clock that was set back since, and places would stay empty and windows open for as long as that was.
    pub(super) fn mend_times(&mut self) {
        let at = self.at;
        self.mend_deployment();
        self.mend_member_checks();
        self.mend_drains();
        for instance in self.app.instances.values_mut() {
            past(
                at,
                [Some(&mut instance.created_at), instance.up_since.as_mut(), instance.ready_at.as_mut()],
            );
        }
        let soonest = self.after(supervise::LONGEST_WAIT);
        for place in self.app.places.values_mut() {
            past(soonest, [place.retry_at.as_mut(), place.relink_at.as_mut()]);
        }
        let soonest = self.after(reroute::LONGEST_WAIT);
        past(soonest, [self.app.routing.retry_at.as_mut()]);
        if let Some(pause) = self.app.pause.as_mut().filter(|pause| pause.since > at) {
            pause.until = at.checked_add(pause.until.duration_since(pause.since)).unwrap_or(at);
            pause.since = at;
        }
    }

    fn mend_deployment(&mut self) {
        let at = self.at;
        let Some(deployment) = &mut self.app.deployment else { return };
        let times = [&mut deployment.started_at, &mut deployment.switched_at, &mut deployment.serving_at];
        past(at, times.map(Option::as_mut));
        past(at, [Some(&mut deployment.begun_at), deployment.turned_at.as_mut()]);
        if let Some(canary) = &mut deployment.canary {
            past(
                at,
                [Some(&mut canary.began_at), Some(&mut canary.window_began_at), canary.ended_at.as_mut()],
            );
            past(at, [canary.held.as_mut().map(|held| &mut held.since)]);
        }
        let window = deployment.to.map(|to| self.settings(to).watch_window).unwrap_or_default();
        let latest = self.after(window);
        if let Phase::Watching { until } = &mut self.deployment().phase {
            past(latest, [Some(until)]);
        }
    }

    fn mend_member_checks(&mut self) {
        let at = self.at;
        let targets: Vec<_> = self.app.instances.values().map(|it| (it.id, it.target)).collect();
        for (id, target) in targets {
            let soonest = self.after(self.settings(target).member.retry_period);
            let lanes = self.app.deployment.iter_mut().flat_map(|deployment| deployment.lanes.values_mut());
            for check in lanes.filter_map(|lane| lane.check.as_mut()).filter(|check| check.instance == id) {
                match &mut check.answer {
                    Answer::Nothing { .. } => {}
                    Answer::No { again_at } => past(soonest, [Some(again_at)]),
                    Answer::Yes { at: said_at } => past(at, [Some(said_at)]),
                }
            }
        }
    }

    fn mend_drains(&mut self) {
        let longest: Vec<_> = self.app.instances.values().map(|it| (it.id, it.target)).collect();
        for (id, target) in longest {
            let latest = self.after(self.settings(target).drain_timeout.saturating_add(reroute::DRAIN_GRACE));
            if let Some(Status::Draining { until, .. }) = self.instance(id).map(|it| &mut it.status) {
                past(latest, [Some(until)]);
            }
        }
    }
}

/// None of the times is later than `latest`.
fn past<const N: usize>(latest: Timestamp, times: [Option<&mut Timestamp>; N]) {
    for time in times.into_iter().flatten() {
        *time = latest.min(*time);
    }
}
