//! Versions: what was registered, with what it ran with.

use std::str::FromStr;

use ::api::change::{Granted, Pin};
use ::api::problem::Problem;
use ::api::settings::SettingsJson;
use ::api::version::{Version, VersionDetail};
use axum::extract::State;
use axum::http::StatusCode;
use model::app::{Command, Refused};
use model::{AppName, VersionLabel};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path};
use super::papers;
use super::peer::Peer;
use super::problem::Failure;
use super::view;
use crate::control::WishError;

/// Deployments that are shown with a version.
const MOST_DEPLOYMENTS: u32 = 20;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, delete)).routes(routes!(pin))
}

/// A name of any kind from a body or path.
pub(super) fn label<T: FromStr<Err = model::BadName>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error: model::BadName| {
        Failure::new("bad-name", StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    })
}

pub(super) fn no_version(app: &AppName, version: &VersionLabel) -> Failure {
    Failure::wish(app, WishError::Refused(Refused::NoVersion { version: version.clone() }))
}

/// Versions of an app, newest first.
#[utoipa::path(get, path = "/v1/apps/{app}/versions", tag = "versions", operation_id = "list_versions",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Vec<Version>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>, Path(app): Path<AppName>) -> Result<Json<Vec<Version>>, Failure> {
    Ok(Json(view::versions(&*api.app(&app)?)))
}

/// One version with all that is known of it.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}", tag = "versions", operation_id = "show_version",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, body = VersionDetail), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Json<VersionDetail>, Failure> {
    let state = api.app(&app)?;
    let found = state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    let records = api.control.journal.deployments_of(app.clone(), found.id, MOST_DEPLOYMENTS).await?;
    Ok(Json(VersionDetail {
        version: view::version(&state, found),
        settings: SettingsJson((*found.current().settings).clone()),
        pre_commands: found.pre_commands.iter().map(ToString::to_string).collect(),
        revisions: view::revisions(found),
        deployments: records.into_iter().map(|it| view::of_record(Some(&state), it)).collect(),
        papers: papers::there(&api, &state, found).await?,
    }))
}

/// Deletes an inactive version and its package.
#[utoipa::path(delete, path = "/v1/apps/{app}/versions/{version}", tag = "versions", operation_id = "delete_version",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn delete(
    State(api): State<Api>,
    peer: Peer,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Json<Granted>, Failure> {
    api.wish(&peer, &app, format!("delete v{version}"), |_| Command::Delete { version }).await
}

/// Keeps a version whatever its age, or no longer.
#[utoipa::path(put, path = "/v1/apps/{app}/versions/{version}/pin", tag = "versions", operation_id = "pin_version",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    request_body = Pin,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn pin(
    State(api): State<Api>,
    peer: Peer,
    Path((app, version)): Path<(AppName, VersionLabel)>,
    Json(Pin { pinned }): Json<Pin>,
) -> Result<Json<Granted>, Failure> {
    let what = format!("{} v{version}", if pinned { "pin" } else { "unpin" });
    api.wish(&peer, &app, what, |_| Command::Pin { version, pinned }).await
}
