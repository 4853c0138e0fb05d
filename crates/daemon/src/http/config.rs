//! Settings, checked as they would be used.

use ::api::problem::Problem;
use ::api::settings::{SettingsText, SettingsVerdict};
use axum::extract::State;
use model::AppName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::Json;
use super::problem::Failure;
use super::versions::label;
use crate::control::WishError;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(check))
}

/// Tells everything that is wrong with an app's settings; nothing is changed.
#[utoipa::path(post, path = "/v1/config/check", tag = "system", operation_id = "check_settings",
    request_body = SettingsText,
    responses((status = OK, body = SettingsVerdict), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn check(
    State(api): State<Api>,
    Json(body): Json<SettingsText>,
) -> Result<Json<SettingsVerdict>, Failure> {
    let app: AppName = label(&body.app)?;
    let problems = match api.control.load_app_settings(&app, None, Some(&body.toml)) {
        Ok(_) => Vec::new(),
        Err(WishError::Settings(text)) => text.lines().map(ToOwned::to_owned).collect(),
        Err(error) => return Err(Failure::wish(&app, error)),
    };
    Ok(Json(SettingsVerdict { ok: problems.is_empty(), problems }))
}
