//! Wishes about an app's instances: restart, stop, start, scale, mode, rollback, promote.

use ::api::change::{Granted, Restart, Scale, SetMode};
use ::api::problem::Problem;
use axum::extract::State;
use model::app::{Command, Wish};
use model::{AppName, Place, VersionLabel};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path};
use super::peer::Peer;
use super::problem::Failure;
use super::versions::label;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(restart))
        .routes(routes!(stop))
        .routes(routes!(start))
        .routes(routes!(scale))
        .routes(routes!(mode))
        .routes(routes!(rollback))
        .routes(routes!(promote))
}

/// Replaces instances by fresh ones of the same version, one after another.
#[utoipa::path(post, path = "/v1/apps/{app}/restart", tag = "running", operation_id = "restart_app",
    params(("app" = String, Path, description = "Name of the app")), request_body = Restart,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn restart(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(body): Json<Restart>,
) -> Result<Json<Granted>, Failure> {
    let place = body.place.map(Place);
    let what = place.map_or_else(|| "restart".to_owned(), |place| format!("restart place {place}"));
    api.wish(&peer, &app, what, |deployment| Command::Restart { place, deployment }).await
}

/// Stops all instances.
#[utoipa::path(post, path = "/v1/apps/{app}/stop", tag = "running", operation_id = "stop_app",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn stop(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "stop", |deployment| Command::Stop { deployment }).await
}

/// Starts what was stopped.
#[utoipa::path(post, path = "/v1/apps/{app}/start", tag = "running", operation_id = "start_app",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn start(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "start", |deployment| Command::Start { deployment }).await
}

/// Changes the number of places.
#[utoipa::path(put, path = "/v1/apps/{app}/scale", tag = "running", operation_id = "scale_app",
    params(("app" = String, Path, description = "Name of the app")), request_body = Scale,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn scale(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(Scale { replicas }): Json<Scale>,
) -> Result<Json<Granted>, Failure> {
    let what = format!("scale to {replicas}");
    api.wish(&peer, &app, what, |deployment| Command::Scale { replicas, deployment }).await
}

/// Follows the store, or stays on a version.
#[utoipa::path(put, path = "/v1/apps/{app}/mode", tag = "running", operation_id = "set_mode",
    params(("app" = String, Path, description = "Name of the app")), request_body = SetMode,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn mode(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(body): Json<SetMode>,
) -> Result<Json<Granted>, Failure> {
    match body {
        SetMode::Automatic => api.wish(&peer, &app, "automatic mode", |_| Command::Follow).await,
        SetMode::Manual { version } => {
            let version: VersionLabel = label(&version)?;
            let what = format!("manual mode, pinned to v{version}");
            api.wish(&peer, &app, what, |deployment| Command::PinTo { version, deployment }).await
        }
    }
}

/// Goes back to the version that was active before; a running deployment turns round.
#[utoipa::path(post, path = "/v1/apps/{app}/rollback", tag = "running", operation_id = "roll_back",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn rollback(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "rollback", |deployment| Command::Rollback { wish: Wish::default(), deployment })
        .await
}

/// Ends the running deployment's canary: all requests go to the new version.
#[utoipa::path(post, path = "/v1/apps/{app}/promote", tag = "running", operation_id = "promote",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn promote(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "promote", |_| Command::Promote).await
}
