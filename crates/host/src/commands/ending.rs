//! How a command ended, in the model's words.

use std::time::Duration;

use model::app::Outcome;
use model::human;
use wire::shim::{Exited, How};

use crate::shim::{Dead, TaskOutcome};

/// How a command came to its end, as far as its runner tells.
#[derive(Debug)]
pub(crate) enum Ending {
    /// Its runner saw it end.
    Seen {
        /// How.
        exited: Exited,
        /// Its last output, where that is known.
        tail: Option<Vec<u8>>,
    },
    /// It did not begin, and never will under this id.
    NeverBegan(String),
    /// It was given up before it began.
    GivenUp,
    /// Nobody can know.
    Unknown(String),
}

impl Ending {
    /// Of a command whose runner has died.
    pub(super) fn of_dead(dead: &Dead) -> Self {
        match dead.task_outcome() {
            TaskOutcome::Ended(exited) => Ending::Seen { exited, tail: None },
            TaskOutcome::NeverBegan => Ending::NeverBegan("its runner died before it began".into()),
            TaskOutcome::Unknown => Ending::Unknown("its runner died while it ran".into()),
        }
    }

    /// Of a command whose runner cannot be asked: it is left alone, because it may do its work to the end.
    pub(super) fn out_of_reach(why: &str) -> Self {
        Ending::Unknown(format!("{why}; it may still run and is left alone"))
    }
}

impl Ending {
    /// In the model's words; `limit_key` is the setting that the command's time limit comes from.
    pub(crate) fn outcome(self, limit_key: &str) -> Outcome {
        match self {
            Ending::Seen { exited, tail } => ended(&exited, tail.as_deref(), limit_key),
            Ending::NeverBegan(reason) => Outcome::Failed { reason, tail: None },
            Ending::GivenUp => Outcome::Failed { reason: "was given up before it began".into(), tail: None },
            Ending::Unknown(reason) => Outcome::Unknown { reason },
        }
    }
}

/// The outcome of a command that a runner saw end; `tail` is its last output.
fn ended(exited: &Exited, tail: Option<&[u8]>, limit_key: &str) -> Outcome {
    let took = human::duration(Duration::from_millis(exited.uptime_ms));
    if exited.status == Some(0) && exited.how == How::ByItself {
        return Outcome::Ok { detail: Some(took) };
    }
    let tail = tail.and_then(|tail| crate::log_tail::last_lines(&String::from_utf8_lossy(tail), false));
    let reason = match (exited.how, &exited.reason) {
        (How::TimeLimit, _) => {
            format!("did not end within {took} and was killed with all it had started ({limit_key})")
        }
        (How::NotStarted, Some(reason)) => format!("could not be started: {reason}"),
        (How::Killed | How::KilledAfterTimeout | How::StoppedOrderly, _) => format!("was ended after {took}"),
        _ => format!("ended with {} after {took}", crate::instances::exit_how(exited)),
    };
    Outcome::Failed { reason, tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(status: Option<i32>, how: How) -> Exited {
        Exited { status, how, uptime_ms: 1_500, ..Exited::default() }
    }

    #[test]
    fn only_an_end_by_itself_with_status_0_is_good() {
        assert!(matches!(ended(&exited(Some(0), How::ByItself), None, ""), Outcome::Ok { .. }));
        for (exited, text) in [
            (exited(Some(3), How::ByItself), "ended with exit 3 after"),
            (exited(Some(0), How::StoppedOrderly), "was ended after"),
            (exited(None, How::Killed), "was ended after"),
            (exited(None, How::TimeLimit), "did not end within"),
        ] {
            let Outcome::Failed { reason, .. } = ended(&exited, None, "") else {
                panic!("{exited:?} failed")
            };
            assert!(reason.contains(text), "{reason}");
        }
    }
}
