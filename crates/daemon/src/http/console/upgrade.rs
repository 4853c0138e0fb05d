//! Plans of hot upgrades: from what runs, with a look at each node, to a version that is registered.

use ::api::problem::Problem;
use ::api::upgrade::{InstancePlan, NodeSeen, PlanUpgrade, UpgradePlans};
use axum::extract::State;
use host::hot_upgrades::{HotPlans, Looked, allowed};
use hot::Preflight;
use model::app::{App, Instance, Target};
use model::{AppName, VersionLabel};

use super::super::api::Api;
use super::super::extract::{Json, Path};
use super::super::problem::Failure;
use super::super::versions::no_version;
use super::place::{nothing_runs, running};

/// Plans the hot upgrade of every instance that runs to a registered version. Nothing is changed: each node is asked what
/// runs in it, and where a start computes configuration or children, a throwaway VM of each version is.
#[utoipa::path(post, path = "/v1/apps/{app}/versions/{version}/plan", tag = "versions", operation_id = "plan_upgrade",
    params(("app" = String, Path, description = "Name of the app"), ("version" = String, Path, description = "The version that would be installed")),
    request_body = PlanUpgrade,
    responses((status = OK, body = UpgradePlans), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn plan(
    State(api): State<Api>,
    Path((name, label)): Path<(AppName, VersionLabel)>,
    Json(asked): Json<PlanUpgrade>,
) -> Result<Json<UpgradePlans>, Failure> {
    let app = api.app(&name)?;
    let version = app.version_called(&label).ok_or_else(|| no_version(&name, &label))?;
    let newest = Target { version: version.id, revision: version.revision };
    let mut instances: Vec<Instance> = running(&app, asked.place).into_iter().cloned().collect();
    if instances.is_empty() {
        return Err(nothing_runs(&name, asked.place));
    }
    instances.sort_by_key(|it| (it.place, it.id));
    let control = &api.control;
    let plans = HotPlans::new(control.site.clone(), control.nodes.clone(), control.evaluator().clone());
    let settings = app.revision(newest).map(|it| allowed(&it.settings.hot)).unwrap_or_default();
    let policy = asked.over(settings);
    let looked = plans.look_all(&app, &instances, newest, &policy).await;
    let looked = looked.map_err(|error| Failure::host(&error))?;
    let instances = instances.iter().zip(looked).map(|(instance, looked)| one(&app, instance, looked));
    let instances = instances.collect();
    Ok(Json(UpgradePlans { app: name.to_string(), version: label.to_string(), instances }))
}

fn one(app: &App, instance: &Instance, looked: Looked) -> InstancePlan {
    let Looked { plan, seen, why_not } = looked;
    InstancePlan {
        instance: instance.id.0,
        place: instance.place.0,
        version: app.label(instance.runs()),
        seen: seen.map(|(node, seen)| view(node, &seen)),
        why_not,
        plan,
    }
}

fn view(node: String, seen: &Preflight) -> NodeSeen {
    NodeSeen {
        node,
        suspended: seen.suspended,
        converted: seen.converted,
        converted_bytes: seen.converted_bytes,
        estimated_pause_us: u64::try_from(seen.estimated_pause().as_micros()).unwrap_or(u64::MAX),
    }
}
