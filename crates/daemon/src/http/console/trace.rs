//! Calls of a function are traced in a node.

use std::time::Duration;

use ::api::observation::{BeginTrace, TraceLine, TraceWhat};
use ::api::problem::Problem;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use dist::{Trace, TraceEnd, TraceError, TraceEvent, TracedKind};
use model::AppName;
use probe::{Probe, TraceLine as Text, TraceTarget};

use super::super::api::Api;
use super::super::extract::{Json, Path};
use super::super::peer::Peer;
use super::super::problem::Failure;
use super::Place;
use super::lines::{answer, line};

/// Lines unless somebody says otherwise.
const LIMIT: u32 = 100;
/// How long it lasts unless somebody says otherwise.
const LASTING: Duration = Duration::from_secs(10);
/// How long the node may take to begin.
const START: Duration = Duration::from_secs(10);

/// Traces calls of a function in an instance's node: one JSON text (`TraceLine`) a line, until it has ended.
///
/// Its limits hold in the node, where one trace runs at a time; it ends when the caller goes away. The audit has the
/// function, and never an argument.
#[utoipa::path(post, path = "/v1/apps/{app}/trace", tag = "console", operation_id = "trace",
    params(("app" = String, Path, description = "Name of the app")), request_body = BeginTrace,
    responses((status = OK, body = TraceLine, content_type = "application/x-ndjson"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn trace(
    State(api): State<Api>,
    peer: Peer,
    Path(name): Path<AppName>,
    Json(body): Json<BeginTrace>,
) -> Result<Response, Failure> {
    let wrong = |detail: String| Failure::new("bad-trace", StatusCode::UNPROCESSABLE_ENTITY, detail);
    let target: TraceTarget =
        body.function.parse().map_err(|error: probe::NoTarget| wrong(error.to_string()))?;
    let lasting = body.for_ms.map_or(LASTING, Duration::from_millis);
    let limit = body.limit.unwrap_or(LIMIT);
    let plan = target.plan(limit, lasting, body.returns).map_err(|error| wrong(error.to_string()))?;
    let place = Place::find(&api, &name, body.place).await?;
    api.record(&peer, Some(&name), format!("trace {} in place {}", body.function, place.place)).await?;
    let trace = Probe::new(place.node.clone()).trace(&plan, START).await.map_err(|error| refused(&error))?;
    let begun = format!("traces {} in place {} ({})", body.function, place.place, place.node.name());
    Ok(answer(lines(trace, begun, api)))
}

fn refused(error: &TraceError) -> Failure {
    let (slug, status) = match error {
        TraceError::Busy => ("trace-runs", StatusCode::CONFLICT),
        TraceError::NoFunction(_) => ("no-function", StatusCode::NOT_FOUND),
        _ => ("node", StatusCode::BAD_GATEWAY),
    };
    Failure::new(slug, status, host::chain(error))
}

/// The trace ends with the stream, whoever drops it.
fn lines(mut trace: Trace, begun: String, api: Api) -> impl futures_util::Stream<Item = Bytes> {
    async_stream::stream! {
        yield told(TraceWhat::Begun, begun);
        loop {
            let event = tokio::select! {
                event = trace.next() => event,
                () = api.stop.cancelled() => {
                    yield told(TraceWhat::Lost, "bellrockd stops, so that the trace has ended".to_owned());
                    break;
                }
            };
            let Some(event) = event else { break };
            yield told(what(&event), Text(&event).to_string());
        }
    }
}

fn what(event: &TraceEvent) -> TraceWhat {
    match event {
        TraceEvent::Traced(traced) => match traced.kind {
            TracedKind::Call => TraceWhat::Call,
            TracedKind::Return => TraceWhat::Return,
            TracedKind::Exception => TraceWhat::Exception,
        },
        TraceEvent::Paused | TraceEvent::Dropped(_) => TraceWhat::Gap,
        TraceEvent::Ended(TraceEnd::Lost(_)) => TraceWhat::Lost,
        TraceEvent::Ended(TraceEnd::Limit | TraceEnd::Over | TraceEnd::Stopped) => TraceWhat::Ended,
    }
}

fn told(what: TraceWhat, text: String) -> Bytes {
    line(&TraceLine { what, text })
}
