//! Packages on their way in: streamed to the uploads folder, then handed to the control plane.

use std::time::Duration;

use ::api::change::{Granted, PackageOptions, PackageUpload};
use ::api::problem::Problem;
use ::api::way::wish;
use axum::body::Bytes;
use axum::extract::multipart::Field;
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::StatusCode;
use host::disk::check_room;
use host::site::Site;
use model::AppName;
use tempfile::TempPath;
use tokio::io::AsyncWriteExt;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::{Api, granted};
use super::extract::{Json, Path};
use super::peer::Peer;
use super::problem::Failure;
use crate::control::Arrival;

/// Largest package: far above any release, far below what fills a disk unnoticed.
const MOST_PACKAGE_BYTES: u64 = 4 << 30;

/// An upload looks for room on the disk each time that it has written so much.
const ROOM_STEP: u64 = 8 << 20;

/// Largest build log; it is kept with the version.
const MOST_BUILD_LOG_BYTES: u64 = 16 << 20;

/// Largest settings and meta data.
const MOST_OPTIONS_BYTES: u64 = 1 << 20;

/// A sender that is silent for so long has gone away.
const SILENCE: Duration = Duration::from_secs(60);

/// Longest that the rest of a refused upload is read.
const READ_OUT: Duration = Duration::from_secs(30);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(upload)).layer(DefaultBodyLimit::disable())
}

/// Stores a package and deploys it.
///
/// The parts come in the order `options`, `build_log`, `package`; the package's file name, if given, must agree
/// with what is inside. The app in the path decides what the package becomes a version of, whatever the package calls
/// itself. What was sent whole is taken and deployed, even if the sender goes away meanwhile.
#[utoipa::path(post, path = "/v1/apps/{app}/packages", tag = "versions", operation_id = "deploy_package",
    params(("app" = String, Path, description = "Name of the app")),
    request_body(content = PackageUpload, content_type = "multipart/form-data"),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn upload(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    mut parts: Multipart,
) -> Result<Json<Granted>, Failure> {
    let taken = take_parts(&api, &peer, &app, &mut parts).await;
    if taken.is_err() {
        read_out(&mut parts).await;
    }
    taken
}

/// Reads and drops what is still sent: a client that has not sent everything may see its connection break before it
/// sees why it was refused (RFC 9112, section 9.6).
async fn read_out(parts: &mut Multipart) {
    let reading = async {
        while let Ok(Some(mut part)) = parts.next_field().await {
            while let Ok(Some(_)) = part.chunk().await {}
        }
    };
    let _ = tokio::time::timeout(READ_OUT, reading).await;
}

async fn take_parts(
    api: &Api,
    peer: &Peer,
    app: &AppName,
    parts: &mut Multipart,
) -> Result<Json<Granted>, Failure> {
    let (mut options, mut build_log) = (PackageOptions::default(), None);
    while let Some(mut part) = next(parts).await? {
        match part.name() {
            Some("options") => options = parse_options(&collect(&mut part, MOST_OPTIONS_BYTES).await?)?,
            Some("build_log") => build_log = Some(collect(&mut part, MOST_BUILD_LOG_BYTES).await?),
            Some("package") => {
                let file_name = part.file_name().map(ToOwned::to_owned);
                let package = save(&mut part, &api.control.site).await?;
                let PackageOptions { settings, meta, way, force } = options;
                let wish = wish(way, &force);
                let arrival = Arrival { package, file_name, settings, meta, build_log, wish };
                return take(api, peer, app, arrival).await;
            }
            name => {
                let detail = format!("the part {name:?} is none of options, build_log, package");
                return Err(Failure::new("bad-body", StatusCode::BAD_REQUEST, detail));
            }
        }
    }
    Err(Failure::new("bad-body", StatusCode::BAD_REQUEST, "the part \"package\" is missing"))
}

/// Has an arrived package taken and deployed.
pub(super) async fn take(
    api: &Api,
    peer: &Peer,
    app: &AppName,
    arrival: Arrival,
) -> Result<Json<Granted>, Failure> {
    let before = api.control.app(app).ok();
    let what = format!("deploy {}", arrival.file_name.as_deref().unwrap_or("a package"));
    api.record(peer, Some(app), what).await?;
    let taken = api.control.take_package(app, arrival, peer.origin()).await;
    let accepted = taken.map_err(|error| Failure::wish(app, error))?;
    let mut granted = granted(before.as_deref(), &accepted);
    granted.remarks.extend(api.control.taken_routes(&accepted.app));
    granted.version = accepted.deployment.and_then(|id| {
        let running = accepted.app.deployment.as_ref().filter(|it| it.id == id);
        running.and_then(|it| it.to).map(|to| accepted.app.label(to))
    });
    Ok(Json(granted))
}

async fn next(parts: &mut Multipart) -> Result<Option<Field<'_>>, Failure> {
    Ok(tokio::time::timeout(SILENCE, parts.next_field()).await.map_err(|_| silent())??)
}

fn silent() -> Failure {
    Failure::new("silence", StatusCode::REQUEST_TIMEOUT, "the upload stood still for 60 s and was given up")
}

fn too_large(part: &Field<'_>, most: u64) -> Failure {
    let name = part.name().unwrap_or("a part");
    let detail = format!("{name} is larger than {}", model::human::bytes(most));
    Failure::new("too-large", StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn parse_options(bytes: &[u8]) -> Result<PackageOptions, Failure> {
    serde_json::from_slice(bytes).map_err(|error| {
        Failure::new("bad-body", StatusCode::UNPROCESSABLE_ENTITY, format!("the part \"options\": {error}"))
    })
}

/// The next bytes of a part, counted in `length`; a problem when there are more than `most`.
async fn chunk(part: &mut Field<'_>, most: u64, length: &mut u64) -> Result<Option<Bytes>, Failure> {
    let chunk = tokio::time::timeout(SILENCE, part.chunk()).await.map_err(|_| silent())??;
    *length += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
    if *length > most { Err(too_large(part, most)) } else { Ok(chunk) }
}

async fn collect(part: &mut Field<'_>, most: u64) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(chunk) = chunk(part, most, &mut length).await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Writes a part to a file of its own, which is removed unless somebody keeps it.
async fn save(part: &mut Field<'_>, site: &Site) -> Result<TempPath, Failure> {
    let failed = |error: std::io::Error| Failure::host(&error);
    let (folder, least_bytes) = (site.paths.uploads(), site.settings.min_free_disk.bytes());
    fs_err::tokio::create_dir_all(&folder).await.map_err(failed)?;
    let (file, path) =
        tempfile::Builder::new().prefix("upload-").tempfile_in(&folder).map_err(failed)?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let (mut length, mut room_until) = (0, 0);
    while let Some(chunk) = chunk(part, MOST_PACKAGE_BYTES, &mut length).await? {
        if length > room_until {
            check_room(&folder, ROOM_STEP, least_bytes)?;
            room_until = length + ROOM_STEP;
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    Ok(path)
}
