//! Tracing calls of a function, with nothing installed: a process of the node traces, tells us, and stops by itself.
//!
//! The limits hold in the node: so many messages, so long, each text so short, and a pause when more happens than is
//! told, so that a function that is called all the time costs the node half a percent of its time. It stops too when our mailbox ends or the connection does, whichever way, and when somebody kills it; its
//! trace flags and patterns go with it. There is one at a time in a node. From OTP 27 on it
//! traces in a session of its own; before, it shares the node's only tracer with whoever else traces, and changes what
//! they set for the same function.

use std::time::Duration;

use beam::Term;
use beam::term::Pid;

use crate::call::CallError;
use crate::eval::{PrepareError, bindings};
use crate::inbox::Dropped;
use crate::mailbox::{Event, Mailbox, SpawnError, TellError};
use crate::reason::shown;

/// The tracer's text.
const AGENT: &str = include_str!("tracer/agent.txt");

/// What is traced, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracePlan {
    /// The module: one, so that `_` is refused.
    pub module: String,
    /// The function, exported or not: one, too.
    pub function: String,
    /// The number of its arguments; any when there is none.
    pub arity: Option<u8>,
    /// Whether its results and exceptions are told too. It costs the traced function its tail calls.
    pub returns: bool,
    /// After how many messages it stops.
    pub limit: u32,
    /// After how long it stops.
    pub lasting: Duration,
}

/// What was traced.
#[derive(Clone, Debug, PartialEq)]
pub enum TraceEvent {
    /// Something happened.
    Traced(Traced),
    /// More happened than could be told: what happened in the next second, or up to five, is not.
    Paused,
    /// This much was lost on our side, as it was not taken in time.
    Dropped(Dropped),
    /// Nothing more comes.
    Ended(TraceEnd),
}

/// A call, a result or an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// Which.
    pub kind: TracedKind,
    /// In which process.
    pub pid: Pid,
    /// Of which function: `module:function/arity`.
    pub function: String,
    /// The arguments as a tuple, the result, or `{Class, Reason}`, as Erlang text, cut short when it is long.
    pub text: String,
    /// When, µs since 1970, by the node's clock.
    pub at_us: i64,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracedKind {
    /// The function was called.
    Call,
    /// It returned.
    Return,
    /// It raised.
    Exception,
}

/// Why a trace ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceEnd {
    /// It told as much as it was to.
    Limit,
    /// Its time was over.
    Over,
    /// [`Trace::stop`].
    Stopped,
    /// The tracer or the connection ended in another way.
    Lost(String),
}

/// Why nothing is traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The node does not parse the tracer.
    #[error("the node could not prepare the tracer")]
    Prepare(#[from] PrepareError),
    /// The node does not start the tracer.
    #[error("the node could not start the tracer")]
    Spawn(#[from] SpawnError),
    /// There is no connection.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Another is at it.
    #[error("somebody is tracing in this node through Bellrock: one at a time can")]
    Busy,
    /// Nothing would ever come.
    #[error("the node has no function {0}: look at its name, its arity and whether its module is loaded")]
    NoFunction(String),
    /// Something had to be loaded.
    #[error(
        "the node's code server did not answer within 5 s, and {0} could not be loaded, or what tells of its calls"
    )]
    CodeServer(String),
    /// It ended before it began.
    #[error("the tracer ended at once: {0}")]
    Ended(String),
    /// It did not begin.
    #[error("the tracer did not begin within {0:?}")]
    Timeout(Duration),
}

/// A trace that runs. It ends when it is dropped.
#[derive(Debug)]
pub struct Trace {
    mailbox: Mailbox,
    tracer: Pid,
    matched: i64,
    ended: bool,
}

impl Trace {
    pub(crate) async fn start(
        mailbox: Mailbox,
        plan: &TracePlan,
        within: Duration,
    ) -> Result<Self, TraceError> {
        match tokio::time::timeout(within, Self::start_now(mailbox, plan, within)).await {
            Ok(started) => started,
            Err(_) => Err(TraceError::Timeout(within)),
        }
    }

    async fn start_now(mut mailbox: Mailbox, plan: &TracePlan, within: Duration) -> Result<Self, TraceError> {
        if [&plan.module, &plan.function].into_iter().any(|name| name == "_") {
            // would be any: all calls of the node
            return Err(TraceError::NoFunction(plan.name()));
        }
        let agent = mailbox.connection().prepare(AGENT, within).await?;
        let tracer = mailbox.spawn(&agent.call(plan.bindings(&mailbox)), within).await?.pid;
        loop {
            match mailbox.next().await {
                Event::Message(message) => {
                    if let Some([tag, on, Term::Integer(matched)]) = message.as_tuple()
                        && tag.as_atom() == Some("bellrock_trace")
                        && on.as_atom() == Some("on")
                    {
                        return Ok(Self { mailbox, tracer, matched: *matched, ended: false });
                    }
                }
                Event::Down { reason, .. } => return Err(plan.why_not(&reason)),
                Event::NodeDown(end) => return Err(TraceError::Ended(end.to_string())),
                _ => {}
            }
        }
    }

    /// How many functions are traced: several arities, for example.
    pub fn matched(&self) -> i64 {
        self.matched
    }

    /// What was traced next; none after the end.
    pub async fn next(&mut self) -> Option<TraceEvent> {
        while !self.ended {
            let end = match self.mailbox.next().await {
                Event::Message(message) => match read_event(&message) {
                    Some(event) => return Some(event),
                    None => continue,
                },
                Event::Dropped(dropped) => return Some(TraceEvent::Dropped(dropped)),
                Event::Down { reason, .. } => read_end(&reason),
                Event::NodeDown(end) => TraceEnd::Lost(end.to_string()),
                Event::Unreadable(_) | Event::Exit { .. } => continue,
            };
            self.ended = true;
            return Some(TraceEvent::Ended(end));
        }
        None
    }

    /// Asks it to stop; what was traced before still comes, and then the end.
    ///
    /// # Errors
    /// When there is no connection any more: then it stops as well.
    pub async fn stop(&self) -> Result<(), TellError> {
        let stop = Term::tuple([Term::atom("bellrock_trace"), Term::atom("stop")]);
        self.mailbox.send(&self.tracer, &stop).await
    }
}

impl TracePlan {
    fn bindings(&self, mailbox: &Mailbox) -> Term {
        let lasting_ms = i64::try_from(self.lasting.as_millis()).unwrap_or(i64::MAX);
        bindings([
            ("Dest", Term::from(mailbox.pid())),
            ("Module", Term::atom(&self.module)),
            ("Function", Term::atom(&self.function)),
            ("Arity", self.arity.map_or_else(|| Term::atom("_"), |arity| Term::Integer(arity.into()))),
            ("Returns", Term::atom(if self.returns { "true" } else { "false" })),
            ("Limit", Term::Integer(self.limit.into())),
            // what erlang:send_after/3 takes
            ("For", Term::Integer(lasting_ms.min(u32::MAX.into()))),
        ])
    }

    fn name(&self) -> String {
        let arity = self.arity.map_or_else(|| "_".to_owned(), |arity| arity.to_string());
        format!("{}:{}/{arity}", self.module, self.function)
    }

    fn why_not(&self, reason: &Term) -> TraceError {
        match end_word(reason) {
            Some("busy") => TraceError::Busy,
            Some("none") => TraceError::NoFunction(self.name()),
            Some("code_server") => TraceError::CodeServer(self.module.clone()),
            _ => TraceError::Ended(shown(reason)),
        }
    }
}

/// `Why` in `{bellrock_trace, Why, Sent, Lost}`.
fn end_word(reason: &Term) -> Option<&str> {
    match reason.as_tuple()? {
        [tag, why, _, _] if tag.as_atom() == Some("bellrock_trace") => why.as_atom(),
        _ => None,
    }
}

fn read_end(reason: &Term) -> TraceEnd {
    match end_word(reason) {
        Some("limit") => TraceEnd::Limit,
        Some("over") => TraceEnd::Over,
        Some("stopped") => TraceEnd::Stopped,
        _ => TraceEnd::Lost(shown(reason)),
    }
}

/// `{bellrock_trace, paused}`, or what was traced.
fn read_event(message: &Term) -> Option<TraceEvent> {
    match message.as_tuple()? {
        [tag, what] if tag.as_atom() == Some("bellrock_trace") && what.as_atom() == Some("paused") => {
            Some(TraceEvent::Paused)
        }
        _ => read_traced(message).map(TraceEvent::Traced),
    }
}

/// `{bellrock_trace, Kind, Pid, {Module, Function, Arity}, Text, At}`.
fn read_traced(message: &Term) -> Option<Traced> {
    let [tag, kind, Term::Pid(pid), mfa, Term::Binary(text), Term::Integer(at_us)] = message.as_tuple()?
    else {
        return None;
    };
    let [module, function, Term::Integer(arity)] = mfa.as_tuple()? else { return None };
    let kind = match (tag.as_atom()?, kind.as_atom()?) {
        ("bellrock_trace", "call") => TracedKind::Call,
        ("bellrock_trace", "return") => TracedKind::Return,
        ("bellrock_trace", "exception") => TracedKind::Exception,
        _ => return None,
    };
    Some(Traced {
        kind,
        pid: (**pid).clone(),
        function: format!("{}:{}/{arity}", module.as_atom()?, function.as_atom()?),
        text: String::from_utf8_lossy(text).into_owned(),
        at_us: *at_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let end = |why| {
            let parts = [Term::atom("bellrock_trace"), Term::atom(why), Term::Integer(1), Term::Integer(0)];
            read_end(&Term::tuple(parts))
        };
        assert_eq!(
            (end("limit"), end("over"), end("stopped")),
            (TraceEnd::Limit, TraceEnd::Over, TraceEnd::Stopped)
        );
        assert!(matches!(read_end(&Term::atom("noconnection")), TraceEnd::Lost(_)));
    }
}
