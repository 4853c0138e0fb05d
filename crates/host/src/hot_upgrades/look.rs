//! Plans with a look at the running node.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hot::{Installer, Instructions, Preflight};
use model::app::{App, Instance, Target};
use probe::{Probe, ProbeError};
use upgrade::finding::Finding;
use upgrade::plan::Plan;
use upgrade::policy::Policy;

use super::roots::{RootWanted, others};
use super::weighed::Weighed;
use super::{HotPlans, UpgradeError};
use crate::lowering::{live, not_reached};

/// How long a connection that is just being made is waited for.
const CONNECTING: Duration = Duration::from_secs(2);
/// How long a node may take to answer at all. One that hangs is not waited for any longer.
const AWAKE: Duration = Duration::from_secs(8);
/// How long the supervisors of one that answers may take.
const ROOTS: Duration = Duration::from_secs(10);
/// How long the look at one that answers may take.
const LOOK: Duration = Duration::from_secs(20);

/// A plan with what was found in the node.
#[derive(Debug)]
pub struct Looked {
    /// The plan.
    pub plan: Plan,
    /// The node's name and what was seen there; none when it could not be looked at.
    pub seen: Option<(String, Preflight)>,
    /// Why not.
    pub why_not: Option<String>,
}

impl HotPlans {
    /// As [`HotPlans::plan`], with a look at the instance's node. It changes nothing there.
    ///
    /// # Errors
    /// As [`HotPlans::plan`]; a node that cannot be looked at is none.
    pub async fn look(
        &self,
        app: &Arc<App>,
        instance: &Instance,
        to: Target,
        policy: &Policy,
    ) -> Result<Looked, UpgradeError> {
        let old = running(instance);
        let new = old.upgraded(to);
        let weighed = self.weigh(app, old, new, "preflight", policy).await?;
        Ok(self.seen(app, instance, &weighed, policy).await)
    }

    /// The same of several instances. What each version configures and starts is asked of a VM of one place only.
    ///
    /// # Errors
    /// As [`HotPlans::look`].
    pub async fn look_all(
        &self,
        app: &Arc<App>,
        instances: &[Instance],
        to: Target,
        policy: &Policy,
    ) -> Result<Vec<Looked>, UpgradeError> {
        let mut all: Vec<(Target, Weighed)> = Vec::new();
        for instance in instances {
            if all.iter().all(|(target, _)| *target != instance.runs()) {
                let old = running(instance);
                let new = old.upgraded(to);
                all.push((instance.runs(), self.weigh(app, old, new, "preflight", policy).await?));
            }
        }
        let of = |instance: &Instance| all.iter().find(|(target, _)| *target == instance.runs());
        let seen = instances.iter().filter_map(|instance| {
            let (_, weighed) = of(instance)?;
            Some(self.seen(app, instance, weighed, policy))
        });
        Ok(join_all(seen).await)
    }

    async fn seen(&self, app: &App, instance: &Instance, weighed: &Weighed, policy: &Policy) -> Looked {
        let Weighed { plan, instructions, roots } = weighed;
        let plan = plan.clone();
        let seen = match self.nodes.connected(&app.name, instance.id, CONNECTING).await {
            Ok(node) => look(&Probe::new(node), instructions, roots).await,
            Err(why) => Err(why),
        };
        match seen {
            Ok((node, seen, roots)) => {
                let found = live(&seen, &instructions.bounds, &plan).into_iter().chain(roots);
                Looked { plan: plan.with(found, policy), seen: Some((node, seen)), why_not: None }
            }
            Err(why) => {
                Looked { plan: plan.with([not_reached(&why)], policy), seen: None, why_not: Some(why) }
            }
        }
    }
}

/// An instance as one of what runs in it, settled or not.
pub(super) fn running(instance: &Instance) -> Instance {
    match instance.hot {
        Some(hot) => instance.upgraded(hot),
        None => instance.clone(),
    }
}

/// What is in the way of instructions in a node, and what they would touch.
///
/// # Errors
/// Why it cannot be told, in words; of a node that hangs within a few seconds.
pub async fn look_at(probe: &Probe, instructions: &Instructions) -> Result<Preflight, String> {
    let text = |error: ProbeError| crate::chain(&error);
    let hangs = |error| format!("its VM does not answer: {}", text(error));
    probe.facts(AWAKE).await.map_err(hangs)?;
    Installer::new(probe.clone()).preflight(instructions, LOOK).await.map_err(text)
}

/// With the node's name, and its roots that are not what they must be.
pub(super) async fn look(
    probe: &Probe,
    instructions: &Instructions,
    roots: &[RootWanted],
) -> Result<(String, Preflight, Vec<Finding>), String> {
    let seen = look_at(probe, instructions).await?;
    let others = others(probe, roots, ROOTS).await.map_err(|error| crate::chain(&error))?;
    Ok((probe.node().name().to_string(), seen, others))
}
