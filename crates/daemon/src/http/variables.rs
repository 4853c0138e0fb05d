//! Environment variables of an app.

use std::collections::BTreeMap;

use ::api::change::Granted;
use ::api::problem::Problem;
use ::api::variable::{ChangeVariables, Variables};
use axum::extract::State;
use axum::http::StatusCode;
use model::app::{App, Command};
use model::settings::{VariableValue, reserved_variable};
use model::{AppName, VariableName};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path};
use super::peer::Peer;
use super::problem::Failure;
use super::versions::label;
use super::view;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, change))
}

/// What the active version's instances get besides what Bellrock sets by itself.
#[utoipa::path(get, path = "/v1/apps/{app}/env", tag = "env", operation_id = "list_variables",
    params(("app" = String, Path, description = "Name of the app")),
    responses((status = OK, body = Variables), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(State(api): State<Api>, Path(app): Path<AppName>) -> Result<Json<Variables>, Failure> {
    Ok(Json(shown(&*api.app(&app)?)))
}

fn shown(app: &App) -> Variables {
    let revision = app.active().and_then(|target| app.revision(target));
    Variables {
        version: app.active().map(|target| app.label(target)),
        variables: match revision {
            Some(revision) => view::variables(&revision.settings.variables, &revision.variables),
            None => view::variables(&BTreeMap::new(), &app.first_variables),
        },
    }
}

/// Sets and unsets variables: a new revision of the active version.
#[utoipa::path(patch, path = "/v1/apps/{app}/env", tag = "env", operation_id = "change_variables",
    params(("app" = String, Path, description = "Name of the app")), request_body = ChangeVariables,
    responses((status = OK, body = Granted), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn change(
    State(api): State<Api>,
    peer: Peer,
    Path(app): Path<AppName>,
    Json(body): Json<ChangeVariables>,
) -> Result<Json<Granted>, Failure> {
    let mut changes = BTreeMap::new();
    let state = api.app(&app)?;
    for (name, value) in &body.set {
        let variable = label(name)?;
        check_free(&state, &variable)?;
        changes.insert(variable, Some(parse_value(name, value)?));
    }
    for name in &body.unset {
        if changes.insert(label(name)?, None).is_some() {
            return Err(bad_value(name, "it is set and unset at once"));
        }
    }
    if changes.is_empty() {
        return Err(Failure::new("no-change", StatusCode::CONFLICT, "nothing would change"));
    }
    let names = changes.keys().map(VariableName::as_str).collect::<Vec<_>>().join(", ");
    let later = body.later;
    let what = format!("set variables {names}");
    api.wish(&peer, &app, what, |deployment| Command::SetVariables { changes, later, deployment }).await
}

/// What Bellrock gives to instances by itself is not set by hand; an old one may be unset.
fn check_free(app: &App, name: &VariableName) -> Result<(), Failure> {
    if let Some((why, remedy)) = reserved_variable(name.as_str()) {
        return Err(bad_value(name.as_str(), &format!("{why}; {remedy}")));
    }
    let to = app.deployment.as_ref().and_then(|deployment| deployment.to);
    let revisions = app.active().into_iter().chain(to).filter_map(|target| app.revision(target));
    match revisions.into_iter().any(|revision| revision.settings.ports.contains_key(name)) {
        true => Err(bad_value(name.as_str(), "is one of the app's ports; say `ports` in its settings")),
        false => Ok(()),
    }
}

fn parse_value(name: &str, value: &str) -> Result<VariableValue, Failure> {
    value.parse().map_err(|error: model::settings::BadSecret| bad_value(name, &error.to_string()))
}

fn bad_value(name: &str, why: &str) -> Failure {
    Failure::new("bad-value", StatusCode::UNPROCESSABLE_ENTITY, format!("variable {name}: {why}"))
}
