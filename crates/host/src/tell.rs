//! How facts reach the engine.

use std::future::Future;

use model::AppName;
use model::app::Event;

/// Takes facts for the engines of the apps.
pub trait Tell: Send + Sync + 'static {
    /// Tells an app's engine of an event; returns when it is durable.
    fn tell(&self, app: &AppName, event: Event) -> impl Future<Output = Result<(), Untold>> + Send;
}

/// Why a fact was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// The model has no use for it (any more): it need not be told again.
    #[error("{0}")]
    NotTaken(String),
    /// The daemon is going down: it has to be told again to the next one.
    #[error("the daemon is going down")]
    GoingDown,
}
