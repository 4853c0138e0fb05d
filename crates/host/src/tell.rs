//! How facts reach the engine.

use std::future::Future;

use model::AppName;
use model::app::Event;

/// Takes facts for the engines of the apps.
pub trait Tell: Send + Sync + 'static {
    /// Tells an app's engine of an event; returns when it is durable, or with the reason why it was not taken.
    fn tell(&self, app: &AppName, event: Event) -> impl Future<Output = Result<(), String>> + Send;
}
