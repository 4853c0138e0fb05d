//! Having instructions done in a node.

use std::time::Duration;

use beam::Term;
use probe::{Part, Probe, ProbeError, Question, Unexpected, millis};
use tokio::time::{Instant, sleep};

use crate::instructions::Instructions;
use crate::outcome::Progress;

/// What both processes of an install are made of.
const SOURCE: &str = concat!(
    include_str!("node/shared.txt"),
    include_str!("node/find.txt"),
    include_str!("node/use.txt"),
    include_str!("node/prepare.txt"),
    include_str!("node/copy.txt"),
    include_str!("node/ahead.txt"),
    include_str!("node/window.txt"),
    include_str!("node/back.txt"),
    include_str!("node/leave.txt"),
    include_str!("node/after.txt"),
    include_str!("node/keeper.txt"),
    "."
);
static BEGIN: Question = Question::new("the begin of an upgrade", &[include_str!("node/begin.txt")]);
static TELL: Question = Question::new("the state of an upgrade", &[include_str!("node/tell.txt")]);

/// How much code is sent at once, bytes: half of what waits on a connection at most.
const MOST_CODE_BYTES: usize = 16 << 20;
/// How long the node is waited for before it is asked anew.
const WAIT: Duration = Duration::from_secs(5);
/// Before a node that was lost or silent is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Has instructions done in a node, one install at a time. Nothing of an install is remembered here: any installer of the
/// same node can be asked.
#[derive(Clone, Debug)]
pub struct Installer {
    probe: Probe,
}

/// Why an installer has no answer.
#[derive(Debug, thiserror::Error)]
pub enum HotError {
    /// The node could not be asked.
    #[error(transparent)]
    Ask(#[from] ProbeError),
    /// Another install has the node.
    #[error("the upgrade {id:?} has the node{}", if *.is_over { ": acknowledge it first" } else { "" })]
    Busy {
        /// Which; empty when it does not answer.
        id: String,
        /// Whether it is over, and waits for being acknowledged.
        is_over: bool,
    },
    /// The node did not begin.
    #[error("the upgrade did not begin: {0}")]
    NotBegun(String),
    /// The node knows of no such install: it was acknowledged, is forgotten, or the node has started anew since.
    #[error(
        "the node knows nothing of the upgrade {0:?}: it is forgotten, or the node has started anew since"
    )]
    Unknown(String),
    /// The install is not over.
    #[error("the upgrade {0:?} is not over: wait for its result")]
    NotOver(String),
    /// The node's processes were asked and said nothing.
    #[error("the upgrade {id:?} gave no answer within {within:?}")]
    Late {
        /// Which.
        id: String,
        /// How long it was waited for.
        within: Duration,
    },
}

impl Installer {
    /// For the node of this probe.
    pub fn new(probe: Probe) -> Self {
        Self { probe }
    }

    pub(crate) fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Has instructions begun. With those of an install that was begun already it does nothing, so that it may be
    /// repeated when the connection was lost. From its return on, the node needs nobody any more.
    ///
    /// # Errors
    /// When another install has the node, the node could not be asked, or did not answer in time: then it may have
    /// begun.
    pub async fn begin(&self, instructions: &Instructions, within: Duration) -> Result<(), HotError> {
        let deadline = Instant::now() + within;
        let left = || deadline.saturating_duration_since(Instant::now());
        let succeeds = instructions.after.as_ref();
        let variables = [
            ("Source", Term::binary(SOURCE)),
            ("Millis", millis(left().mul_f64(0.8))),
            ("Plan", instructions.plan()),
            ("Install", Term::binary(instructions.id.clone())),
            ("Succeeds", succeeds.map_or_else(|| Term::atom("none"), |id| Term::binary(id.clone()))),
        ];
        match self.probe.ask(&BEGIN, variables, left(), Begun::read).await? {
            Begun::Now => {}
            Begun::Busy { id, is_over } => return Err(HotError::Busy { id, is_over }),
            Begun::Not(why) => return Err(HotError::NotBegun(why)),
        }
        for code in instructions.codes(MOST_CODE_BYTES) {
            match self.tell(&instructions.id, Term::tuple([Term::atom("put"), code]), left()).await {
                // it was begun before
                Ok(()) | Err(HotError::NotOver(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.tell(&instructions.id, Term::atom("go"), left()).await
    }

    /// How it is with the install that the node does or did last; none when there is none, or it was acknowledged.
    ///
    /// # Errors
    /// When the node could not be asked, or its install does not answer.
    pub async fn progress(&self, within: Duration) -> Result<Option<Progress>, HotError> {
        match self.ask(Term::atom("ask"), within, Progress::read).await? {
            Told::Answer(progress) => Ok(Some(progress)),
            Told::Nobody => Ok(None),
            Told::Late => Err(HotError::Late { id: String::new(), within }),
        }
    }

    /// Waits until an install is over, or is in another step than this one. A connection that is lost is waited for.
    ///
    /// # Errors
    /// When the node knows nothing of it, or the time is over.
    pub async fn follow(
        &self,
        id: &str,
        seen: Option<&Progress>,
        within: Duration,
    ) -> Result<Progress, HotError> {
        let deadline = Instant::now() + within;
        let mut question = Term::atom("ask");
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(HotError::Late { id: id.to_owned(), within });
            }
            match self.ask(question.clone(), left.min(WAIT), Progress::read).await {
                Ok(Told::Answer(now)) if now.id != id => return Err(HotError::Unknown(id.to_owned())),
                Ok(Told::Answer(now))
                    if now.outcome.is_some() || seen.is_none_or(|seen| seen.log != now.log) =>
                {
                    return Ok(now);
                }
                Ok(Told::Nobody) => return Err(HotError::Unknown(id.to_owned())),
                // it is told at the next step
                Ok(Told::Answer(_)) => question = Term::atom("wait"),
                Ok(Told::Late) => {}
                Err(HotError::Ask(ProbeError::Call { .. } | ProbeError::Prepare { .. })) => {
                    sleep(PAUSE.min(left)).await
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until an install is over.
    ///
    /// # Errors
    /// As [`Installer::follow`].
    pub async fn wait(&self, id: &str, within: Duration) -> Result<Progress, HotError> {
        let deadline = Instant::now() + within;
        let mut seen: Option<Progress> = None;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let progress = self.follow(id, seen.as_ref(), left).await?;
            if progress.outcome.is_some() {
                return Ok(progress);
            }
            seen = Some(progress);
        }
    }

    /// Has the install go on that [holds](Instructions::hold) before a step.
    ///
    /// # Errors
    /// When the node could not be asked or has no install.
    pub async fn proceed(&self, id: &str, within: Duration) -> Result<(), HotError> {
        self.tell(id, Term::atom("proceed"), within).await
    }

    /// The result of an install is known and no longer needed: the node forgets it, and is free for another one.
    ///
    /// # Errors
    /// When it is not over, or the node could not be asked. It is no error when the node has forgotten it.
    pub async fn acknowledge(&self, id: &str, within: Duration) -> Result<(), HotError> {
        let what = Term::tuple([Term::atom("acknowledge"), Term::binary(id.to_owned())]);
        match self.tell(id, what, within).await {
            Err(HotError::Unknown(_)) => Ok(()),
            other => other,
        }
    }

    /// Tells the keeper something.
    async fn tell(&self, id: &str, what: Term, within: Duration) -> Result<(), HotError> {
        let read = |answer: Part<'_>| Ok(answer.atom()? == "running");
        match self.ask(what, within, read).await? {
            Told::Answer(false) => Ok(()),
            Told::Answer(true) => Err(HotError::NotOver(id.to_owned())),
            Told::Nobody => Err(HotError::Unknown(id.to_owned())),
            Told::Late => Err(HotError::Late { id: id.to_owned(), within }),
        }
    }

    async fn ask<T>(
        &self,
        what: Term,
        within: Duration,
        read: impl FnOnce(Part<'_>) -> Result<T, Unexpected>,
    ) -> Result<Told<T>, HotError> {
        let patience = within.mul_f64(0.8);
        let variables = [("What", what), ("Millis", millis(patience))];
        let read = |answer: Part<'_>| match answer.atom() {
            Ok("none") => Ok(Told::Nobody),
            Ok("late") => Ok(Told::Late),
            _ => {
                let [_, answer] = answer.tuple()?;
                read(answer).map(Told::Answer)
            }
        };
        Ok(self.probe.ask(&TELL, variables, within, read).await?)
    }
}

/// What the keeper of an install said.
enum Told<T> {
    Answer(T),
    Nobody,
    Late,
}

/// What came of a begin.
enum Begun {
    Now,
    Busy { id: String, is_over: bool },
    Not(String),
}

impl Begun {
    fn read(answer: Part<'_>) -> Result<Self, Unexpected> {
        match answer.atom() {
            Ok("begun" | "begun_before") => return Ok(Self::Now),
            Ok(other) => return Ok(Self::Not(other.to_owned())),
            Err(_) => {}
        }
        if let Ok([_, id, is_over]) = answer.tuple() {
            return Ok(Self::Busy { id: id.text()?, is_over: is_over.truth()? });
        }
        let [_, why] = answer.tuple()?;
        Ok(Self::Not(why.text()?))
    }
}
