//! What throwaway VMs of both versions tell: configurations, and the root supervisors whose children no module holds.

use std::sync::Arc;

use beam::Term;
use model::app::App;
use upgrade::finding::{Code, Finding, Place};
use upgrade::plan::{Children, Plan};

use super::roots::RootWanted;
use super::settings::Changes;
use super::side::Side;
use super::{HotPlans, UpgradeError};
use crate::configuration::{Evaluated, NextStart, Root, children};
use crate::lowering::{self, Environments};

/// See the module.
#[derive(Default)]
pub(super) struct Told {
    /// For the lowering.
    pub(super) told: lowering::Told,
    /// What the roots of the node must be, so that what is told of them is true of it.
    pub(super) roots: Vec<RootWanted>,
    /// What could not be told.
    pub(super) findings: Vec<Finding>,
}

/// Which roots are asked for.
fn wanted(plan: &Plan) -> Vec<String> {
    let of_start = plan.steps.supervisors.iter().filter(|it| it.children == Children::OfStart);
    of_start.map(|it| it.application.clone()).collect()
}

/// Whether the configurations are asked for: they are computed at a start, by code that may have changed too.
fn is_computed(changes: &Changes, old: &Side, new: &Side) -> bool {
    let computes = |side: &Side| lowering::computes(&side.release).is_some();
    changes.has_sys_config || computes(old) || computes(new)
}

impl HotPlans {
    /// Asks VMs as far as the plan needs it.
    pub(super) async fn told(
        &self,
        app: &Arc<App>,
        plan: &Plan,
        changes: &Changes,
        old: &Side,
        new: &Side,
    ) -> Result<Told, UpgradeError> {
        let roots = wanted(plan);
        let mut told = Told::default();
        told.told.variables.clone_from(&changes.variables);
        if roots.is_empty() && !is_computed(changes, old, new) {
            return Ok(told);
        }
        let (before, after) = match self.both(app, &roots, old, new).await? {
            Ok(both) => both,
            Err(finding) => {
                told.findings.push(finding);
                return Ok(told);
            }
        };
        told.told.environments = Some(environments(&before, &after));
        for application in roots {
            match root(&application, &before, &after) {
                Ok((wanted, argument)) => {
                    told.roots.push(wanted);
                    told.told.roots.insert(application, argument);
                }
                Err(finding) => told.findings.push(finding),
            }
        }
        Ok(told)
    }

    async fn both(
        &self,
        app: &Arc<App>,
        roots: &[String],
        old: &Side,
        new: &Side,
    ) -> Result<Result<(Evaluated, Evaluated), Finding>, UpgradeError> {
        let before = match self.evaluated(app, roots, old).await? {
            Ok(before) => before,
            Err(finding) => return Ok(Err(finding)),
        };
        Ok(self.evaluated(app, roots, new).await?.map(|after| (before, after)))
    }

    async fn evaluated(
        &self,
        app: &Arc<App>,
        roots: &[String],
        side: &Side,
    ) -> Result<Result<Evaluated, Finding>, UpgradeError> {
        let tree = self.tree_of(app, side).await?;
        let instance = &side.instance;
        let start = NextStart {
            target: instance.target,
            place: instance.place,
            slot: instance.slot,
            tree: tree.path.clone(),
        };
        let told = self.evaluator.evaluate_with_roots(app.clone(), start, roots.to_vec()).await;
        tree.let_go().await?;
        Ok(told.map_err(|error| {
            let (version, why) = (app.label(instance.target), crate::chain(&error));
            Finding::new(Code::ConfigUntold, Place::Release, &[("version", &version), ("why", &why)])
        }))
    }
}

/// Both configurations, without what means nothing in another VM.
fn environments(before: &Evaluated, after: &Evaluated) -> (Environments, Environments) {
    let of = |told: &Evaluated| lowering::environments(&told.config.term()).unwrap_or_default();
    let (mut was, mut is) = (of(before), of(after));
    for (application, keys) in before.config.elsewhere().iter().chain(after.config.elsewhere()) {
        for environment in [&mut was, &mut is] {
            let held = environment.get_mut(application);
            held.into_iter().for_each(|held| held.retain(|key, _| !keys.contains(key)));
        }
    }
    (was, is)
}

/// What the root of an application is given, and what it must be now.
fn root(application: &str, before: &Evaluated, after: &Evaluated) -> Result<(RootWanted, Term), Finding> {
    let place = || Place::application(application);
    let untold = |why: &str| Finding::new(Code::RootUntold, place(), &[("why", why)]);
    let known = |told: &Evaluated| match told.roots.get(application) {
        Some(Root::Begins { module, argument }) => Ok((module.clone(), argument.clone())),
        Some(Root::Holds(child)) => {
            let values = [("child", child.as_str()), ("module", application)];
            Err(Finding::new(Code::ChildHoldsFunction, place(), &values))
        }
        Some(Root::Untold(why)) => Err(untold(why)),
        None => Err(untold("the VM said nothing of it")),
    };
    let ((was, had), (is, argument)) = (known(before)?, known(after)?);
    if was != is {
        return Err(untold(&format!("its root was a supervisor of {was} and becomes one of {is}")));
    }
    let children = children(&had);
    Ok((RootWanted { application: application.to_owned(), module: was, children }, argument))
}
