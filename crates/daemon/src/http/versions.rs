//! Versions: what was registered, with what it ran with and its package.

use std::str::FromStr;

use ::api::change::{Granted, Pin};
use ::api::problem::Problem;
use ::api::settings::SettingsJson;
use ::api::version::{Version, VersionDetail};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::app::{Command, Refused};
use model::{AppName, VersionLabel};
use tokio_util::io::ReaderStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path};
use super::peer::Peer;
use super::problem::Failure;
use super::view;
use crate::control::WishError;

/// Name of the build log among a version's papers.
const BUILD_LOG: &str = "build.log";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, delete)).routes(routes!(pin))
}

/// Downloads have no deadline: the client's pace decides.
pub(super) fn downloads() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(package)).routes(routes!(build_log))
}

/// A name of any kind from a body or path.
pub(super) fn label<T: FromStr<Err = model::BadName>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error: model::BadName| {
        Failure::new("bad-name", StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    })
}

fn no_version(app: &AppName, version: &VersionLabel) -> Failure {
    Failure::wish(app, WishError::Refused(Refused::NoVersion { version: version.clone() }))
}

/// Versions of an app, newest first.
#[utoipa::path(get, path = "/v1/apps/{app}/versions", tag = "versions", operation_id = "list_versions",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Vec<Version>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>, Path(app): Path<AppName>) -> Result<Json<Vec<Version>>, Failure> {
    Ok(Json(view::versions(&*api.app(&app)?)))
}

/// One version with its settings.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}", tag = "versions", operation_id = "show_version",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, body = VersionDetail), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Json<VersionDetail>, Failure> {
    let state = api.app(&app)?;
    let found = state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    let papers = api.control.paths.papers(&app, &version);
    Ok(Json(VersionDetail {
        version: view::version(&state, found),
        settings: SettingsJson(found.current().settings.clone()),
        has_build_log: tokio::fs::try_exists(papers.join(BUILD_LOG)).await.unwrap_or(false),
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

/// The package as it came.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/package", tag = "versions", operation_id = "download_package",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, content_type = "application/gzip"), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn package(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Response, Failure> {
    let state = api.app(&app)?;
    let found = state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    if !found.stored {
        return Err(Failure::wish(&app, WishError::Refused(Refused::NoPackage { version })));
    }
    let file = fs_err::tokio::File::open(api.control.paths.package(&app, &version)).await;
    let file = file.map_err(|error| Failure::host(&error))?;
    let length = file.metadata().await.map_err(|error| Failure::host(&error))?.len();
    let name = format!("attachment; filename=\"{app}-{}.tar.gz\"", version.as_str().replace('"', "_"));
    let name = HeaderValue::try_from(name).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/gzip")),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

/// The build log that came with the package.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/build-log", tag = "versions", operation_id = "show_build_log",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, content_type = "text/plain"), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn build_log(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Response, Failure> {
    let state = api.app(&app)?;
    state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    let path = api.control.paths.papers(&app, &version).join(BUILD_LOG);
    let file = match fs_err::tokio::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let detail = format!("no build log came with version {version}");
            return Err(Failure::new("not-available", StatusCode::NOT_FOUND, detail));
        }
        Err(error) => return Err(Failure::host(&error)),
    };
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((plain, Body::from_stream(ReaderStream::new(file))).into_response())
}
