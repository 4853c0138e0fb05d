//! Fault points: the named moments at which a test may kill the daemon, have an effect fail, or have it done twice.
//!
//! They lie between the engine and its partners, so that there is one on both sides of every commit and of every
//! effect: [`Faulty`] stands before a partner and asks [`Faults`] at each. A third one lies in the middle of an effect. Their names follow from the model's events and
//! effects by matches without a catch-all: a new effect is a new fault point, or it does not compile.

mod faulty;
mod kinds;

use std::fmt;
use std::str::FromStr;

pub use faulty::{CommitFault, Fault, Faults, Faulty};
pub use kinds::{CommandKind, EffectKind, EventKind, FactKind, VerdictKind};

/// A moment at which something may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultPoint {
    /// The model has decided; nothing of it is durable.
    BeforeCommit(EventKind),
    /// The turn is durable; nothing of it is done or told.
    AfterCommit(EventKind),
    /// The effect's turn is durable and its turn among the effects has come; it has not begun.
    BeforeEffect(EffectKind),
    /// The effect has begun and waits for something.
    DuringEffect(EffectKind),
    /// The effect is done, and nobody knows yet.
    AfterEffect(EffectKind),
}

impl FaultPoint {
    /// All there are.
    pub fn all() -> impl Iterator<Item = FaultPoint> {
        let of_events =
            EventKind::all().flat_map(|kind| [FaultPoint::BeforeCommit(kind), FaultPoint::AfterCommit(kind)]);
        let of_effects = EffectKind::ALL.iter().flat_map(|kind| {
            let kind = *kind;
            [FaultPoint::BeforeEffect(kind), FaultPoint::DuringEffect(kind), FaultPoint::AfterEffect(kind)]
        });
        of_events.chain(of_effects)
    }
}

impl fmt::Display for FaultPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultPoint::BeforeCommit(kind) => write!(f, "before-commit:{kind}"),
            FaultPoint::AfterCommit(kind) => write!(f, "after-commit:{kind}"),
            FaultPoint::BeforeEffect(kind) => write!(f, "before-effect:{kind}"),
            FaultPoint::DuringEffect(kind) => write!(f, "during-effect:{kind}"),
            FaultPoint::AfterEffect(kind) => write!(f, "after-effect:{kind}"),
        }
    }
}

/// No fault point has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault point {0:?}; bellrockd --fault-points lists them")]
pub struct NoFaultPoint(String);

impl FromStr for FaultPoint {
    type Err = NoFaultPoint;

    fn from_str(text: &str) -> Result<Self, NoFaultPoint> {
        FaultPoint::all().find(|point| point.to_string() == text).ok_or_else(|| NoFaultPoint(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_that_is_read_back() {
        let names: BTreeSet<String> = FaultPoint::all().map(|point| point.to_string()).collect();
        assert_eq!(names.len(), FaultPoint::all().count());
        for point in FaultPoint::all() {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        assert!(names.contains("after-effect:create") && names.contains("before-commit:done-create"));
        assert!("after-effect:nothing".parse::<FaultPoint>().is_err());
    }
}
