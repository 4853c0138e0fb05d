//! Papers of a version: its package as it came, settings as they were, and what was written while it was built,
//! prepared and deployed. One that does not exist is the problem `not-available`.

use std::path::PathBuf;

use ::api::deployment::DeploymentDetail;
use ::api::prepare::{Output, PrepareLog};
use ::api::problem::Problem;
use ::api::version::Papers;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use host::log_tail::end_of;
use model::app::{App, Refused, Version};
use model::settings::to_toml;
use model::{AppName, EffectId, VersionLabel};
use package::tree::open_version;
use tokio::task::spawn_blocking;
use tokio_util::io::ReaderStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::deployments;
use super::extract::{Json, Path};
use super::problem::Failure;
use super::versions::no_version;
use super::view;
use crate::control::WishError;

/// Most of one output of a prepare command that is shown, and of all of them together.
const MOST_OUTPUT_BYTES: u64 = 1 << 20;
const MOST_LOG_BYTES: u64 = 16 << 20;

const TOML: HeaderValue = HeaderValue::from_static("application/toml");
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(settings))
        .routes(routes!(package_settings))
        .routes(routes!(prepare_log))
        .routes(routes!(deployment_log))
}

/// Downloads have no deadline: the client's pace decides.
pub(super) fn downloads() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(package)).routes(routes!(build_log))
}

/// Which papers of a version there are.
pub(super) async fn there(api: &Api, app: &App, version: &Version) -> Result<Papers, Failure> {
    let (paths, journal) = (&api.control.paths, &api.control.journal);
    let build_log = paths.build_log(&app.name, &version.label);
    Ok(Papers {
        package: version.stored,
        package_settings: declared(api, &app.name, &version.label).await?.is_some(),
        build_log: tokio::fs::try_exists(build_log).await.unwrap_or(false),
        prepare_log: !journal.preparations(app.name.clone(), version.id).await?.is_empty(),
        deployment_log: journal.deployment_to(app.name.clone(), version.id).await?.is_some(),
    })
}

fn not_available(why: String) -> Failure {
    Failure::new("not-available", StatusCode::NOT_FOUND, format!("not available: {why}"))
}

/// The package's own settings, as they came.
async fn declared(api: &Api, app: &AppName, version: &VersionLabel) -> Result<Option<String>, Failure> {
    let folder = api.control.paths.version(app, version);
    let read = spawn_blocking(move || open_version(&folder).ok().and_then(|it| it.facts.settings));
    read.await.map_err(|error| Failure::host(&error))
}

/// The merged settings of a version's current revision, as TOML.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/settings", tag = "papers", operation_id = "show_settings",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, content_type = "application/toml", body = String), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn settings(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Response, Failure> {
    let state = api.app(&app)?;
    let found = state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    Ok(([(header::CONTENT_TYPE, TOML)], to_toml(&found.current().settings)).into_response())
}

/// The `bellrock.toml` that the package brought, as it came.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/package-settings", tag = "papers", operation_id = "show_package_settings",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, content_type = "application/toml", body = String), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn package_settings(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Response, Failure> {
    let state = api.app(&app)?;
    let found = state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    let text = declared(&api, &app, &version).await?.ok_or_else(|| {
        not_available(match found.stored {
            true => format!("the package of version {version} brought no bellrock.toml"),
            false => format!("the package of version {version} was removed, and its bellrock.toml with it"),
        })
    })?;
    Ok(([(header::CONTENT_TYPE, TOML)], text).into_response())
}

/// What became of a version's prepare commands, with the end of what they wrote.
///
/// A command that had been run on this host before is not run again: the output is then that of the earlier run, and
/// `run_for` says whose it was.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/prepare-log", tag = "papers", operation_id = "show_prepare_log",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, body = PrepareLog), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn prepare_log(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Json<PrepareLog>, Failure> {
    let state = api.app(&app)?;
    let found = state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    let known = api.control.journal.preparations(app.clone(), found.id).await?;
    if known.is_empty() {
        return Err(not_available(format!("no prepare command was run for version {version}")));
    }
    let paths = api.control.paths.clone();
    let log = |effect: EffectId| {
        ["stdout", "stderr"].map(|stream| paths.prepare_log(&app, &version, effect, stream))
    };
    let logs: Vec<[PathBuf; 2]> = known.iter().map(|it| log(it.run.effect)).collect();
    let outputs = spawn_blocking(move || outputs(&logs)).await.map_err(|error| Failure::host(&error))?;
    let outputs = outputs.map_err(|error| Failure::host(&error))?;
    let commands =
        known.into_iter().zip(outputs).map(|(it, output)| view::prepare_command(&state, it, output));
    Ok(Json(PrepareLog { app: app.to_string(), version: version.to_string(), commands: commands.collect() }))
}

/// The ends of all outputs. The newest command's matter most: they get their share first.
fn outputs(logs: &[[PathBuf; 2]]) -> std::io::Result<Vec<[Output; 2]>> {
    let mut left = MOST_LOG_BYTES;
    let mut read = |path: &PathBuf| -> std::io::Result<Output> {
        let (bytes, cut) = end_of(path, left.min(MOST_OUTPUT_BYTES))?;
        left -= bytes.len() as u64;
        Ok(Output { text: String::from_utf8_lossy(&bytes).into_owned(), cut })
    };
    let newest_first = logs.iter().rev().map(|[stdout, stderr]| Ok([read(stdout)?, read(stderr)?]));
    let mut outputs = newest_first.collect::<std::io::Result<Vec<_>>>()?;
    outputs.reverse();
    Ok(outputs)
}

/// The last deployment that brought the version up (deployed, activated or rolled back to it), with its log.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/deployment-log", tag = "papers", operation_id = "show_deployment_log",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, body = DeploymentDetail), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn deployment_log(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Json<DeploymentDetail>, Failure> {
    let state = api.app(&app)?;
    let found = state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    let record = api.control.journal.deployment_to(app, found.id).await?;
    let record = record.ok_or_else(|| {
        not_available(format!("no deployment of version {version} is known, or it is too long ago"))
    })?;
    Ok(Json(deployments::detail(&api, record.deployment.id).await?))
}

/// The package as it came.
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/package", tag = "papers", operation_id = "download_package",
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
#[utoipa::path(get, path = "/v1/apps/{app}/versions/{version}/build-log", tag = "papers", operation_id = "show_build_log",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version")),
    responses((status = OK, content_type = "text/plain"), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn build_log(
    State(api): State<Api>,
    Path((app, version)): Path<(AppName, VersionLabel)>,
) -> Result<Response, Failure> {
    let state = api.app(&app)?;
    state.version_called(&version).ok_or_else(|| no_version(&app, &version))?;
    let path = api.control.paths.build_log(&app, &version);
    let file = match fs_err::tokio::File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(not_available(format!("no build log came with version {version}")));
        }
        Err(error) => return Err(Failure::host(&error)),
    };
    Ok(([(header::CONTENT_TYPE, PLAIN)], Body::from_stream(ReaderStream::new(file))).into_response())
}
