//! Server-sent events.

use eventsource_stream::{EventStream, Eventsource};
use futures_util::StreamExt;
use http_body_util::{BodyDataStream, BodyExt};
use hyper::body::Incoming;

use crate::failure::Failure;

/// A stream of events.
pub(crate) struct Events {
    inner: EventStream<BodyDataStream<Incoming>>,
}

impl Events {
    pub(super) fn new(body: Incoming) -> Self {
        Events { inner: body.into_data_stream().eventsource() }
    }

    /// The next event; `None` when the daemon has ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<api::event::Event>, Failure> {
        match self.inner.next().await {
            None => Ok(None),
            Some(Ok(event)) => serde_json::from_str(&event.data)
                .map(Some)
                .map_err(|error| Failure::Answer(error.to_string())),
            Some(Err(error)) => Err(Failure::Lost(error.to_string())),
        }
    }
}
