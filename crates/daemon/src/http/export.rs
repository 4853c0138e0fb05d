//! What others need who lead requests to an app, or run it, instead of us.

use std::path::PathBuf;

use ::api::problem::Problem;
use ::api::settings::SettingsJson;
use ::api::standalone::{Standalone, StandalonePlace, StandaloneQuery, StandaloneUser};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use host::environment::{Environment, EnvironmentError};
use host::site::SiteError;
use model::AppName;
use model::app::{App, Refused, Target};
use model::export::{Rival, Upstream};
use tokio::task::spawn_blocking;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path, Query};
use super::peer::Peer;
use super::problem::Failure;
use crate::control::WishError;

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(standalone))
}

/// The app's instances that get requests now, as configuration of another proxy.
///
/// `export.nginx` and the like in the host's settings keep a file with this up to date.
#[utoipa::path(get, path = "/v1/apps/{app}/export/{proxy}", tag = "apps", operation_id = "export_app",
    params(("app" = String, Path, description = "Name of the app"),
        ("proxy" = String, Path, description = "`nginx`, `haproxy` or `caddy`")),
    responses((status = OK, content_type = "text/plain", body = String), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn export(
    State(api): State<Api>,
    Path((app, proxy)): Path<(AppName, String)>,
) -> Result<Response, Failure> {
    let app = api.app(&app)?;
    let rival = Rival::ALL.into_iter().find(|rival| rival.name() == proxy).ok_or_else(|| {
        let detail = format!("there is no export for {proxy:?}, only for nginx, haproxy and caddy");
        Failure::new("no-export", StatusCode::NOT_FOUND, detail)
    })?;
    Ok(([(header::CONTENT_TYPE, PLAIN)], rival.text(&[Upstream::of(&app)])).into_response())
}

/// The app's places at its active version, for an init that runs them without Bellrock.
///
/// The answer holds the app's cookie and all its variables.
#[utoipa::path(get, path = "/v1/apps/{app}/standalone", tag = "apps", operation_id = "standalone",
    params(("app" = String, Path, description = "Name of the app"), StandaloneQuery),
    responses((status = OK, body = Standalone), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn standalone(
    State(api): State<Api>,
    peer: Peer,
    Path(name): Path<AppName>,
    Query(query): Query<StandaloneQuery>,
) -> Result<Json<Standalone>, Failure> {
    let app = api.app(&name)?;
    let folder = PathBuf::from(query.folder);
    if !folder.is_absolute() {
        let detail = format!("the folder {} is not absolute", folder.display());
        return Err(Failure::new("bad-value", StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let refused = |refused| Failure::wish(&name, WishError::Refused(refused));
    let target = app.active().ok_or_else(|| refused(Refused::NothingActive))?;
    api.record(&peer, Some(&name), format!("export of its places into {}", folder.display())).await?;
    let (site, of_app) = (api.control.site.clone(), app.clone());
    let told = spawn_blocking(move || site.standalone(&of_app, target, &folder)).await;
    let told = told.map_err(|error| Failure::host(&error))?.map_err(untold)?;
    shown(&app, target, told).map(Json)
}

fn untold(error: SiteError) -> Failure {
    match error {
        SiteError::Environment(EnvironmentError::Secret(_)) => {
            Failure::new("secret", StatusCode::CONFLICT, error.to_string())
        }
        error => Failure::host(&error),
    }
}

fn shown(app: &App, target: Target, told: host::standalone::Standalone) -> Result<Standalone, Failure> {
    let gone = || Failure::host(&SiteError::NoVersion);
    let version = app.version(target.version).ok_or_else(gone)?;
    let revision = app.revision(target).ok_or_else(gone)?;
    let host::users::Identity { uid, gid, user, group } = told.user;
    let place = |(place, environment): (model::Place, Environment)| {
        Ok::<_, Failure>(StandalonePlace { place: place.0, environment: texts(environment)? })
    };
    Ok(Standalone {
        app: app.name.to_string(),
        version: app.label(target),
        package: version.label.clone(),
        sha256: version.digest.clone(),
        user: StandaloneUser { uid, gid, user, group },
        settings: SettingsJson((*revision.settings).clone()),
        runtime_bin: told.runtime_bin.map(|bin| bin.to_string_lossy().into_owned()),
        start: std::iter::once(told.starter.script.path).chain(told.starter.script.arguments).collect(),
        private_files: told.private_files.into_iter().collect(),
        places: told.places.into_iter().map(place).collect::<Result<_, _>>()?,
    })
}

/// Variables as texts; only a path could be none.
fn texts(environment: Environment) -> Result<std::collections::BTreeMap<String, String>, Failure> {
    let pairs = environment
        .into_iter()
        .map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    pairs.collect::<Option<_>>().ok_or_else(|| {
        let detail = "a path in the environment is no UTF-8; an init cannot be told it";
        Failure::new("bad-value", StatusCode::UNPROCESSABLE_ENTITY, detail)
    })
}
