//! Who is offered requests, and asking the proxy for it.

use std::time::Duration;

use jiff::Timestamp;

use super::App;
use super::deployment::{Deployment, Drain};
use super::effect::Effect;
use super::event::Outcome;
use super::instance::{Ending, Instance, Status};
use super::note::{Level, Step};
use super::route::{Backend, BackendMode, ProxyCheck, Route};
use super::turn::Turn;
use super::version::Target;
use crate::names::{EffectId, InstanceId};
use crate::settings::ports::ports_of;
use crate::settings::{AppSettings, Check, PortName, Scheme, Strategy};

/// Longest wait between two attempts to have a route applied.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How much longer than `drain_timeout` the end of a drain is waited for: the proxy cuts at that time and then says so.
pub const DRAIN_GRACE: Duration = Duration::from_secs(2);

impl Deployment {
    /// Whether traffic goes from all old instances to all new ones at once. Where nothing is replaced, each new
    /// instance gets traffic as soon as it is ready.
    pub(super) fn switches_at_once(&self) -> bool {
        self.strategy == Strategy::Parallel && self.lanes.values().any(|lane| lane.old.is_some())
    }
}

impl App {
    /// What the proxy shall serve for this app now; `None`: nothing.
    pub fn route(&self) -> Option<Route> {
        let settings = &self.revision(self.routed_by()?)?.settings;
        let backends = self.backends();
        if !settings.proxy && backends.is_empty() {
            return None;
        }
        Some(Route {
            hosts: settings.hosts.clone(),
            paths: settings.paths.clone(),
            balance: settings.balance,
            protocol: settings.protocol,
            limits: settings.limits.clone(),
            health: self.common_check(&backends),
            hold: if settings.proxy && self.will_be_ready() { settings.hold_timeout } else { Duration::ZERO },
            drain: settings.drain_timeout,
            endless_types: settings.endless_types.clone(),
            canary: self.canary_route(),
            access_log: settings.access_log,
            paused_until: self.pause.map(|pause| pause.until),
            maintenance: self.maintenance.as_ref().map(|it| it.since),
            assets: self.assets_route(),
            backends: backends.into_iter().filter_map(|(it, mode)| self.backend(it, mode)).collect(),
        })
    }

    /// The instances that the proxy shall know, by number.
    pub(super) fn backends(&self) -> Vec<(&Instance, BackendMode)> {
        let backends: Vec<_> = self.instances.values().filter_map(|it| Some((it, self.mode(it)?))).collect();
        match backends.iter().any(|(_, mode)| *mode == BackendMode::Active) {
            true => backends,
            false => self.with_last_resort(backends),
        }
    }

    /// Whose settings the route has: those of what serves, which changes at the switch.
    pub(super) fn routed_by(&self) -> Option<Target> {
        let Some(deployment) = &self.deployment else { return self.active() };
        let has_switched = deployment.switched_at.or(deployment.serving_at).is_some();
        let to = deployment.to.filter(|_| deployment.started_at.is_some());
        if has_switched && !deployment.is_rolling_back() {
            to.or(deployment.from)
        } else {
            deployment.from.or(to)
        }
    }

    /// Whether somebody is about to bring up instances, so that requests may wait for them.
    fn will_be_ready(&self) -> bool {
        match &self.deployment {
            Some(deployment) => deployment.to.is_some(),
            None => self.running && self.stuck.is_none(),
        }
    }

    /// Whether an instance that is ready is one that shall serve.
    pub(super) fn is_chosen(&self, it: &Instance) -> bool {
        let Some(deployment) = self.deployment.as_ref().filter(|it| it.switches_at_once()) else {
            return true;
        };
        let Some(lane) = deployment.lanes.get(&it.place) else { return true };
        let has_switched = deployment.switched_at.is_some();
        if lane.new == Some(it.id) {
            has_switched || deployment.canary.is_some()
        } else if lane.old == Some(it.id) {
            !has_switched || deployment.is_rolling_back()
        } else {
            true
        }
    }

    fn is_proxied(&self, it: &Instance) -> bool {
        self.revision(it.target).is_some_and(|revision| revision.settings.proxy)
    }

    fn mode(&self, it: &Instance) -> Option<BackendMode> {
        match it.status {
            Status::Ready if self.is_proxied(it) && self.is_chosen(it) => Some(BackendMode::Active),
            Status::Ready | Status::Unhealthy { .. } | Status::Draining { .. } => {
                it.exposed.then_some(BackendMode::Draining)
            }
            _ => None,
        }
    }

    /// When all that should serve fail their checks, requests go on to them: a check may be wrong, and nothing is
    /// better than none.
    fn with_last_resort<'a>(
        &'a self,
        backends: Vec<(&'a Instance, BackendMode)>,
    ) -> Vec<(&'a Instance, BackendMode)> {
        let is_last_resort = |it: &Instance| {
            matches!(it.status, Status::Unhealthy { .. }) && self.is_proxied(it) && self.is_chosen(it)
        };
        let others = backends.into_iter().filter(|(it, _)| !is_last_resort(it));
        let failing = self.instances.values().filter(|it| is_last_resort(it));
        let mut all: Vec<_> = others.chain(failing.map(|it| (it, BackendMode::Active))).collect();
        all.sort_by_key(|(it, _)| it.id);
        all
    }

    fn backend(&self, it: &Instance, mode: BackendMode) -> Option<Backend> {
        let settings = &self.revision(it.target)?.settings;
        let ports = ports_of(settings, it.slot, it.place);
        let port = *ports.get(&settings.proxy_port)?;
        let health_port = proxy_check(settings).and_then(|(_, name)| ports.get(&name).copied());
        Some(Backend {
            instance: it.id,
            run: it.run,
            place: it.place,
            slot: it.slot,
            target: it.runs(),
            version: self.label(it.runs()),
            port,
            health_port: health_port.filter(|health_port| *health_port != port),
            mode,
            canary: self.is_canary(it),
        })
    }

    /// The check that all active instances have; none, where two versions are checked in two ways.
    fn common_check(&self, backends: &[(&Instance, BackendMode)]) -> Option<ProxyCheck> {
        let active = backends.iter().filter(|(_, mode)| *mode == BackendMode::Active);
        let mut checks =
            active.map(|(it, _)| proxy_check(&self.revision(it.target)?.settings).map(|it| it.0));
        let first = checks.next()??;
        checks.all(|check| check.as_ref() == Some(&first)).then_some(first)
    }

    /// Whether the proxy is known to offer requests to an instance, or never will.
    pub(super) fn is_routed(&self, id: Option<InstanceId>) -> bool {
        id.and_then(|id| self.instances.get(&id)).is_some_and(|it| {
            !self.is_proxied(it) || self.routing.applied.as_ref().is_some_and(|route| route.offers(it.id))
        })
    }

    /// When an instance whose drain could not be watched is stopped: what is in flight in it may have ended by then.
    pub(super) fn blind_drain_ends(&self, it: &Instance) -> Option<Timestamp> {
        match it.status {
            Status::Draining { effect, until, .. } if it.exposed && !self.outbox.contains_key(&effect) => {
                Some(until)
            }
            _ => None,
        }
    }

    /// Whether requests may be in flight in an instance: a process of it runs and may have got some.
    pub(super) fn needs_drain(&self, id: InstanceId) -> bool {
        self.instances.get(&id).is_some_and(|it| it.exposed && it.pid.is_some() && it.is_launched())
    }

    /// Whether one more instance may be stopped now. Old instances of a whole deployment end a few at a time, so that
    /// the machine is left to those that serve.
    pub(super) fn may_stop_another(&self, why: &Ending) -> bool {
        let Some(deployment) = &self.deployment else { return true };
        let is_gradual = deployment.strategy == Strategy::Parallel && deployment.to.is_some();
        if !is_gradual || *why != Ending::Retired {
            return true;
        }
        let stopping = self.instances.values().filter(|it| matches!(it.status, Status::Stopping { .. }));
        stopping.count() < (deployment.lanes.len() / 4).max(1)
    }
}

/// What the proxy can check of what the settings say, with the port it asks.
fn proxy_check(settings: &AppSettings) -> Option<(ProxyCheck, PortName)> {
    let (path, port) = match settings.health_check()? {
        Check::HttpGet { scheme: Scheme::Http, port, path } => (path, port),
        Check::Tcp { port } => (String::new(), port),
        Check::HttpGet { .. }
        | Check::Exec { .. }
        | Check::Node
        | Check::Mfa { .. }
        | Check::RunsFor { .. } => return None,
    };
    let health = &settings.health;
    let check = ProxyCheck {
        path,
        interval: health.interval,
        within: health.within,
        failures: health.failures,
        successes: health.successes,
    };
    Some((check, port))
}

impl Turn {
    /// Asks the proxy for what shall be served, where that is not what was asked for last; again, where that failed a
    /// while ago.
    pub(super) fn reroute(&mut self) {
        let wanted = self.app.route();
        let is_due = self.app.routing.retry_at.is_some_and(|retry_at| retry_at <= self.at);
        if wanted == self.app.routing.wanted && !is_due {
            return;
        }
        self.app.outbox.retain(|_, effect| !matches!(effect, Effect::Route { .. }));
        for instance in self.app.instances.values_mut() {
            instance.exposed |= wanted.as_ref().is_some_and(|route| route.offers(instance.id));
        }
        let effect = self.issue(Effect::Route { route: wanted.clone() });
        let routing = &mut self.app.routing;
        routing.wanted = wanted;
        routing.effect = Some(effect);
        routing.retry_at = None;
    }

    /// The proxy serves by the newest route, or could not be made to: then it is asked again after a while.
    pub(super) fn route_ended(&mut self, outcome: Outcome) {
        let routing = &mut self.app.routing;
        let Some(reason) = outcome.failure() else {
            let had_failed = std::mem::take(&mut routing.failures) > 0;
            routing.applied.clone_from(&routing.wanted);
            let served = |id| routing.wanted.iter().flat_map(|it| &it.backends).any(|it| it.instance == id);
            for instance in self.app.instances.values_mut() {
                instance.exposed &= served(instance.id);
            }
            if had_failed {
                self.note(Step::Told, "the proxy has taken the routes");
            }
            return;
        };
        routing.failures = routing.failures.saturating_add(1);
        let (failures, wait) =
            (routing.failures, Duration::from_secs(routing.failures.into()).min(LONGEST_WAIT));
        let retry_at = self.after(wait);
        self.app.routing.retry_at = Some(retry_at);
        if failures == 1 {
            let text =
                format!("the proxy did not take the routes: {reason}; it is asked again until it does");
            self.note(Step::Told, text).level = Level::Alarm;
        }
    }

    /// Ends an instance. One that may have requests in flight gets no new ones and ends those first.
    pub(super) fn stop(&mut self, id: InstanceId, why: Ending) {
        let Some(it) = self.app.instances.get(&id).filter(|it| !it.is_ending()) else { return };
        if !self.app.needs_drain(id) {
            return self.stop_now(id, why);
        }
        let until = self.after(self.settings(it.target).drain_timeout.saturating_add(DRAIN_GRACE));
        let effect = self.issue(Effect::Drain { instance: id, until });
        if let Some(instance) = self.instance(id) {
            instance.status = Status::Draining { effect, why, until };
        }
    }

    /// Nothing is in flight in an instance any more, or what was has been cut.
    pub(super) fn drain_ended(&mut self, id: EffectId, instance: InstanceId, outcome: Outcome) {
        let Some(it) = self.app.instances.get_mut(&instance) else { return };
        // One that was taken back meanwhile serves.
        if !matches!(it.status, Status::Draining { effect, .. } if effect == id) {
            return;
        }
        let target = it.target;
        it.exposed = !matches!(outcome, Outcome::Ok { .. } | Outcome::Drained { .. });
        if it.exposed {
            // Nobody knows whether something is in flight: from now on it gets all the time that a drain may take.
            let ends = self.after(self.settings(target).drain_timeout.saturating_add(DRAIN_GRACE));
            if let Some(Status::Draining { until, .. }) = self.instance(instance).map(|it| &mut it.status) {
                *until = ends;
            }
        }
        let Some(it) = self.app.instances.get(&instance) else { return };
        let (place, is_known) = (it.place, !it.exposed);
        if let (Outcome::Drained { figures }, Some(deployment)) = (&outcome, &mut self.app.deployment) {
            deployment.drains.push(Drain { instance, place, figures: *figures });
        }
        let text = match outcome {
            Outcome::Ok { detail } => detail.unwrap_or_else(|| "drained".into()),
            Outcome::Drained { figures } => figures.to_string(),
            other => format!(
                "could not be drained: {}; it is stopped when its drain_timeout is over",
                other.failure().unwrap_or_default()
            ),
        };
        let note = self.note_of(instance, Step::Stopped, format!("instance {place} {text}"));
        if !is_known {
            note.level = Level::Warning;
        }
    }

    /// What nobody could drain has had its time.
    fn end_blind_drains(&mut self) {
        let at = self.at;
        let is_over = |until: Option<Timestamp>| until.is_some_and(|until| until <= at);
        let over: Vec<InstanceId> = self
            .app
            .instances
            .values()
            .filter(|it| is_over(self.app.blind_drain_ends(it)))
            .map(|it| it.id)
            .collect();
        for id in over {
            self.instance(id).into_iter().for_each(|it| it.exposed = false);
        }
    }

    /// Stops what has drained.
    pub(super) fn stop_drained(&mut self) {
        self.end_blind_drains();
        let has_drained = |it: &Instance| match &it.status {
            Status::Draining { effect, why, .. } if !it.exposed && !self.app.outbox.contains_key(effect) => {
                Some((it.id, why.clone()))
            }
            _ => None,
        };
        let drained: Vec<(InstanceId, Ending)> =
            self.app.instances.values().filter_map(has_drained).collect();
        for (id, why) in drained {
            if self.app.may_stop_another(&why) {
                self.stop_now(id, why);
            }
        }
    }
}
