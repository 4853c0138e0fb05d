//! A proxy as the state machine must be able to trust it, and what nobody may do to the requests it has sent.

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::InstanceId;
use model::app::{App, BackendMode, Effect, Event, Route, ShimFact, Status};

/// What the proxy does, whatever the state believes of it.
#[derive(Default)]
pub(crate) struct Proxy {
    /// What it serves by.
    pub(crate) served: Option<Route>,
    /// Instances in which requests may be in flight.
    busy: BTreeSet<InstanceId>,
}

impl Proxy {
    /// Instances that get new requests.
    pub(crate) fn offered(&self) -> Vec<InstanceId> {
        let backends = self.served.iter().flat_map(|route| &route.backends);
        backends.filter(|it| it.mode == BackendMode::Active).map(|it| it.instance).collect()
    }

    /// Whether an effect can end now, as it must not end before its time.
    pub(crate) fn can_end(&self, app: &App, effect: &Effect, now: Timestamp) -> bool {
        let Effect::Drain { instance, until } = effect else { return true };
        let lives = app.instances.get(instance).is_some_and(|it| it.pid.is_some());
        !lives || now >= *until || self.has_heard(app, *instance)
    }

    /// Whether it serves by a route in which an instance gets no new requests, and none that offers it is on its way.
    fn has_heard(&self, app: &App, instance: InstanceId) -> bool {
        let mut backends = self.served.iter().flat_map(|route| &route.backends);
        match backends.find(|it| it.instance == instance) {
            Some(backend) => backend.mode == BackendMode::Draining,
            None => app.routing.effect.is_none(),
        }
    }

    /// An effect has been done.
    pub(crate) fn did(&mut self, app: &App, effect: &Effect) {
        match effect {
            Effect::Route { route } => {
                self.served.clone_from(route);
                // An older route may offer the new run of one that has crashed for a moment, until this one does not:
                // it was not ready, and what it got so is not waited for.
                let is_named =
                    |id: &InstanceId| route.iter().flat_map(|it| &it.backends).any(|it| it.instance == *id);
                let has_crashed = |id: &InstanceId| app.instances.get(id).is_some_and(|it| it.crashes > 0);
                self.busy.retain(|id| is_named(id) || !has_crashed(id));
                self.send(app);
            }
            // One that was taken back meanwhile has requests again.
            Effect::Drain { instance, until: waited } => {
                let status = app.instances.get(instance).map(|it| &it.status);
                if matches!(status, Some(Status::Draining { until, .. }) if until == waited) {
                    self.busy.remove(instance);
                }
            }
            _ => {}
        }
    }

    /// Requests go wherever they may.
    fn send(&mut self, app: &App) {
        let runs = |id: &InstanceId| app.instances.get(id).is_some_and(|it| it.pid.is_some());
        self.busy.extend(self.offered().into_iter().filter(runs));
    }

    /// Looks at a step: nothing is stopped while requests may be in flight in it, unless it waited its time.
    pub(crate) fn look(&mut self, before: &App, now: Timestamp, event: &Event, effects: &[Effect]) {
        match event {
            Event::Shim { instance, fact: ShimFact::Gone | ShimFact::Exited { .. }, .. } => {
                self.busy.remove(instance);
            }
            Event::Adopted { alive, unknown } => {
                let lives = |id: &InstanceId| alive.contains(id) || unknown.contains(id);
                self.busy.retain(lives);
            }
            _ => {}
        }
        for effect in effects {
            if let Effect::Stop { instance } = effect {
                let it = before.instances.get(instance);
                let had_its_time =
                    it.is_some_and(|it| matches!(it.status, Status::Draining { until, .. } if until <= now));
                assert!(
                    !self.busy.remove(instance) || had_its_time,
                    "requests are in flight in {instance} when it is stopped: {it:?}"
                );
            }
        }
    }
}

/// `route i4 i5 i6, draining i1 i2 i3, hold 30 s`
pub(crate) fn route_text(route: Option<&Route>) -> String {
    let Some(route) = route else { return "no route".into() };
    let named = |mode: BackendMode| {
        let ids = route.backends.iter().filter(|it| it.mode == mode).map(|it| it.instance.to_string());
        ids.collect::<Vec<_>>().join(" ")
    };
    let active = Some(named(BackendMode::Active)).filter(|ids| !ids.is_empty());
    let mut text = format!("route {}", active.clone().unwrap_or_else(|| "nobody".into()));
    let draining = named(BackendMode::Draining);
    if !draining.is_empty() {
        text += &format!(", draining {draining}");
    }
    if let Some(canary) = &route.canary {
        let ids = route.backends.iter().filter(|it| it.canary).map(|it| it.instance.to_string());
        let ids = ids.collect::<Vec<_>>().join(" ");
        text += &format!(", {} % to {ids}", canary.percent);
    }
    if active.is_none() {
        text += &format!(", holding for {}", model::human::duration(route.hold));
    }
    text
}
