//! The daemon and its host.

use ::api::about::Daemon;
use ::api::doctor::Check;
use ::api::problem::Problem;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::Json;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(about)).routes(routes!(doctor))
}

/// Who answers; also says that the daemon is well.
#[utoipa::path(get, path = "/v1/daemon", tag = "system", operation_id = "show_daemon",
    responses((status = OK, body = Daemon), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn about(State(api): State<Api>) -> Json<Daemon> {
    Json(Daemon {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: api.started_at,
        root: api.control.paths.root().display().to_string(),
        environment: api.control.site.settings.env.clone(),
    })
}

/// Looks at everything on the host that Bellrock depends on.
#[utoipa::path(get, path = "/v1/doctor", tag = "system", operation_id = "run_doctor",
    responses((status = OK, body = Vec<Check>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn doctor(State(api): State<Api>) -> Json<Vec<Check>> {
    Json(api.control.doctor().await)
}
