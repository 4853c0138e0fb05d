//! Supervision trees.

use std::time::Duration;

use beam::Term;

use crate::answer::{Part, Unexpected};
use crate::probe::{Probe, ProbeError, millis};
use crate::question::{PROCESS, Question};

static TREE: Question = Question::new("the supervision tree", &[PROCESS, include_str!("tree.txt")]);

/// Which trees are wanted, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreePlan {
    /// An application of the node, or all that are started.
    pub application: Option<String>,
    /// Most children in all.
    pub most: u16,
    /// Most children of one supervisor. One with more than ten times as many is not asked who they are.
    pub wide: u16,
    /// Most levels.
    pub deep: u16,
    /// How long a supervisor has for an answer.
    pub patience: Duration,
    /// How long all of them have together.
    pub looking: Duration,
}

impl Default for TreePlan {
    fn default() -> Self {
        Self {
            application: None,
            most: 2000,
            wide: 200,
            deep: 30,
            patience: Duration::from_millis(500),
            looking: Duration::from_secs(5),
        }
    }
}

/// An application's processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// Its name.
    pub application: String,
    /// Its first process, as `<0.84.0>`: mostly a supervisor. One that has no processes has none.
    pub pid: Option<String>,
    /// That process's registered name.
    pub name: Option<String>,
    /// What that process supervises.
    pub below: Below,
}

/// A child of a supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its id among the children, as Erlang text of at most 100 characters.
    pub id: String,
    /// How it is.
    pub state: ChildState,
    /// Its process, as `<0.84.0>`, while there is one.
    pub pid: Option<String>,
    /// That process's registered name.
    pub name: Option<String>,
    /// What that process supervises.
    pub below: Below,
}

/// How a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// It has a process.
    Running,
    /// Its supervisor is about to start it again.
    Restarting,
    /// It has ended and is not started again by itself.
    Stopped,
}

/// What a process supervises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Below {
    /// Nothing: it is no supervisor, or no process.
    Nothing,
    /// These.
    Children {
        /// Who, as far as there was room.
        children: Vec<Child>,
        /// How many more.
        more: u64,
    },
    /// So many that they were not asked for.
    Many(u64),
    /// Something, deeper than was wanted.
    Deeper,
    /// It did not answer in time: it hangs, or is busy starting a child.
    Late,
    /// It ended meanwhile.
    Gone,
    /// It calls itself a supervisor and does not answer as one.
    Odd,
}

impl Tree {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [application, pid, name, below] = part.tuple()?;
        Ok(Self {
            application: application.atom()?.to_owned(),
            pid: pid.optional(Part::pid)?,
            name: name.optional(Part::atom)?.map(str::to_owned),
            below: Below::read(below)?,
        })
    }
}

impl Child {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [id, state, pid, name, below] = part.tuple()?;
        let state = match state.atom()? {
            "running" => ChildState::Running,
            "restarting" => ChildState::Restarting,
            "stopped" => ChildState::Stopped,
            _ => return Err(Unexpected { part: "a child's state", wanted: "one that is known" }),
        };
        Ok(Self {
            id: id.text()?,
            state,
            pid: pid.optional(Part::pid)?,
            name: name.optional(Part::atom)?.map(str::to_owned),
            below: Below::read(below)?,
        })
    }
}

impl Below {
    // answers are not nested deeper than a decoder lets them
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        match part.atom() {
            Ok("worker" | "none") => Ok(Self::Nothing),
            Ok("deeper") => Ok(Self::Deeper),
            Ok("late") => Ok(Self::Late),
            Ok("gone") => Ok(Self::Gone),
            Ok("odd") => Ok(Self::Odd),
            Ok(_) => Err(Unexpected { part: "what is below a process", wanted: "something known" }),
            Err(_) => match part.tuple::<2>() {
                Ok([_, many]) => Ok(Self::Many(many.number()?)),
                Err(_) => {
                    let [_, children, more] = part.tuple()?;
                    Ok(Self::Children { children: children.each(Child::read)?, more: more.number()? })
                }
            },
        }
    }
}

/// The trees; what stands in their place otherwise is an atom.
enum Answer {
    Trees(Vec<Tree>),
    Unknown,
    Late,
}

impl Answer {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        match part.atom() {
            Ok("unknown") => Ok(Self::Unknown),
            Ok("late") => Ok(Self::Late),
            _ => part.each(Tree::read).map(Self::Trees),
        }
    }
}

impl Probe {
    /// Asks for supervision trees; within this time, and the plan's time for looking in addition. A supervisor that does not
    /// answer is [`Below::Late`].
    ///
    /// # Errors
    /// When there is no such application, no connection, or no answer within the time.
    pub async fn tree(&self, plan: &TreePlan, within: Duration) -> Result<Vec<Tree>, ProbeError> {
        // as a binary: the name of an application that is not there must not become an atom
        let application =
            plan.application.as_ref().map_or_else(|| Term::atom("all"), |name| Term::binary(name.clone()));
        let variables = [
            ("Application", application),
            ("Most", Term::Integer(plan.most.into())),
            ("Wide", Term::Integer(plan.wide.into())),
            ("Deep", Term::Integer(plan.deep.into())),
            ("Patience", millis(plan.patience)),
            ("Millis", millis(plan.looking)),
        ];
        match self.ask(&TREE, variables, within + plan.looking, Answer::read).await? {
            Answer::Trees(trees) => Ok(trees),
            Answer::Unknown => Err(ProbeError::NoApplication(plan.application.clone().unwrap_or_default())),
            Answer::Late => Err(ProbeError::ApplicationsLate(plan.patience)),
        }
    }
}
