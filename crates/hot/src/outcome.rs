//! What came of an install, and how far one is.

use std::time::Duration;

use crate::step::Step;

/// How it is with an install in a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which install.
    pub id: String,
    /// The step that it does, or did last; none before it begins.
    pub step: Option<Step>,
    /// The steps, and when each began, counted from the first one.
    pub log: Vec<(Step, Duration)>,
    /// What came of it, when it is over.
    pub outcome: Option<Outcome>,
}

/// What came of an install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was done, and nothing changed.
    Refused(Vec<Finding>),
    /// Something failed while processes stood still; the node is as it was before, and everybody goes on.
    Undone(Failure),
    /// Something failed, and could not be undone: everybody goes on, with code and states that may not fit. Only a restart
    /// makes this node whole.
    NeedsFull {
        /// What failed.
        failure: Failure,
        /// Why it could not be undone.
        undo: String,
    },
    /// The new code runs, and states are converted.
    Installed(Installed),
}

/// Something failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In which step.
    pub step: Step,
    /// Why, with process and module where there is one.
    pub why: String,
}

/// The new code runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// How long processes stood still.
    pub pause: Duration,
    /// How many processes stood still.
    pub suspended: u64,
    /// How many of them have converted their state.
    pub converted: u64,
    /// What failed after everybody went on: later steps were not done.
    pub failure: Option<Failure>,
    /// What is not as it should be, but did not keep later steps from being done: what `config_change/3` said, for example.
    pub complaints: Vec<Failure>,
    /// Whether it can be undone hot.
    pub undo: Undo,
}

/// How the code before could come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// By another install: nobody uses the code before any more.
    Hot,
    /// By a full deployment only; so must the next version come.
    Full(Vec<Finding>),
}

/// Something that was found in a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What kind of thing it is.
    pub cause: Cause,
    /// The module that it is about.
    pub module: Option<String>,
    /// The process that it is about, as `<0.84.0>`.
    pub pid: Option<String>,
    /// More about it, for people.
    pub detail: String,
}

/// What was found in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The node runs other code than is thought.
    OtherCode,
    /// The module is in a folder that OTP protects.
    Sticky,
    /// Code older than what runs is still used by the process: it waits inside of the module.
    OldCode,
    /// A function of code older than what runs is stored: it would be lost.
    OldFunction,
    /// The code cannot be loaded: it is damaged, of a newer OTP, or loads a library (`on_load`).
    NotLoadable,
    /// The process does not answer.
    Unresponsive,
    /// The process is one of the node itself, which is never suspended.
    Excluded,
    /// A supervisor or application that is named is not there.
    Missing,
    /// Something else failed.
    Failed,
    /// The process waits inside of the module: it will go on with the code before, and be in the way of the next step.
    Waits,
    /// A function of the code that runs is stored: it will go on as it is, and be in the way of the next step.
    StoredFunction,
}

/// With process and module, for people.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.cause.name())?;
        for part in [&self.module, &self.pid].into_iter().flatten() {
            write!(f, " {part}")?;
        }
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl Cause {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::OtherCode,
        Self::Sticky,
        Self::OldCode,
        Self::OldFunction,
        Self::NotLoadable,
        Self::Unresponsive,
        Self::Excluded,
        Self::Missing,
        Self::Failed,
        Self::Waits,
        Self::StoredFunction,
    ];

    /// As the node calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherCode => "other_code",
            Self::Sticky => "sticky",
            Self::OldCode => "old_code",
            Self::OldFunction => "old_function",
            Self::NotLoadable => "not_loadable",
            Self::Unresponsive => "unresponsive",
            Self::Excluded => "excluded",
            Self::Missing => "missing",
            Self::Failed => "failed",
            Self::Waits => "waits",
            Self::StoredFunction => "stored_function",
        }
    }

    /// The cause of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_a_name_of_its_own() {
        assert!(Cause::ALL.is_sorted());
        assert!(Cause::ALL.into_iter().all(|cause| Cause::named(cause.name()) == Some(cause)));
    }
}
