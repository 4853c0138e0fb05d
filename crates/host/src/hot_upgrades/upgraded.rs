//! What came of a hot upgrade.

use std::time::Duration;

use hot::{Failure, Finding, Installed, Outcome};
use model::human;

/// What came of a hot upgrade of an instance, or of its undo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgraded {
    /// The node runs the other version.
    Done {
        /// How the version before could come back.
        undo: Undo,
        /// What is not as it should be, though nothing failed.
        notes: Vec<String>,
        /// How long processes stood still; nothing, when that is not known any more.
        pause: Duration,
    },
    /// Nothing was changed.
    Refused {
        /// Why.
        why: String,
    },
    /// It was begun, and the node is as it was before.
    Undone {
        /// Why.
        why: String,
    },
    /// The node is neither as it was nor as it shall be: only a full deployment makes it whole.
    Broken {
        /// Why.
        why: String,
    },
    /// Nobody could tell within the time. What was begun goes on in the node: ask again, or deploy in full.
    Unknown {
        /// Why.
        why: String,
    },
}

/// How the version before could come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// Hot.
    Hot,
    /// By a full deployment only.
    Full {
        /// Who still uses the code before.
        why: String,
    },
}

impl Upgraded {
    /// By what the node says.
    pub(super) fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Refused(findings) => Upgraded::Refused { why: all(&findings) },
            Outcome::Undone(failure) => Upgraded::Undone { why: text(&failure) },
            Outcome::NeedsFull { failure, undo } => {
                Upgraded::Broken { why: format!("{}; and it could not be undone: {undo}", text(&failure)) }
            }
            Outcome::Installed(Installed { failure: Some(failure), .. }) => Upgraded::Broken {
                why: format!("the new code runs, and {}; later steps were not done", text(&failure)),
            },
            Outcome::Installed(Installed { failure: None, complaints, undo, pause, .. }) => Upgraded::Done {
                undo: match undo {
                    hot::Undo::Hot => Undo::Hot,
                    hot::Undo::Full(findings) => Undo::Full { why: all(&findings) },
                },
                notes: complaints.iter().map(text).collect(),
                pause,
            },
        }
    }

    pub(super) fn late(within: Duration) -> Self {
        Upgraded::Unknown { why: format!("it is not over within {}", human::duration(within)) }
    }
}

fn text(failure: &Failure) -> String {
    format!("{} failed: {}", failure.step, failure.why)
}

fn all(findings: &[Finding]) -> String {
    let findings: Vec<String> = findings.iter().map(Finding::to_string).collect();
    if findings.is_empty() { "it is not known who".to_owned() } else { findings.join("; ") }
}

#[cfg(test)]
mod tests {
    use hot::{Cause, Step};

    use super::*;

    fn check(outcome: Outcome, expected: &str) {
        assert_eq!(format!("{:?}", Upgraded::of(outcome)), expected);
    }

    #[test]
    fn each_outcome_says_what_is_true_of_the_node() {
        let failure = || Failure { step: Step::Convert, why: "it raised".to_owned() };
        let finding =
            Finding { cause: Cause::OldCode, module: Some("till".into()), pid: None, detail: String::new() };
        check(Outcome::Refused(vec![finding.clone()]), r#"Refused { why: "old_code till" }"#);
        check(Outcome::Undone(failure()), r#"Undone { why: "convert failed: it raised" }"#);
        check(
            Outcome::NeedsFull { failure: failure(), undo: "code in use".to_owned() },
            r#"Broken { why: "convert failed: it raised; and it could not be undone: code in use" }"#,
        );
        let installed = |failure, undo| {
            let complaints = vec![Failure { step: Step::Configure, why: "late".to_owned() }];
            let pause = Duration::from_millis(3);
            Outcome::Installed(Installed { pause, suspended: 1, converted: 0, failure, complaints, undo })
        };
        check(
            installed(None, hot::Undo::Hot),
            r#"Done { undo: Hot, notes: ["configure failed: late"], pause: 3ms }"#,
        );
        check(
            installed(None, hot::Undo::Full(vec![finding])),
            r#"Done { undo: Full { why: "old_code till" }, notes: ["configure failed: late"], pause: 3ms }"#,
        );
        check(
            installed(Some(failure()), hot::Undo::Hot),
            r#"Broken { why: "the new code runs, and convert failed: it raised; later steps were not done" }"#,
        );
    }
}
