//! What every handler works with.

use std::sync::Arc;

use api::change::Granted;
use jiff::Timestamp;
use model::app::{App, Command, Mode};
use model::{AppName, DeploymentId};
use tokio_util::sync::CancellationToken;

use super::extract::Json;
use super::peer::Peer;
use super::problem::Failure;
use crate::control::{Accepted, Control};

/// The state that handlers share.
#[derive(Clone)]
pub struct Api {
    /// The control plane's front.
    pub control: Arc<Control>,
    /// When the daemon started.
    pub started_at: Timestamp,
    /// Ends streams when the daemon stops.
    pub stop: CancellationToken,
}

impl Api {
    /// An app's snapshot.
    pub(super) fn app(&self, name: &AppName) -> Result<Arc<App>, Failure> {
        self.control.app(name).map_err(|error| Failure::wish(name, error))
    }

    /// Records who asks for what. It comes before the change, so that no change goes unrecorded.
    pub(super) async fn record(
        &self,
        peer: &Peer,
        app: Option<&AppName>,
        what: String,
    ) -> Result<(), Failure> {
        let now = Timestamp::now();
        Ok(self.control.journal.audit(now, peer.uid, peer.user.clone(), app, what).await?)
    }

    /// Records a wish, asks for it and tells what became of it.
    pub(super) async fn wish(
        &self,
        peer: &Peer,
        name: &AppName,
        what: impl Into<String>,
        wish: impl FnOnce(DeploymentId) -> Command,
    ) -> Result<Json<Granted>, Failure> {
        let before = self.app(name)?;
        self.record(peer, Some(name), what.into()).await?;
        let accepted = self.control.ask(name, peer.origin(), wish).await;
        let accepted = accepted.map_err(|error| Failure::wish(name, error))?;
        Ok(Json(granted(Some(&before), &accepted)))
    }
}

/// What became of a wish, with what else it changed.
pub(super) fn granted(before: Option<&App>, accepted: &Accepted) -> Granted {
    let app = &accepted.app;
    let mut remarks = Vec::new();
    let turned = before.and_then(|before| turned_round(before, app));
    if let Some(id) = turned {
        remarks.push(format!("deployment {id} turns round and goes back to what was there before"));
    }
    let was_automatic = before.is_none_or(|before| before.mode == Mode::Automatic);
    if let (true, Mode::Manual { because, .. }) = (was_automatic, &app.mode) {
        remarks.push(format!(
            "{because}: manual mode from now on; bellrock mode {} automatic follows the store again",
            app.name
        ));
    }
    remarks.extend(waits_in_vain(before, app));
    let queued = app.queued.as_ref().map(|queued| queued.deployment);
    if let (Some(running), Some(_)) = (&app.deployment, queued.filter(|id| accepted.deployment == Some(*id)))
    {
        remarks.push(format!("it begins when deployment {} has ended", running.id));
    }
    Granted {
        app: app.name.to_string(),
        deployment: accepted.deployment.or(turned).map(|id| id.0),
        version: None,
        remarks,
    }
}

/// Said where a new pause is longer than a request may wait.
fn waits_in_vain(before: Option<&App>, app: &App) -> Option<String> {
    let pause = app.pause.filter(|pause| before.and_then(|before| before.pause) != Some(*pause))?;
    let hold = app.revision(app.active()?)?.settings.hold_timeout;
    let lasts = pause.until.duration_since(host::clock::now()).unsigned_abs();
    (lasts > hold).then(|| {
        format!(
            "each request waits at most {} (hold_timeout), then it gets 503",
            model::human::duration(hold)
        )
    })
}

/// The running deployment, if the wish made it go back.
fn turned_round(before: &App, after: &App) -> Option<DeploymentId> {
    let running = before.deployment.as_ref()?;
    let goes_back = match &after.deployment {
        Some(now) => now.id == running.id && (now.is_rolling_back() || now.give_up.is_some()),
        None => true,
    };
    let went_back = running.is_rolling_back() || running.give_up.is_some();
    (goes_back && !went_back).then_some(running.id)
}
