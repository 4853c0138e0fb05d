//! Apps: what is running, and where.

use ::api::app::App;
use ::api::exit::Exit;
use ::api::problem::Problem;
use ::api::query::MostQuery;
use axum::extract::State;
use host::memory;
use model::AppName;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path, Query, at_most};
use super::problem::Failure;
use super::view;

/// Records given unless somebody asks for more or less.
const MOST: u32 = 50;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(exits))
}

/// Every app with its instances and the deployment under way.
#[utoipa::path(get, path = "/v1/apps", tag = "apps", operation_id = "list_apps",
    responses((status = OK, body = Vec<App>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>) -> Json<Vec<App>> {
    Json(api.control.apps().iter().map(|app| shown(&api, app)).collect())
}

/// One app with its instances and the deployment under way.
#[utoipa::path(get, path = "/v1/apps/{app}", tag = "apps", operation_id = "show_app",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = App), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn show(State(api): State<Api>, Path(app): Path<AppName>) -> Result<Json<App>, Failure> {
    Ok(Json(shown(&api, &*api.app(&app)?)))
}

fn shown(api: &Api, app: &model::app::App) -> App {
    let control = &api.control;
    let node = |instance| control.nodes.look(&app.name, instance);
    view::app(app, memory::resident, node, &control.proxy.facts().borrow(), control.loads.of(&app.name))
}

/// Exits of its instances that nobody asked for, newest first.
#[utoipa::path(get, path = "/v1/apps/{app}/exits", tag = "apps", operation_id = "list_exits",
    params(("app" = String, Path, description = "Name of the app"), MostQuery),
    responses((status = OK, body = Vec<Exit>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn exits(
    State(api): State<Api>,
    Path(app): Path<AppName>,
    Query(query): Query<MostQuery>,
) -> Result<Json<Vec<Exit>>, Failure> {
    api.app(&app)?;
    let exits = api.control.journal.exits(app, at_most(query.most, MOST)).await?;
    Ok(Json(exits.into_iter().map(view::exit).collect()))
}
