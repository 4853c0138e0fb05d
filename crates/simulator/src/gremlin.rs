//! What goes wrong at the engine's fault points.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::fault_points::{EffectKind, Fault, FaultPoint, Faults};

use crate::shared::Shared;

/// What happens at a fault point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The daemon dies.
    Kill,
    /// The effect or the commit fails.
    Fail,
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
        };
        // A drain cannot fail: a proxy that is away has nothing in flight.
        let cannot = |action| point == FaultPoint::BeforeEffect(EffectKind::Drain) && action == Action::Fail;
        next.take_if(|(action, after)| *after == is_after && !cannot(*action)).map(|(action, _)| action)
    }
}

/// Stands between the engine and its partners.
pub(crate) struct Gremlin(pub(crate) Arc<Shared>);

impl Faults for Gremlin {
    async fn reached(&self, point: FaultPoint) -> Fault {
        let action = self.0.plan().action(point);
        let Some(action) = action else { return Fault::None };
        self.0.world().note(|_| format!("  !! {action:?} at {point}"));
        match action {
            Action::Fail => Fault::Fail,
            Action::Repeat => Fault::Repeat,
            Action::Kill => {
                self.0.plan().is_dead = true;
                self.0.changed.notify_one();
                // Nothing of this life goes on.
                std::future::pending().await
            }
        }
    }
}
