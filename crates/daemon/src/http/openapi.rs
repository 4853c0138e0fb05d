//! The router and the OpenAPI document, made from the same list of handlers.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::api::Api;
use super::problem::Failure;
use super::{
    apps, audit, backup, config, console, deadline, deployments, events, export, freeze, ghosts,
    interruptions, logs, packages, papers, routes, running, system, tasks, tls, variables, versions,
};

/// Largest body of a request that is no upload.
const MOST_BODY_BYTES: usize = 1 << 20;

#[derive(OpenApi)]
#[openapi(info(
    title = "Bellrock",
    description = "The API of bellrockd, over the Unix socket {root}/run/bellrock/api.sock. Whoever may write to \
        that socket may run code as any app's user. Problems are RFC 9457 problem details whose `type` ends in a \
        slug that stays.",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Document;

fn parts() -> OpenApiRouter<Api> {
    let quick = OpenApiRouter::new()
        .merge(apps::routes())
        .merge(routes::routes())
        .merge(export::routes())
        .merge(running::routes())
        .merge(tasks::routes())
        .merge(interruptions::routes())
        .merge(versions::routes())
        .merge(papers::routes())
        .merge(deployments::routes())
        .merge(variables::routes())
        .merge(freeze::routes())
        .merge(ghosts::routes())
        .merge(events::routes())
        .merge(audit::routes())
        .merge(system::routes())
        .merge(tls::routes())
        .merge(config::routes())
        .merge(console::routes())
        .layer(from_fn(deadline::enforce))
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES));
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(quick)
        .merge(packages::routes())
        .merge(papers::downloads())
        .merge(events::streams())
        .merge(logs::routes())
        .merge(tasks::streams())
        .merge(backup::routes())
        .merge(console::streams())
}

/// The OpenAPI document as JSON.
pub fn document() -> String {
    let (_, document) = parts().split_for_parts();
    let mut text = document.to_pretty_json().expect("the document is made of text keys");
    text.push('\n');
    text
}

/// Everything that the API answers.
pub fn router(api: Api) -> Router {
    let (router, _) = parts().split_for_parts();
    let text = document();
    let json = move || async move { ([(header::CONTENT_TYPE, "application/json")], text) };
    router
        .route("/v1/openapi.json", get(json))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(TraceLayer::new_for_http())
        .with_state(api)
}

async fn no_route(uri: Uri) -> Failure {
    let detail = format!("there is nothing at {uri}; /v1/openapi.json lists what there is");
    Failure::new("no-route", StatusCode::NOT_FOUND, detail)
}

async fn no_method(method: Method, uri: Uri) -> Failure {
    let detail = format!("{method} is not possible at {uri}; /v1/openapi.json lists what is");
    Failure::new("no-method", StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// The panic itself is in the daemon's log.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let detail = "bellrockd has made a mistake; its log says more (this is a bug: please report it)";
    Failure::new("bug", StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
