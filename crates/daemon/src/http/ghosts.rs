//! Ghosts: versions that were rolled back and are not deployed again until someone clears them.

use ::api::change::Granted;
use ::api::problem::Problem;
use ::api::version::Ghost;
use axum::extract::State;
use model::app::Command;
use model::{AppName, VersionLabel};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path};
use super::peer::Peer;
use super::problem::Failure;
use super::view;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, clear_all)).routes(routes!(clear))
}

/// Ghosted versions, newest first.
#[utoipa::path(get, path = "/v1/apps/{app}/ghosts", tag = "ghosts", operation_id = "list_ghosts",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Vec<Ghost>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>, Path(app): Path<AppName>) -> Result<Json<Vec<Ghost>>, Failure> {
    Ok(Json(view::ghosts(&*api.app(&app)?)))
}

/// Lets all ghosted versions be deployed again.
#[utoipa::path(delete, path = "/v1/apps/{app}/ghosts", tag = "ghosts", operation_id = "clear_ghosts",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn clear_all(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "clear all ghosts", |_| Command::ClearGhosts { version: None }).await
}

/// Lets a ghosted version be deployed again.
#[utoipa::path(delete, path = "/v1/apps/{app}/ghosts/{version}", tag = "ghosts", operation_id = "clear_ghost",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn clear(
    State(api): State<Api>,
    peer: Peer,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Json<Granted>, Failure> {
    let what = format!("clear the ghost of v{version}");
    api.wish(&peer, &app, what, |_| Command::ClearGhosts { version: Some(version) }).await
}
