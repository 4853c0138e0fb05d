//! Logs of an app's instances, past and coming, as one JSON text a line.
//!
//! [`selection`] says whose logs, [`rotation`] which files those are, [`Journey`] reads them line by line through
//! their rotations, [`Merger`] puts the lines of several instances in the order of time. All of it is plain
//! blocking code on files; [`stream`] runs it beside the runtime and sends what it finds.

mod journey;
mod merger;
mod rotation;
mod selection;
mod stream;

use ::api::log::Line;
use ::api::problem::Problem;
use ::api::query::LogsQuery;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::AppName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Path, Query};
use super::problem::Failure;
use journey::{Journey, Start};
use merger::Merger;
use selection::Selection;

/// Lines of each instance given unless somebody asks for more or less.
const TAIL: u32 = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(logs))
}

/// What an app's instances wrote, one JSON text (`Line`) a line.
///
/// Of the instances that live, or of those that lived last where none does. Lines of several instances come in
/// the order of time, to the second. A stream that follows ends when the daemon stops.
#[utoipa::path(get, path = "/v1/apps/{app}/logs", tag = "apps", operation_id = "show_logs",
    params(("app" = String, Path, description = "Name of the app"), LogsQuery),
    responses((status = OK, body = Line, content_type = "application/x-ndjson"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn logs(
    State(api): State<Api>,
    Path(app): Path<AppName>,
    Query(query): Query<LogsQuery>,
) -> Result<Response, Failure> {
    api.app(&app)?;
    let start = Start {
        tail: query.tail.or(if query.since.is_none() { Some(TAIL) } else { None }),
        since_ms: query.since.map(|since| u64::try_from(since.as_millisecond()).unwrap_or(0)),
    };
    let selection = Selection::new(&api, &app, &query);
    if !query.follow && selection.files().is_empty() {
        let whose = match (query.instance, query.place) {
            (Some(instance), _) => format!("instance i{instance} of {app}"),
            (None, Some(place)) => format!("place {place} of {app}"),
            (None, None) => app.to_string(),
        };
        let detail = format!("there are no logs of {whose}");
        return Err(Failure::new("no-logs", StatusCode::NOT_FOUND, detail));
    }
    let body = stream::body(selection, start, query.follow, api.stop.clone());
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
