//! How everybody else reaches an app's engine.

use std::sync::Arc;

use model::app::{App, Event, NotTaken};
use tokio::sync::{mpsc, oneshot, watch};

/// An event on its way to the engine.
pub(crate) struct Letter {
    pub(crate) event: Event,
    pub(crate) reply: Option<oneshot::Sender<Result<(), Unreached>>>,
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// The model did not take it.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// It could not be made durable; nothing has changed.
    #[error("the journal could not be written: {0}")]
    Journal(String),
    /// The engine is shutting down.
    #[error("the engine is shutting down")]
    ShuttingDown,
}

/// Cloneable handle of an app's engine.
#[derive(Clone)]
pub struct AppHandle {
    pub(crate) inbox: mpsc::Sender<Letter>,
    pub(crate) snapshot: watch::Receiver<Arc<App>>,
}

impl AppHandle {
    /// Tells the engine of an event and waits until it is durable.
    ///
    /// # Errors
    /// [`Unreached`] when it was not taken; nothing has changed then.
    pub async fn tell(&self, event: Event) -> Result<(), Unreached> {
        let (reply, answer) = oneshot::channel();
        let letter = Letter { event, reply: Some(reply) };
        self.inbox.send(letter).await.map_err(|_| Unreached::ShuttingDown)?;
        answer.await.map_err(|_| Unreached::ShuttingDown)?
    }

    /// The app as it was after the last turn.
    pub fn snapshot(&self) -> Arc<App> {
        self.snapshot.borrow().clone()
    }

    /// A receiver that sees every newer snapshot.
    pub fn watch(&self) -> watch::Receiver<Arc<App>> {
        self.snapshot.clone()
    }
}
