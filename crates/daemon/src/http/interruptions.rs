//! Wishes that keep requests from an app: pause and maintenance.

use std::time::Duration;

use ::api::change::{BeginMaintenance, Granted, Pause};
use ::api::problem::Problem;
use axum::extract::State;
use model::AppName;
use model::app::Command;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path};
use super::peer::Peer;
use super::problem::Failure;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(pause)).routes(routes!(resume)).routes(routes!(begin, end))
}

/// Lets requests wait instead of reaching an instance; ends by itself.
#[utoipa::path(post, path = "/v1/apps/{app}/pause", tag = "running", operation_id = "pause_app",
    params(("app" = String, Path, description = "Name of the app")), request_body = Pause,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn pause(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(Pause { for_ms }): Json<Pause>,
) -> Result<Json<Granted>, Failure> {
    let within = Duration::from_millis(for_ms);
    let what = format!("pause for {}", model::human::duration(within));
    api.wish(&peer, &app, what, |_| Command::Pause { within }).await
}

/// Lets requests go on that wait because of a pause.
#[utoipa::path(post, path = "/v1/apps/{app}/resume", tag = "running", operation_id = "resume_app",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn resume(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "resume", |_| Command::Resume).await
}

/// Answers every request with 503 and a page; what is in flight ends as it would.
#[utoipa::path(put, path = "/v1/apps/{app}/maintenance", tag = "running", operation_id = "begin_maintenance",
    params(("app" = String, Path, description = "Name of the app")), request_body = BeginMaintenance,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn begin(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(BeginMaintenance { page }): Json<BeginMaintenance>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "maintenance on", |_| Command::BeginMaintenance { page }).await
}

/// Serves requests again.
#[utoipa::path(delete, path = "/v1/apps/{app}/maintenance", tag = "running", operation_id = "end_maintenance",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn end(State(api): State<Api>, peer: Peer, Path(app): Path<AppName>) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "maintenance off", |_| Command::EndMaintenance).await
}
