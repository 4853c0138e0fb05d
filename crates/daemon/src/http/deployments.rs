//! Deployments: begun from a registered version, listed, shown with their log, given up.

use ::api::change::{DeployVersion, Granted};
use ::api::deployment::{Deployment, DeploymentDetail};
use ::api::problem::Problem;
use ::api::query::DeploymentsQuery;
use ::api::way::wish;
use axum::extract::State;
use axum::http::StatusCode;
use host::journal::Listing;
use model::app::Command;
use model::{AppName, DeploymentId, VersionLabel};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path, Query, at_most};
use super::packages;
use super::peer::Peer;
use super::problem::Failure;
use super::versions::label;
use super::view;
use crate::control::Arrival;

/// Deployments given unless somebody asks for more or less.
const MOST: u32 = 20;

/// Longest log of a deployment that is shown; the newest lines win.
const MOST_LINES: u32 = 2_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(begin))
        .routes(routes!(show))
        .routes(routes!(cancel))
}

/// Deployments, newest first.
#[utoipa::path(get, path = "/v1/deployments", tag = "deployments", operation_id = "list_deployments",
    params(DeploymentsQuery),
    responses((status = OK, body = Vec<Deployment>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(api): State<Api>,
    Query(query): Query<DeploymentsQuery>,
) -> Result<Json<Vec<Deployment>>, Failure> {
    let app = query.app.as_deref().map(label::<AppName>).transpose()?;
    if let Some(app) = &app {
        api.app(app)?;
    }
    let mut shown: Vec<Deployment> = waiting(&api, app.as_ref()).collect();
    let records = api.control.journal.deployments(app, at_most(query.most, MOST)).await?;
    shown.extend(records.into_iter().map(|record| {
        let app = api.control.app(&record.app).ok();
        view::of_record(app.as_deref(), record)
    }));
    Ok(Json(shown))
}

fn waiting(api: &Api, app: Option<&AppName>) -> impl Iterator<Item = Deployment> {
    let apps = api.control.apps().into_iter().filter(move |it| app.is_none_or(|app| it.name == *app));
    apps.filter_map(|app| app.queued.as_ref().map(|queued| view::queued(&app, queued)))
}

/// Deploys a registered version, with what it last ran with or with other settings.
#[utoipa::path(post, path = "/v1/apps/{app}/deployments", tag = "deployments", operation_id = "deploy_version",
    params(("app" = String, Path, description = "Name of the app")), request_body = DeployVersion,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn begin(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(body): Json<DeployVersion>,
) -> Result<Json<Granted>, Failure> {
    let version: VersionLabel = label(&body.version)?;
    let wish = wish(body.way, &body.force);
    if !api.control.app(&app).is_ok_and(|app| app.version_called(&version).is_some()) {
        let arrival = api.control.fetch_stored(&app, &version, body.settings).await;
        let arrival = arrival.map_err(|error| Failure::wish(&app, error))?;
        return packages::take(&api, &peer, &app, Arrival { wish, ..arrival }).await;
    }
    let what = format!("deploy v{version}");
    let Some(text) = &body.settings else {
        let again = |deployment| Command::Activate { version, settings: None, wish, deployment };
        return api.wish(&peer, &app, what, again).await;
    };
    // The ports that are checked now are still free when the version is registered with them.
    let _registering = api.control.registering().await;
    let settings = api.control.load_app_settings(&app, Some(&version), Some(text));
    let settings = Some(Box::new(settings.map_err(|error| Failure::wish(&app, error))?));
    api.wish(&peer, &app, what, |deployment| Command::Activate { version, settings, wish, deployment }).await
}

/// One deployment with its log.
#[utoipa::path(get, path = "/v1/deployments/{id}", tag = "deployments", operation_id = "show_deployment",
    params(("id" = u64, Path, description = "Number of the deployment")),
    responses((status = OK, body = DeploymentDetail), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn show(State(api): State<Api>, Path(id): Path<u64>) -> Result<Json<DeploymentDetail>, Failure> {
    Ok(Json(detail(&api, DeploymentId(id)).await?))
}

/// A deployment with its log.
pub(super) async fn detail(api: &Api, id: DeploymentId) -> Result<DeploymentDetail, Failure> {
    // The log first: what the deployment says then is never older than its log. One that has ended has all of it.
    let listing = || Listing { deployment: Some(id), most: MOST_LINES, ..Listing::default() };
    let mut log = api.control.journal.events(listing()).await?;
    let deployment = find(api, id).await?;
    if deployment.phase.is_over() {
        log = api.control.journal.events(listing()).await?;
    }
    Ok(DeploymentDetail { deployment, log: log.into_iter().map(view::event).collect() })
}

async fn find(api: &Api, id: DeploymentId) -> Result<Deployment, Failure> {
    if let Some(waiting) = waiting(api, None).find(|it| it.id == id.0) {
        return Ok(waiting);
    }
    let Some(record) = api.control.journal.deployment(id).await? else {
        let detail = format!("there is no deployment {id}, or it was dropped from the queue");
        return Err(Failure::new("no-deployment", StatusCode::NOT_FOUND, detail));
    };
    let app = api.control.app(&record.app).ok();
    // It ends for everybody when the app's state says so, which is a moment after the journal does.
    let running =
        app.as_deref().and_then(|app| Some((app, app.deployment.as_ref().filter(|it| it.id == id)?)));
    Ok(match running {
        Some((app, running)) => view::deployment(app, running),
        None => view::of_record(app.as_deref(), record),
    })
}

/// Gives up a deployment that runs or waits; everything goes back to what was there before.
#[utoipa::path(post, path = "/v1/deployments/{id}/cancel", tag = "deployments", operation_id = "cancel_deployment",
    params(("id" = u64, Path, description = "Number of the deployment")),
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn cancel(State(api): State<Api>, peer: Peer, Path(id): Path<u64>) -> Result<Json<Granted>, Failure> {
    let id = DeploymentId(id);
    let app = label::<AppName>(&find(&api, id).await?.app)?;
    let what = format!("cancel deployment {id}");
    api.wish(&peer, &app, what, |_| Command::Cancel { deployment: id }).await
}
