//! What goes wrong at the engine's fault points.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::fault_points::{Fault, FaultPoint, Faults};
use model::EffectId;

use crate::shared::Shared;

/// What happens at a fault point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The daemon dies.
    Kill,
    /// The effect or the commit fails.
    Fail,
    /// The effect is done, and nobody learns how it ended.
    Lose,
    /// The effect is done twice.
    Repeat,
}

/// What shall go wrong from now on.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// At the fault points with these numbers, counted over the run.
    pub(crate) at: BTreeMap<usize, Action>,
    /// At the next effect: before it, or (only for a death) after it.
    pub(crate) next_effect: Option<(Action, bool)>,
    /// At the next commit: before it, or (only for a death) after it.
    pub(crate) next_commit: Option<(Action, bool)>,
    /// The daemon has died.
    pub(crate) is_dead: bool,
    /// All fault points that were reached.
    pub(crate) reached: Vec<FaultPoint>,
    /// Effects that may have been done.
    begun: BTreeSet<EffectId>,
}

impl Plan {
    /// From now on nothing goes wrong.
    pub(crate) fn calm(&mut self) {
        (self.next_effect, self.next_commit) = (None, None);
        self.at.clear();
    }

    fn action(&mut self, point: FaultPoint) -> Option<Action> {
        self.reached.push(point);
        if let Some(action) = self.at.remove(&(self.reached.len() - 1)) {
            return Some(action);
        }
        let (next, is_after) = match point {
            FaultPoint::BeforeEffect(_) => (&mut self.next_effect, false),
            FaultPoint::AfterEffect(_) => (&mut self.next_effect, true),
            FaultPoint::BeforeCommit(_) => (&mut self.next_commit, false),
            FaultPoint::AfterCommit(_) => (&mut self.next_commit, true),
            // Deaths at any time are disturbances of their own.
            FaultPoint::DuringEffect(_) => return None,
        };
        next.take_if(|(_, after)| *after == is_after).map(|(action, _)| action)
    }

    /// What comes of an action before an effect. One that may have been done never says that it left nothing.
    fn fault(&mut self, action: Action, effect: Option<EffectId>) -> Fault {
        let was_begun = effect.is_some_and(|effect| self.begun.contains(&effect));
        match action {
            Action::Fail if was_begun => Fault::Lose,
            Action::Fail => Fault::Fail,
            Action::Lose => Fault::Lose,
            Action::Repeat => Fault::Repeat,
            Action::Kill => Fault::None,
        }
    }
}

/// Stands between the engine and its partners.
pub(crate) struct Gremlin(pub(crate) Arc<Shared>);

/// Longest that the daemon lives on after the middle of an effect at which it shall die: most effects take that long.
const MIDDLE_MS: u64 = 120;

impl Faults for Gremlin {
    async fn reached(&self, point: FaultPoint, effect: Option<EffectId>) -> Fault {
        let action = self.0.plan().action(point);
        let fault = action.map_or(Fault::None, |action| self.0.plan().fault(action, effect));
        if let Some(action) = action {
            self.0.world().note(|_| format!("  !! {action:?} at {point}"));
        }
        if action == Some(Action::Kill) {
            if let (FaultPoint::DuringEffect(_), Some(effect)) = (point, effect) {
                let wait = self.0.world().chance(&[12, effect.0]).below(MIDDLE_MS);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            self.0.plan().is_dead = true;
            self.0.changed.notify_one();
            // Nothing of this life goes on.
            return std::future::pending().await;
        }
        if matches!(point, FaultPoint::BeforeEffect(_)) && fault != Fault::Fail {
            self.0.plan().begun.extend(effect);
        }
        fault
    }
}
