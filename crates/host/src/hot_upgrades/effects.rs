//! What the engine asks for of hot upgrades, and how each of it ends.

use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Effect, Hot, Instance, Outcome, Target};
use model::human;
use model::settings::UpgradeMode;
use model::{DeploymentId, InstanceId};
use upgrade::finding::{Finding, Severity};
use upgrade::plan::{Plan, Verdict};
use upgrade::policy::Policy;

use super::{HotUpgrades, Looked, Undo, Upgraded, Wish, direction, policy};
use crate::tell::Tell;

impl<T: Tell> HotUpgrades<T> {
    /// Finds out whether all of these can be upgraded.
    pub(crate) async fn plan_effect(
        &self,
        app: &Arc<App>,
        instances: &[InstanceId],
        to: Target,
        policy: &Policy,
    ) -> Outcome {
        let instances: Vec<Instance> =
            instances.iter().filter_map(|id| app.instances.get(id)).cloned().collect();
        let looked = match self.plans().look_all(app, &instances, to, policy).await {
            Ok(looked) => looked,
            Err(error) => return failed(crate::chain(&error)),
        };
        match looked.iter().find(|it| it.plan.verdict == Verdict::Full) {
            Some(Looked { plan, .. }) => failed(of_severity(plan, Severity::Block)),
            None => Outcome::Ok { detail: looked.first().map(|it| summary(&it.plan)) },
        }
    }

    /// Takes an instance to another version.
    pub(crate) async fn upgrade_effect(&self, app: &Arc<App>, effect: &Effect) -> Outcome {
        let Effect::Upgrade { instance, run, upgrade, to, hot, is_back, .. } = effect else {
            return failed("it is no upgrade".into());
        };
        let Some(instance) = in_run(app, *instance, *run) else { return started_anew() };
        let policy = policy(app, *to, hot, direction(*is_back));
        match self.upgrade(app, instance, &wish(app, id(*upgrade), *to, policy)).await {
            Upgraded::Done { undo, notes, pause } => {
                let stood = human::duration(pause);
                let why = match &undo {
                    Undo::Hot => None,
                    Undo::Full { why } => Some(format!("it can be taken back only by a fresh start: {why}")),
                };
                let more: String = notes.into_iter().chain(why).map(|note| format!("; {note}")).collect();
                let detail = Some(format!("processes stood still for {stood}{more}"));
                Outcome::Upgraded { undo: undo == Undo::Hot, detail }
            }
            Upgraded::Refused { why } => failed(why),
            Upgraded::Undone { why } => failed(format!("{why}; it is as it was")),
            Upgraded::Broken { why } | Upgraded::Unknown { why } => Outcome::Unknown { reason: why },
        }
    }

    /// Takes it back.
    pub(crate) async fn undo_effect(&self, app: &Arc<App>, effect: &Effect) -> Outcome {
        let Effect::Undo { instance, run, upgrade, to, is_back, .. } = effect else {
            return failed("it is no undo".into());
        };
        let Some(instance) = in_run(app, *instance, *run) else { return started_anew() };
        // What was forced there is forced back; a deployment that went on in full meanwhile has forgotten it.
        let hot = app.deployment.as_ref().and_then(|it| it.hot.clone());
        let forced = hot.map(|hot| hot.forced).unwrap_or_default();
        let hot = Hot { mode: UpgradeMode::Auto, only: true, forced, gate_until: None };
        // The same way as the upgrade; what is undone goes the other one.
        let policy = policy(app, *to, &hot, direction(*is_back));
        let wish = wish(app, format!("{} undone", id(*upgrade)), *to, policy);
        match self.undo(app, instance, &wish).await {
            Upgraded::Done { .. } => Outcome::Ok { detail: None },
            Upgraded::Refused { why } | Upgraded::Undone { why } => failed(why),
            Upgraded::Broken { why } | Upgraded::Unknown { why } => Outcome::Unknown { reason: why },
        }
    }

    /// Makes its next start one of the version that runs in it.
    pub(crate) async fn settle_effect(&self, app: &Arc<App>, effect: &Effect) -> Outcome {
        let Effect::Settle { instance, run, upgrade, to } = effect else {
            return failed("it settles nothing".into());
        };
        let Some(instance) = in_run(app, *instance, *run) else { return started_anew() };
        match self.settle(app, instance, *to, &id(*upgrade)).await {
            Ok(()) => Outcome::Ok { detail: None },
            Err(error) => failed(crate::chain(&error)),
        }
    }
}

/// By which the node knows the upgrade of a deployment.
fn id(deployment: DeploymentId) -> String {
    format!("deployment {deployment}")
}

fn wish(app: &App, id: String, to: Target, policy: Policy) -> Wish {
    let within = app.revision(to).map_or(Duration::from_secs(60), |it| it.settings.hot.deadline);
    Wish { id, to, policy, within }
}

fn in_run(app: &App, instance: InstanceId, run: u32) -> Option<&Instance> {
    app.instances.get(&instance).filter(|it| it.run == run && it.pid.is_some())
}

fn failed(reason: String) -> Outcome {
    Outcome::Failed { reason, tail: None }
}

fn started_anew() -> Outcome {
    failed("it has been started anew since".into())
}

/// `3 modules loaded, states of 1 converted; care: BR-H041 …`
fn summary(plan: &Plan) -> String {
    let steps = &plan.steps;
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut parts = vec![format!("{} to load", counted(steps.load.len(), "module"))];
    if !steps.conversions.is_empty() {
        parts.push(format!("{} to convert", counted(steps.conversions.len(), "state")));
    }
    if !steps.supervisors.is_empty() {
        parts.push(format!("{} to compare", counted(steps.supervisors.len(), "supervisor")));
    }
    let care = of_severity(plan, Severity::Care);
    let care = if care.is_empty() { care } else { format!("; with care: {care}") };
    format!("{}{care}", parts.join(", "))
}

fn of_severity(plan: &Plan, severity: Severity) -> String {
    let text = |finding: &Finding| format!("{} ({})", finding.reason.trim_end_matches('.'), finding.code);
    let found: Vec<String> = plan.findings.iter().filter(|it| it.severity == severity).map(text).collect();
    found.join("; ")
}
