//! One hot upgrade in an instance's node: found when it was begun before, else begun, and followed to its end.

use std::sync::Arc;
use std::time::Duration;

use beam::Term;
use hot::{HotError, Installer, Instructions, Progress};
use model::app::{App, Instance};
use model::human;
use probe::{Probe, ProbeError, Question};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};
use upgrade::finding::Severity;
use upgrade::plan::{Direction, Plan, Verdict};
use upgrade::policy::Policy;

use super::look::look;
use super::upgraded::{Undo, Upgraded};
use super::weighed::Weighed;
use super::{HotPlans, HotUpgrades, Wish};
use crate::lowering::live;
use crate::tell::Tell;

/// How long a node may take to answer a short question.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the code may take to come to the node.
const BEGIN: Duration = Duration::from_secs(30);
/// How long the end of an install is waited for before the link to the node is looked up again: it may have started anew.
const FOLLOW: Duration = Duration::from_secs(5);
/// Before a node without a link is looked for again.
const PAUSE: Duration = Duration::from_millis(200);
/// What is left at least when it begins.
const LEAST: Duration = Duration::from_secs(5);
/// Most that the node itself takes for what it was told.
const MOST: Duration = Duration::from_secs(120);
/// How long the result is kept in the node: longer than bellrockd is ever away.
const KEEP: Duration = Duration::from_secs(24 * 3600);

static MODULES: Question = Question::new("the version that runs", &[include_str!("modules.txt")]);

/// What is to be done with an instance.
struct Step<'a> {
    app: &'a Arc<App>,
    old: Instance,
    new: Instance,
    id: &'a str,
    policy: Policy,
    deadline: Instant,
    within: Duration,
}

impl<T: Tell> HotUpgrades<T> {
    /// Has an instance become another version while it runs. What it is started as next stays what it was, until it is
    /// [settled](Self::settle). Done twice with one id, it follows what the first has begun, and tells its result.
    pub async fn upgrade(&self, app: &Arc<App>, instance: &Instance, wish: &Wish) -> Upgraded {
        let new = instance.upgraded(wish.to);
        self.does(Step::of(app, instance.clone(), new, wish, wish.policy.clone())).await
    }

    /// Has an instance that was upgraded and not settled become again what it was: `wish` is what it had become, and how. Done
    /// twice with one id, which is another than that of the upgrade, it follows what the first has begun.
    pub async fn undo(&self, app: &Arc<App>, instance: &Instance, wish: &Wish) -> Upgraded {
        let way = match wish.policy.way {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        };
        let policy = Policy { way, ..wish.policy.clone() };
        self.does(Step::of(app, instance.upgraded(wish.to), instance.clone(), wish, policy)).await
    }

    async fn does(&self, step: Step<'_>) -> Upgraded {
        let (app, instance, id) = (&step.app.name, step.new.id, step.id);
        info!(%app, %instance, upgrade = id, to = step.app.label(step.new.target), "hot upgrade");
        let outcome = match self.begin(&step).await {
            Ok(()) => self.plans.end(&step).await,
            Err(outcome) => outcome,
        };
        match &outcome {
            Upgraded::Done { pause, .. } => {
                info!(%app, %instance, upgrade = id, pause_us = pause.as_micros(), "upgraded hot");
            }
            other => warn!(%app, %instance, upgrade = id, outcome = ?other, "not upgraded hot"),
        }
        outcome
    }

    /// Sees that it is begun; what came of it, where there is nothing to wait for.
    async fn begin(&self, step: &Step<'_>) -> Result<(), Upgraded> {
        let probe = self.plans.probe(step).await?;
        let installer = Installer::new(probe.clone());
        let before = match installer.progress(ANSWER).await {
            Ok(Some(progress)) if progress.id == step.id => return Ok(()),
            Ok(before) => before,
            Err(error) => return Err(Upgraded::Unknown { why: crate::chain(&error) }),
        };
        if let Some(Progress { id, outcome: None, .. }) = before {
            return Err(Upgraded::Refused { why: format!("the upgrade {id:?} is under way in its node") });
        }
        // A tree to find code in, before the node is told where that is.
        let refused = |why: String| Upgraded::Refused { why };
        self.instances.lay_out(step.app, &step.new).await.map_err(|error| refused(crate::chain(&error)))?;
        let weighed = self
            .plans
            .weigh(step.app, step.old.clone(), step.new.clone(), step.id, &step.policy)
            .await
            .map_err(|error| refused(crate::chain(&error)))?;
        if is_there(&probe, &weighed.plan).await.map_err(|error| refused(crate::chain(&error)))? {
            let notes = vec!["its node runs that version already".to_owned()];
            return Err(Upgraded::Done { undo: Undo::Hot, notes, pause: Duration::ZERO });
        }
        let mut instructions = step.may_begin(&probe, weighed).await?;
        instructions.after = before.map(|before| before.id);
        match installer.begin(&instructions, step.left().min(BEGIN)).await {
            // Asked and not answered: it may have begun.
            Ok(()) | Err(HotError::Ask(ProbeError::Call { .. }) | HotError::Late { .. }) => Ok(()),
            Err(error) => Err(refused(crate::chain(&error))),
        }
    }
}

impl<'a> Step<'a> {
    fn of(app: &'a Arc<App>, old: Instance, new: Instance, wish: &'a Wish, policy: Policy) -> Self {
        let (id, within) = (wish.id.as_str(), wish.within);
        Step { app, old, new, id, policy, within, deadline: Instant::now() + within }
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// What the node is told, when nothing speaks against it, there neither.
    async fn may_begin(&self, probe: &Probe, weighed: Weighed) -> Result<Instructions, Upgraded> {
        let Weighed { plan, mut instructions, roots } = weighed;
        may(&plan)?;
        if self.left() < LEAST {
            let why = format!("of {} too little is left to begin it", human::duration(self.within));
            return Err(Upgraded::Refused { why });
        }
        instructions.bounds.deadline = self.left().min(MOST);
        instructions.bounds.keep = KEEP;
        let (_, seen, others) = look(probe, &instructions, &roots)
            .await
            .map_err(|why| Upgraded::Refused { why: format!("its node could not be looked at: {why}") })?;
        let found = live(&seen, &instructions.bounds, &plan).into_iter().chain(others);
        may(&plan.with(found, &self.policy))?;
        Ok(instructions)
    }
}

/// Whether the plan is done hot.
fn may(plan: &Plan) -> Result<(), Upgraded> {
    if plan.verdict != Verdict::Full {
        return Ok(());
    }
    let blocks = plan.findings.iter().filter(|it| it.severity == Severity::Block);
    let reasons: Vec<String> = blocks.map(|it| format!("{}: {}", it.code, it.reason)).collect();
    Err(Upgraded::Refused { why: reasons.join(" ") })
}

/// Whether the node runs what the plan leads to.
async fn is_there(probe: &Probe, plan: &Plan) -> Result<bool, ProbeError> {
    let md5 = |load: &upgrade::plan::Load| {
        Term::tuple([Term::atom(&load.module), Term::binary(load.to.as_bytes().to_vec())])
    };
    let variables = [
        ("Modules", Term::list(plan.steps.load.iter().map(md5))),
        ("Gone", Term::list(plan.steps.delete.iter().map(|gone| Term::atom(&gone.module)))),
    ];
    probe.ask(&MODULES, variables, ANSWER, |answer| answer.truth()).await
}

impl HotPlans {
    /// The node, connected; a link that is just being made is waited for.
    async fn probe(&self, step: &Step<'_>) -> Result<Probe, Upgraded> {
        loop {
            let within = step.left().min(ANSWER);
            match self.nodes.connected(&step.app.name, step.new.id, within).await {
                Ok(node) => return Ok(Probe::new(node)),
                Err(why) if step.left().is_zero() => {
                    return Err(Upgraded::Unknown { why: format!("there is no link to its node: {why}") });
                }
                Err(_) => sleep(PAUSE.min(step.left())).await,
            }
        }
    }

    /// Follows what was begun to its end, over a new link where the node has lost the old one.
    async fn end(&self, step: &Step<'_>) -> Upgraded {
        while !step.left().is_zero() {
            let probe = match self.probe(step).await {
                Ok(probe) => probe,
                Err(unknown) => return unknown,
            };
            match Installer::new(probe).wait(step.id, step.left().min(FOLLOW)).await {
                Ok(Progress { outcome: Some(outcome), .. }) => return Upgraded::of(outcome),
                Ok(_) | Err(HotError::Late { .. }) => {}
                // Nothing on disk says that it is another version: it has started as what it was.
                Err(HotError::Unknown(_)) => {
                    let why = "its node knows nothing of it any more: it has started anew since".to_owned();
                    return Upgraded::Undone { why };
                }
                Err(error) => {
                    let (app, instance) = (&step.app.name, step.new.id);
                    info!(%app, %instance, upgrade = step.id, error = crate::chain(&error), "asked again");
                    sleep(PAUSE.min(step.left())).await;
                }
            }
        }
        Upgraded::late(step.within)
    }
}
