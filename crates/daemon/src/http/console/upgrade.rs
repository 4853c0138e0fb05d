//! Plans of hot upgrades: from what runs, with a look at each node, to a version that is registered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::api::problem::Problem;
use ::api::upgrade::{InstancePlan, NodeSeen, PlanUpgrade, UpgradePlans};
use axum::extract::State;
use futures_util::future::join_all;
use host::lowering::{self, LowerError, Version};
use host::site::{Site, SiteError};
use hot::{Installer, Preflight};
use model::app::{App, Instance, Target};
use model::{AppName, VersionId, VersionLabel};
use package::inventory::{self, InventoryError};
use package::tree::Unpacked;
use probe::Probe;
use tokio::task::spawn_blocking;
use upgrade::inventory::Release;
use upgrade::plan::Plan;
use upgrade::policy::Policy;

use super::super::api::Api;
use super::super::extract::{Json, Path};
use super::super::problem::Failure;
use super::super::versions::no_version;
use super::place::{CONNECTING, nothing_runs, running};

/// How long a node has for the look.
const LOOK: Duration = Duration::from_secs(20);

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
enum PlanError {
    /// A version is not there as it should be.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// It cannot be read.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The plan cannot be said to a node.
    #[error(transparent)]
    Lower(#[from] LowerError),
}

/// A version that is unpacked here.
struct There {
    release: Release,
    unpacked: Unpacked,
}

/// Plans the hot upgrade of every instance that runs to a registered version. Nothing is changed: each node is asked what
/// runs in it.
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
    let targets = instances.iter().map(|it| it.runs()).chain([newest]).collect();
    let there = Arc::new(versions(&api, &app, targets).await?);
    let policy = asked.policy();
    let planned = instances.iter().map(|it| one(&api, &app, it, &there, newest.version, &policy));
    let instances = join_all(planned).await.into_iter().collect::<Result<_, _>>()?;
    Ok(Json(UpgradePlans { app: name.to_string(), version: label.to_string(), instances }))
}

/// The inventories of these versions.
async fn versions(
    api: &Api,
    app: &Arc<App>,
    targets: Vec<Target>,
) -> Result<BTreeMap<VersionId, There>, Failure> {
    let (site, app) = (api.control.site.clone(), app.clone());
    let read = move || {
        let targets: BTreeMap<VersionId, Target> = targets.into_iter().map(|it| (it.version, it)).collect();
        let one = |(id, target)| Ok((id, there(&site, &app, target)?));
        targets.into_iter().map(one).collect::<Result<_, PlanError>>()
    };
    blocking(read).await
}

fn there(site: &Site, app: &App, target: Target) -> Result<There, PlanError> {
    let unpacked = site.unpacked(app, target)?;
    Ok(There { release: inventory::open(&unpacked)?, unpacked })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PlanError> + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(work).await.map_err(|fault| Failure::host(&fault))?.map_err(|error| Failure::host(&error))
}

async fn one(
    api: &Api,
    app: &Arc<App>,
    instance: &Instance,
    there: &Arc<BTreeMap<VersionId, There>>,
    newest: VersionId,
    policy: &Policy,
) -> Result<InstancePlan, Failure> {
    let (versions, tree) = (there.clone(), api.control.site.tree(&app.name, instance));
    let (oldest, allowed) = (instance.runs().version, policy.clone());
    let lower = move || {
        let (old, new) = (&versions[&oldest], &versions[&newest]);
        let plan = upgrade::plan(&old.release, &new.release, &allowed);
        let old = Version { release: &old.release, root: &tree };
        let root = new.unpacked.tree().join(&new.unpacked.facts.root);
        let new = Version { release: &new.release, root: &root };
        let instructions = lowering::touched("preflight", &plan, old, new)?;
        Ok((plan, instructions))
    };
    let (plan, instructions) = blocking(lower).await?;
    let looked = match api.control.nodes.connected(&app.name, instance.id, CONNECTING).await {
        Err(why) => Err(why),
        Ok(node) => {
            let look = Installer::new(Probe::new(node.clone())).preflight(&instructions, LOOK).await;
            look.map(|seen| (node.name().to_string(), seen)).map_err(|error| host::chain(&error))
        }
    };
    let (found, seen, why_not) = match looked {
        Ok((node, seen)) => {
            (lowering::live(&seen, &instructions.bounds, &plan), Some(view(node, &seen)), None)
        }
        Err(why) => (vec![lowering::not_reached(&why)], None, Some(why)),
    };
    let plan: Plan = plan.with(found, policy);
    Ok(InstancePlan {
        instance: instance.id.0,
        place: instance.place.0,
        version: app.label(instance.runs()),
        seen,
        why_not,
        plan,
    })
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
