//! Events: past ones as a list, coming ones as server-sent events that can be resumed.

use std::convert::Infallible;
use std::time::Duration;

use ::api::event::Event;
use ::api::problem::Problem;
use ::api::query::EventsQuery;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures_util::{Stream, StreamExt};
use host::journal::{EventRecord, Journal, Listing};
use model::{AppName, DeploymentId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, MOST_LISTED, Query, at_most};
use super::problem::Failure;
use super::versions::label;
use super::view;

/// Events given unless somebody asks for more or less.
const MOST: u32 = 50;

/// A stream that is silent for so long says that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Streams have no deadline.
pub(super) fn streams() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(follow))
}

fn listing(query: &EventsQuery, most: u32) -> Result<Listing, Failure> {
    Ok(Listing {
        app: query.app.as_deref().map(label::<AppName>).transpose()?,
        deployment: query.deployment.map(DeploymentId),
        after: query.after,
        most: at_most(query.most, most),
    })
}

/// Past events, oldest first.
#[utoipa::path(get, path = "/v1/events", tag = "events", operation_id = "list_events",
    params(EventsQuery),
    responses((status = OK, body = Vec<Event>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>, Query(query): Query<EventsQuery>) -> Result<Json<Vec<Event>>, Failure> {
    let events = api.control.journal.events(listing(&query, MOST)?).await?;
    Ok(Json(events.into_iter().map(view::event).collect()))
}

/// Events as they happen (server-sent events, each with its id and an `Event` as JSON).
///
/// `Last-Event-ID` or `after` resumes behind that event. The stream ends when the daemon stops: connect again.
#[utoipa::path(get, path = "/v1/events/stream", tag = "events", operation_id = "follow_events",
    params(EventsQuery, ("Last-Event-ID" = Option<i64>, Header, description = "Resume behind this event")),
    responses((status = OK, body = Event, content_type = "text/event-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn follow(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(mut query): Query<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<Message, Infallible>>>, Failure> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    query.after = last.or(query.after);
    let wanted = listing(&query, MOST_LISTED)?;
    let messages = records(api.control.journal.clone(), wanted)
        .take_until(api.stop.clone().cancelled_owned())
        .map(|record| Ok(message(record)));
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn message(record: EventRecord) -> Message {
    let event = view::event(record);
    let data = serde_json::to_string(&event).expect("events have text keys");
    Message::default().id(event.id.to_string()).data(data)
}

/// Every event that is wanted (of those missed, the newest 10000), each once and in order, from the journal.
fn records(journal: Journal, mut wanted: Listing) -> impl Stream<Item = EventRecord> {
    async_stream::stream! {
        let mut news = journal.news();
        if wanted.after.is_none() {
            wanted.after = newest(&journal).await;
        }
        loop {
            match journal.events(wanted.clone()).await {
                Ok(records) => for record in records {
                    wanted.after = Some(record.id);
                    yield record;
                },
                Err(error) => {
                    tracing::warn!(%error, "an event stream ends: the journal cannot be read");
                    break;
                }
            }
            if news.changed().await.is_err() {
                break;
            }
        }
    }
}

/// The last event's id: a stream that begins now begins behind it.
async fn newest(journal: &Journal) -> Option<i64> {
    let last = journal.events(Listing { most: 1, ..Listing::default() }).await.ok()?;
    Some(last.last().map_or(0, |record| record.id))
}
