//! The loop: one owner task per app takes events, lets the model decide, has the journal remember, and hands
//! the effects to the doer. Generic over all three of its partners, so that a simulator can drive the real one.
//!
//! Order of every turn: `App::step` → [`Journal::commit`] (durable) → snapshot published → effects performed →
//! each outcome comes back as an event. Recovery: what was found after a start is taken first, then every effect
//! without an outcome is performed again, in the order in which they were asked for.

mod app_engine;
mod effects;
pub mod fault_points;
mod handle;
mod mistakes;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use model::app::{App, Effect, Event, Outcome, Stepped};
use model::{AppName, EffectId};

use app_engine::AppEngine;
pub use handle::{AppHandle, Unreached};
#[cfg(feature = "mistakes")]
pub use mistakes::Mistake;

/// Remembers turns. Everything of a turn becomes durable in one transaction, or nothing does.
pub trait Journal: Send + Sync + 'static {
    /// Why a turn could not be remembered.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Makes a turn durable.
    fn commit(&self, turn: Turn) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// One turn of an app, as the journal remembers it.
#[derive(Debug, Clone)]
pub struct Turn {
    /// When it happened.
    pub at: Timestamp,
    /// The app as it was.
    pub before: Arc<App>,
    /// What happened.
    pub event: Event,
    /// What it led to.
    pub stepped: Arc<Stepped>,
}

/// Does effects. Each may be asked for again after a crash, with the same id, and must then end the same way
/// or find that it has been done.
pub trait Doer: Send + Sync + 'static {
    /// Does one effect and says how it ended; it has a deadline of its own.
    fn perform(&self, app: Arc<App>, id: EffectId, effect: Effect) -> impl Future<Output = Outcome> + Send;

    /// What was kept so that an effect could be asked for again may go where [`App::has_ended`] says that its outcome
    /// is durable. Called after the end of each [`Effect::Run`], and after a start.
    fn tidy_up(&self, _app: Arc<App>) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// A mistake that the engine shall make, so that the simulator can show that it would be found.
    #[cfg(feature = "mistakes")]
    fn mistake(&self) -> Option<Mistake> {
        None
    }
}

/// Tells the time, and waits for it.
pub trait Clock: Send + Sync + 'static {
    /// The time now; it does not go back while the daemon lives.
    fn now(&self) -> Timestamp;

    /// Waits until a time has come.
    fn sleep_until(&self, time: Timestamp) -> impl Future<Output = ()> + Send;
}

/// The engine's partners.
pub struct Partners<J, D, C> {
    /// Remembers.
    pub journal: J,
    /// Does.
    pub doer: D,
    /// Tells the time.
    pub clock: C,
}

/// Starts the engine of an app and returns the handle by which everybody else reaches it. `first` are events that it
/// takes before any other and before unfinished effects are performed again: what was found after a start of the daemon.
pub fn start<J: Journal, D: Doer, C: Clock>(
    app: App,
    first: Vec<Event>,
    partners: Arc<Partners<J, D, C>>,
    tasks: &tokio_util::task::TaskTracker,
    stop: tokio_util::sync::CancellationToken,
) -> AppHandle {
    let name: AppName = app.name.clone();
    let (engine, handle) = AppEngine::new(app, partners, tasks.clone(), stop);
    let span = tracing::info_span!("engine", app = %name);
    tasks.spawn(tracing::Instrument::instrument(engine.run(first), span));
    handle
}
