//! Applications of a node, stopped and started again.

use std::time::Duration;

use beam::Term;

use crate::answer::{Part, Unexpected};
use crate::probe::{Probe, ProbeError, millis};
use crate::question::{PROCESS, Question};

static MAY: Question =
    Question::new("the applications that are to be restarted", &[include_str!("restart.txt"), "Problems"]);

static RESTART: Question = Question::new(
    "the restart of applications",
    &[PROCESS, include_str!("restart.txt"), include_str!("restart_do.txt")],
);

/// Why an application is not restarted in a node that runs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoRestart {
    /// The node, or its connections, would end with it.
    #[error("{0} cannot be restarted in a node that runs: all else stands on it")]
    Never(String),
    /// It does not run.
    #[error("{0} does not run in the node")]
    NotRunning(String),
    /// Applications that run stand on it and are not to be restarted.
    #[error("{application} is needed by {}, which run: restart them too, after it", .by.join(", "))]
    Needed {
        /// The application.
        application: String,
        /// Which need it.
        by: Vec<String>,
    },
    /// It is to be restarted before one that it needs.
    #[error("{application} needs {needs}: name {needs} before it")]
    Order {
        /// The application.
        application: String,
        /// What it needs.
        needs: String,
    },
}

/// What came of a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restarted {
    /// All were stopped and run again.
    Done,
    /// Nothing was done.
    Refused(Vec<NoRestart>),
    /// One was not stopped or not started.
    Failed {
        /// Which.
        application: String,
        /// Why, as Erlang text.
        why: String,
        /// Those that were stopped and have not been started again, in the order in which they are started; none when that is
        /// not known.
        stopped: Vec<String>,
        /// The node ends, about a second later: it did not come up, and the node started it as one without which it does not
        /// run (`permanent`, as all of a release).
        ends_node: bool,
    },
    /// It took too long, and goes on.
    Late,
}

impl NoRestart {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [why, application, others] = part.tuple()?;
        let application = application.atom()?.to_owned();
        let others: Vec<String> = others.each(|name| name.atom().map(str::to_owned))?;
        match (why.atom()?, &others[..]) {
            ("never", _) => Ok(Self::Never(application)),
            ("not_running", _) => Ok(Self::NotRunning(application)),
            ("needed", _) => Ok(Self::Needed { application, by: others }),
            ("order", [needs, ..]) => Ok(Self::Order { application, needs: needs.clone() }),
            _ => Err(Unexpected { part: "why an application is not restarted", wanted: "something known" }),
        }
    }
}

impl Restarted {
    fn read(answer: Part<'_>) -> Result<Self, Unexpected> {
        match answer.atom() {
            Ok("done") => return Ok(Self::Done),
            Ok("late") => return Ok(Self::Late),
            Ok(_) => return Err(Unexpected { part: "the answer", wanted: "something known" }),
            Err(_) => {}
        }
        let [tag, application, what] = answer.tuple()?;
        match tag.atom()? {
            "refused" => Ok(Self::Refused(what.each(NoRestart::read)?)),
            _ => {
                let [why, stopped, ends_node] = what.tuple()?;
                Ok(Self::Failed {
                    application: application.atom()?.to_owned(),
                    why: why.text()?,
                    stopped: stopped.each(|name| name.atom().map(str::to_owned))?,
                    ends_node: ends_node.atom()? == "true",
                })
            }
        }
    }
}

impl Probe {
    /// Why applications cannot be restarted; none: they can.
    ///
    /// # Errors
    /// When there is no connection, or no answer within the time.
    pub async fn may_restart(
        &self,
        applications: &[String],
        within: Duration,
    ) -> Result<Vec<NoRestart>, ProbeError> {
        let variables = [("Names", atoms(applications)), ("Patience", millis(within))];
        self.ask(&MAY, variables, within, |answer| answer.each(NoRestart::read)).await
    }

    /// Stops applications, the last first, and starts them again, the first first, as what they were started (permanent,
    /// transient, temporary); no others. All of it may take so much `patience`.
    ///
    /// # Errors
    /// When there is no connection, or no answer within the time: it may go on then.
    pub async fn restart(
        &self,
        applications: &[String],
        patience: Duration,
        within: Duration,
    ) -> Result<Restarted, ProbeError> {
        let variables = [("Names", atoms(applications)), ("Patience", millis(patience))];
        self.ask(&RESTART, variables, within, Restarted::read).await
    }
}

fn atoms(names: &[String]) -> Term {
    Term::list(names.iter().map(|name| Term::atom(name)))
}
