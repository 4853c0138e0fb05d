//! What the proxy serves where.

use ::api::problem::Problem;
use ::api::query::RoutesQuery;
use ::api::routes::Routes;
use axum::extract::State;
use model::AppName;
use model::app::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Query};
use super::problem::Failure;
use super::versions::label;
use super::view;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// What the proxy serves where, which instances get requests, and why others get none.
#[utoipa::path(get, path = "/v1/routes", tag = "routes", operation_id = "list_routes", params(RoutesQuery),
    responses((status = OK, body = Routes), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>, Query(query): Query<RoutesQuery>) -> Result<Json<Routes>, Failure> {
    let apps = match query.app {
        Some(name) => {
            vec![api.app(&label::<AppName>(&name)?)?]
        }
        None => api.control.apps(),
    };
    let apps: Vec<&App> = apps.iter().map(AsRef::as_ref).collect();
    let facts = api.control.proxy.facts();
    let shown = view::routes(&apps, &api.control.proxy.table().unwrap_or_default(), &facts.borrow());
    Ok(Json(shown))
}
