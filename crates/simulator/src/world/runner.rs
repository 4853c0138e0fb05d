//! Simulated runners of commands: each outlives the daemon and keeps its outcome until that is durable.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::EffectId;
use model::app::{Outcome, Run, RunKind};

/// A command that was begun.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Runner {
    /// It runs until then.
    Runs { until: Timestamp, ends: Outcome },
    /// It has ended.
    Ended(Outcome),
}

/// All commands of the host.
#[derive(Debug, Default)]
pub(crate) struct Runners {
    runners: BTreeMap<EffectId, Runner>,
    /// Commands that this daemon was told to give up before they began.
    given_up: BTreeSet<EffectId>,
    /// What was ever begun.
    begun: BTreeSet<String>,
}

/// How far a command is.
pub(crate) enum Progress {
    /// It runs; look again then.
    Until(Timestamp),
    /// It has ended.
    Ended(Outcome),
}

impl Runners {
    /// Begins a command, or finds that it was begun; an error is a command that is begun a second time.
    pub(crate) fn begin(
        &mut self,
        id: EffectId,
        run: &Run,
        until: Timestamp,
        ends: Outcome,
    ) -> Result<(), String> {
        if self.runners.contains_key(&id) {
            return Ok(());
        }
        if self.given_up.contains(&id) {
            self.runners.insert(id, Runner::Ended(failed("was given up before it began")));
            return Ok(());
        }
        self.runners.insert(id, Runner::Runs { until, ends });
        let what = match run.kind {
            RunKind::Prepare | RunKind::Member { .. } => return Ok(()),
            RunKind::Init { instance } => format!("{} `{}` of {instance}", run.kind, run.command),
            RunKind::Pre { place: Some(place) } => {
                format!("{} `{}` of deployment {:?}, place {place}", run.kind, run.command, run.deployment)
            }
            _ => format!("{} `{}` of deployment {:?}", run.kind, run.command, run.deployment),
        };
        if self.begun.insert(what.clone()) { Ok(()) } else { Err(format!("{what} is run a second time")) }
    }

    /// How far a command that was begun is.
    pub(crate) fn progress(&mut self, id: EffectId, now: Timestamp) -> Option<Progress> {
        let runner = self.runners.get_mut(&id)?;
        if let Runner::Runs { until, ends } = runner
            && *until <= now
        {
            *runner = Runner::Ended(ends.clone());
        }
        Some(match runner {
            Runner::Runs { until, .. } => Progress::Until(*until),
            Runner::Ended(outcome) => Progress::Ended(outcome.clone()),
        })
    }

    /// Ends a command; one that was not begun will not be.
    pub(crate) fn halt(&mut self, id: EffectId) {
        match self.runners.get_mut(&id) {
            Some(runner @ Runner::Runs { .. }) => *runner = Runner::Ended(failed("was ended")),
            Some(Runner::Ended(_)) => {}
            None => {
                self.given_up.insert(id);
            }
        }
    }

    /// The host goes down: nobody knows how what ran has ended.
    pub(crate) fn lose(&mut self) {
        let unknown = Outcome::Unknown { reason: "its runner died while it ran".into() };
        for runner in self.runners.values_mut() {
            if let Runner::Runs { .. } = runner {
                *runner = Runner::Ended(unknown.clone());
            }
        }
    }

    /// A daemon starts: what only the last one's memory held is gone.
    pub(crate) fn forget_given_up(&mut self) {
        self.given_up.clear();
    }

    /// Removes the runners of effects for which `has_ended` holds.
    pub(crate) fn tidy_up(&mut self, has_ended: impl Fn(EffectId) -> bool) {
        self.runners.retain(|id, _| !has_ended(*id));
    }
}

fn failed(reason: &str) -> Outcome {
    Outcome::Failed { reason: reason.into(), tail: None }
}
