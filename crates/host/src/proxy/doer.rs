//! Does the effects that are about the proxy.

use std::time::Duration;

use model::app::{App, DRAIN_GRACE, DrainFigures, Outcome, Route};
use model::{EffectId, InstanceId, human};
use tokio::time::Instant;
use wire::proxy::Drained;

use super::book::Page;
use super::proxy_handle::Proxy;
use super::wish;
use crate::paths::Paths;

/// How long the end of an instance's drain is waited for.
pub(crate) fn longest_drain(app: &App, instance: InstanceId) -> Duration {
    let target = app.instances.get(&instance).map(|it| it.target);
    let revision = target.and_then(|target| app.revision(target));
    revision.map_or(Duration::ZERO, |revision| revision.settings.drain_timeout) + DRAIN_GRACE
}

/// What a proxy told; an earlier one does not say how long it took, so that what was `waited` stands for it.
fn figures(drained: &Drained, waited: Duration) -> DrainFigures {
    let waited = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
    DrainFigures {
        took_ms: if drained.took_ms == 0 { waited } else { drained.took_ms },
        websockets_closed: drained.websockets_closed,
        streams_ended: drained.streams_ended,
        cut: drained.cut,
    }
}

impl Proxy {
    /// Has the proxy serve a route for an app.
    pub(crate) async fn route(
        &self,
        paths: &Paths,
        app: &App,
        effect: EffectId,
        route: Option<&Route>,
    ) -> Outcome {
        let route = route.map(|route| wish::route(paths, app, route));
        match self.serve(Page { app: app.name.clone(), effect: Some(effect), route }).await {
            Ok(_) => Outcome::Ok { detail: None },
            Err(error) => Outcome::Failed { reason: error.to_string(), tail: None },
        }
    }

    /// Waits until nothing is in flight in an instance, as long as a drain may take. Asked again after a start of the
    /// daemon it waits as long once more, for the proxy may have heard of this one only now.
    pub(crate) async fn drain(&self, app: &App, instance: InstanceId) -> Outcome {
        let began = Instant::now();
        let drained = self.drained(&app.name, instance, longest_drain(app, instance)).await;
        let took = human::duration(began.elapsed());
        if let Some(drained) = drained {
            return Outcome::Drained { figures: figures(&drained, began.elapsed()) };
        }
        let detail = match self.trouble() {
            Some(why) => format!("the proxy did not say within {took} that it was drained: {why}"),
            None => format!("the proxy did not say within {took} that it was drained"),
        };
        Outcome::Ok { detail: Some(detail) }
    }
}
