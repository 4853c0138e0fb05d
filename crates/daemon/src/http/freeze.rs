//! Freezing apps, one or all.

use ::api::change::{Freeze, Granted};
use ::api::problem::Problem;
use axum::extract::State;
use model::AppName;
use model::app::{Command, Refused};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::{Api, granted};
use super::extract::{Json, Path};
use super::peer::Peer;
use super::problem::Failure;
use crate::control::WishError;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(freeze, unfreeze)).routes(routes!(freeze_all, unfreeze_all))
}

/// Refuses deployments of an app, with a reason, until it is unfrozen.
#[utoipa::path(put, path = "/v1/apps/{app}/freeze", tag = "running", operation_id = "freeze_app",
    params(("app" = String, Path, description = "Name of the app")), request_body = Freeze,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn freeze(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(body): Json<Freeze>,
) -> Result<Json<Granted>, Failure> {
    let command = wanted(&body)?;
    api.wish(&peer, &app, format!("freeze: {}", body.reason), |_| command).await
}

/// Lets an app be deployed again.
#[utoipa::path(delete, path = "/v1/apps/{app}/freeze", tag = "running", operation_id = "unfreeze_app",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn unfreeze(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, "unfreeze", |_| Command::Unfreeze).await
}

/// Refuses deployments of every app that the host has now.
#[utoipa::path(put, path = "/v1/freeze", tag = "running", operation_id = "freeze_all", request_body = Freeze,
    responses((status = OK, body = Vec<Granted>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn freeze_all(
    State(api): State<Api>,
    peer: Peer,
    Json(body): Json<Freeze>,
) -> Result<Json<Vec<Granted>>, Failure> {
    let command = wanted(&body)?;
    api.record(&peer, None, format!("freeze all apps: {}", body.reason)).await?;
    tell_all(&api, &peer, &command).await
}

/// Lets every app be deployed again that is frozen.
#[utoipa::path(delete, path = "/v1/freeze", tag = "running", operation_id = "unfreeze_all",
    responses((status = OK, body = Vec<Granted>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn unfreeze_all(State(api): State<Api>, peer: Peer) -> Result<Json<Vec<Granted>>, Failure> {
    api.record(&peer, None, "unfreeze all apps".into()).await?;
    tell_all(&api, &peer, &Command::Unfreeze).await
}

fn wanted(body: &Freeze) -> Result<Command, Failure> {
    let reason = body.reason.trim();
    if reason.is_empty() {
        let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
        return Err(Failure::new("bad-body", status, "a freeze needs a reason: whoever is refused reads it"));
    }
    Ok(Command::Freeze { reason: reason.to_owned(), until: body.until })
}

/// Tells every app; those that nothing would change for are left out.
async fn tell_all(api: &Api, peer: &Peer, command: &Command) -> Result<Json<Vec<Granted>>, Failure> {
    let mut all = Vec::new();
    for app in api.control.apps() {
        match api.control.ask(&app.name, peer.origin(), |_| command.clone()).await {
            Ok(accepted) => all.push(granted(Some(&app), &accepted)),
            Err(WishError::Refused(Refused::NotFrozen)) => {}
            Err(error) => return Err(Failure::wish(&app.name, error)),
        }
    }
    Ok(Json(all))
}
