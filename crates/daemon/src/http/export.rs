//! Texts for other proxies.

use ::api::problem::Problem;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::AppName;
use model::export::{Rival, Upstream};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::Path;
use super::problem::Failure;

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(export))
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
