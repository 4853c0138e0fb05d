//! Who asked for what.

use ::api::audit::Asked;
use ::api::problem::Problem;
use ::api::query::MostQuery;
use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Query, at_most};
use super::problem::Failure;

/// Records given unless somebody asks for more or less.
const MOST: u32 = 50;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Every change that somebody asked for, granted or not, newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "system", operation_id = "list_audit",
    params(MostQuery),
    responses((status = OK, body = Vec<Asked>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>, Query(query): Query<MostQuery>) -> Result<Json<Vec<Asked>>, Failure> {
    let records = api.control.journal.audits(at_most(query.most, MOST)).await?;
    let asked = records.into_iter().map(|record| Asked {
        at: record.at,
        uid: record.uid,
        user: record.user,
        app: record.app.map(String::from),
        what: record.what,
    });
    Ok(Json(asked.collect()))
}
