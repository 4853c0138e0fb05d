//! Calls: a function of the node, by its `rex` server, and its result.
//!
//! Each call is a process of ours with a pid of its own, so that the answer needs no search: it comes to that pid
//! or, when nobody waits any more, to nobody. A call that was given up goes on in the node.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use beam::Term;
use beam::etf::EncodeError;
use beam::term::Pid;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::link::{Link, SendError};
use crate::payload::MOST_BYTES;
use crate::routes::Route;
use crate::{LinkEnd, PayloadError, control, reason};

/// The registered name of the node's server for calls.
const REX: &str = "rex";

/// A function of a node with its arguments.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) module: String,
    pub(crate) function: String,
    pub(crate) arguments: Vec<Term>,
    pub(crate) group_leader: Option<Pid>,
}

impl Call {
    /// `module:function(arguments...)`.
    pub fn new(
        module: impl Into<String>,
        function: impl Into<String>,
        arguments: impl IntoIterator<Item = Term>,
    ) -> Self {
        Self {
            module: module.into(),
            function: function.into(),
            arguments: arguments.into_iter().collect(),
            group_leader: None,
        }
    }

    /// What it prints goes to this process, a [`GroupLeader`](crate::GroupLeader)'s, instead of the node's `user`.
    #[must_use]
    pub fn printing_to(mut self, group_leader: Pid) -> Self {
        self.group_leader = Some(group_leader);
        self
    }

    /// As `rex` wants it.
    fn request(&self, kind: &str) -> Term {
        let leader = self.group_leader.clone().map_or_else(|| Term::atom("user"), Term::from);
        Term::tuple([
            Term::atom(kind),
            Term::atom(&self.module),
            Term::atom(&self.function),
            Term::list(self.arguments.iter().cloned()),
            leader,
        ])
    }
}

/// `module:function/arity`: arguments may be secret or long.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.module, self.function, self.arguments.len())
    }
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The connection ended before the answer.
    #[error("{0} has no answer: the connection to the node is gone")]
    NodeDown(String, #[source] Arc<LinkEnd>),
    /// There was none to begin with.
    #[error("{call} was not called: there is no connection to {node} at present")]
    NotConnected {
        /// What was to be called.
        call: String,
        /// Where.
        node: crate::NodeName,
    },
    /// The answer did not come in time. The function may still be running.
    #[error("{call} had no answer within {within:?}; it may still be running in the node")]
    Timeout {
        /// What was called.
        call: String,
        /// How long it had.
        within: Duration,
    },
    /// There was no room to send it in time: the node reads too slowly, or not at all.
    #[error(
        "{call} was not sent: there was no room for it within {within:?}, the node does not read what waits"
    )]
    NotSent {
        /// What was to be sent.
        call: String,
        /// How long it had.
        within: Duration,
    },
    /// The function failed: `badrpc`'s reason.
    #[error("{call} failed in the node: {}", reason::shown(.reason))]
    Remote {
        /// What was called.
        call: String,
        /// `{'EXIT', Reason}` or a reason of `rex`'s own.
        reason: Box<Term>,
    },
    /// The answer cannot be read. The connection lives on.
    #[error("the answer to {0} was lost")]
    Payload(String, #[source] PayloadError),
    /// The answer is none of `rex`.
    #[error("the answer to {0} is no answer to a call")]
    Answer(String),
    /// The arguments cannot be sent.
    #[error("the arguments of {0} cannot be sent")]
    Encode(String, #[source] EncodeError),
    /// The arguments are too long.
    #[error("the arguments of {call} have {bytes} bytes, which is more than is sent at once")]
    TooLong {
        /// What was to be called.
        call: String,
        /// How long they are.
        bytes: usize,
    },
}

impl CallError {
    pub(crate) fn not_sent(call: impl fmt::Display, error: SendError) -> Self {
        let call = call.to_string();
        match error {
            SendError::Ended(end) => Self::NodeDown(call, end),
            SendError::Encode(source) => Self::Encode(call, source),
            SendError::TooLong(bytes) => Self::TooLong { call, bytes },
        }
    }
}

/// A place among the routes, left when it is dropped.
pub(crate) struct Waiting<'a> {
    link: &'a Link,
    number: u64,
}

impl<'a> Waiting<'a> {
    pub(crate) fn enter(link: &'a Link, number: u64, route: Route) -> Result<Self, Arc<LinkEnd>> {
        link.routes().enter(number, route)?;
        Ok(Self { link, number })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.routes().leave(self.number);
    }
}

impl Link {
    /// Calls a function and waits for its result.
    pub(crate) async fn call(&self, call: &Call, within: Duration) -> Result<Term, CallError> {
        self.call_for(call, within, MOST_BYTES).await
    }

    /// Calls a function and waits for its result, which has no more than so many bytes.
    pub(crate) async fn call_for(
        &self,
        call: &Call,
        within: Duration,
        most_bytes: usize,
    ) -> Result<Term, CallError> {
        match timeout(within, self.call_and_wait(call, most_bytes)).await {
            Ok(result) => result,
            Err(_) => Err(CallError::Timeout { call: call.to_string(), within }),
        }
    }

    async fn call_and_wait(&self, call: &Call, most_bytes: usize) -> Result<Term, CallError> {
        let number = self.number();
        let (pid, reference) = (self.pid(number), self.reference(number));
        let (caller, answer) = oneshot::channel();
        let _waiting = Waiting::enter(self, number, Route::Call(caller))
            .map_err(|end| CallError::NodeDown(call.to_string(), end))?;
        let from = Term::tuple([pid.clone().into(), reference.clone().into()]);
        let message = Term::tuple([Term::atom("$gen_call"), from, call.request("call")]);
        self.send(&control::send_to_name(&pid, REX), Some(&message))
            .await
            .map_err(|error| CallError::not_sent(call, error))?;
        let Ok(payload) = answer.await else {
            return Err(CallError::NodeDown(call.to_string(), self.ended().await));
        };
        let answer = payload.decode_within(most_bytes).await;
        let answer = answer.map_err(|source| CallError::Payload(call.to_string(), source))?;
        result(call, answer, &Term::from(reference))
    }

    /// Has a function called, without waiting for it.
    pub(crate) async fn cast(&self, call: &Call, within: Duration) -> Result<(), CallError> {
        let message = Term::tuple([Term::atom("$gen_cast"), call.request("cast")]);
        let control = control::send_to_name(&self.nobody(), REX);
        match timeout(within, self.send(&control, Some(&message))).await {
            Ok(sent) => sent.map_err(|error| CallError::not_sent(call, error)),
            Err(_) => Err(CallError::Timeout { call: call.to_string(), within }),
        }
    }
}

/// The result in `{Reference, Result}`. `{badrpc, _}` is a failure also when the function returned it, as in OTP.
fn result(call: &Call, answer: Term, reference: &Term) -> Result<Term, CallError> {
    let not_one = || CallError::Answer(call.to_string());
    let Term::Tuple(mut answer) = answer else { return Err(not_one()) };
    let (2, Some(result), Some(found)) = (answer.len(), answer.pop(), answer.pop()) else {
        return Err(not_one());
    };
    if found != *reference {
        return Err(not_one());
    }
    match result.as_tuple() {
        Some([tag, reason]) if tag.as_atom() == Some("badrpc") => {
            Err(CallError::Remote { call: call.to_string(), reason: Box::new(reason.clone()) })
        }
        _ => Ok(result),
    }
}
