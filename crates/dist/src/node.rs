//! A node: an actor that keeps a connection to it, and what can be done over that.
//!
//! The actor connects, asks the node who it is, and tells so in its [`Status`]; when the connection ends, everybody who
//! waits for something from the node is told, and it connects again, less and less often. Mailboxes, pids and
//! references are of one connection and end with it.

mod backoff;
mod connect;
mod identity;

use std::sync::Arc;
use std::time::Duration;

use beam::Term;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, info, info_span};

use crate::call::{Call, CallError};
use crate::handshake::{NameTaken, OwnName};
use crate::inbox::Capacity;
use crate::link::Link;
use crate::{
    Address, Cookie, Evaluation, EvaluationError, EvaluationPlan, GroupLeader, Limits, LinkEnd, Mailbox,
    NodeName, PrepareError, Prepared, Shell, ShellError, ShellPlan, TlsIdentity, Trace, TraceError,
    TracePlan,
};
use backoff::Backoff;
pub use connect::ConnectError;
pub use identity::Identity;

/// Which node, where, and as whom.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its full name.
    pub node: NodeName,
    /// Where it listens.
    pub address: Address,
    /// Its cookie.
    pub cookie: Cookie,
    /// When it speaks TLS: our certificate and its authorities.
    pub tls: Option<TlsIdentity>,
    /// Our name.
    pub own_name: OwnName,
    /// How long things may take.
    pub timing: Timing,
    /// How much it may send.
    pub limits: Limits,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// From the question to epmd to the node's saying who it is.
    pub connect: Duration,
    /// Before the first retry, give or take a half. It doubles with each.
    pub shortest_wait: Duration,
    /// Before any retry.
    pub longest_wait: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            shortest_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(5),
        }
    }
}

/// How it is with the connection to a node.
#[derive(Clone, Debug)]
pub enum Status {
    /// It is being made.
    Connecting,
    /// It is there.
    Up(Arc<Up>),
    /// It is not there; it is tried again soon, unless the actor was stopped.
    Down(Arc<Down>),
}

/// A connection.
#[derive(Debug)]
pub struct Up {
    /// Who the node is.
    pub identity: Identity,
    /// Our name there.
    pub own_name: NodeName,
    link: Arc<Link>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Down {
    /// It could not be made.
    #[error("could not connect")]
    Connect(#[source] ConnectError),
    /// It ended.
    #[error("the connection ended")]
    Ended(#[source] Arc<LinkEnd>),
    /// The actor was stopped.
    #[error("no connection is wanted any more")]
    Stopped,
}

/// Says whether it is the node that was meant that answered to the name; else who it is instead. Asked at each
/// connection, before anybody is told of it; it must not block for longer than a wink.
pub type Admit = dyn Fn(&Identity) -> Result<(), String> + Send + Sync;

/// A handle of the actor. The actor stops with its last handle.
#[derive(Clone, Debug)]
pub struct Node {
    name: NodeName,
    status: watch::Receiver<Status>,
    tasks: TaskTracker,
    _stop: Arc<DropGuard>,
}

impl Node {
    /// Starts an actor among these tasks; it ends with `stop`, or with its last handle.
    pub fn open(target: Target, tasks: &TaskTracker, stop: &CancellationToken) -> Self {
        Self::open_if(target, Arc::new(|_: &Identity| Ok(())), tasks, stop)
    }

    /// As [`Node::open`], for the node that is admitted and no other one that answers to its name.
    pub fn open_if(target: Target, admit: Arc<Admit>, tasks: &TaskTracker, stop: &CancellationToken) -> Self {
        let stop = stop.child_token();
        let (tell, status) = watch::channel(Status::Connecting);
        let name = target.node.clone();
        let span = info_span!("node", node = %name);
        let actor = Actor { target, admit, tell, tasks: tasks.clone(), stop: stop.clone() };
        tasks.spawn(actor.run().instrument(span));
        Self { name, status, tasks: tasks.clone(), _stop: Arc::new(stop.drop_guard()) }
    }

    /// Its name.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// How it is with the connection, now and later.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Waits until there is a connection; none when there is not within the time.
    pub async fn up(&self, within: Duration) -> Option<Arc<Up>> {
        let mut status = self.status();
        let up = timeout(within, status.wait_for(|status| matches!(status, Status::Up(_)))).await;
        match &*up.ok()?.ok()? {
            Status::Up(up) => Some(Arc::clone(up)),
            _ => None,
        }
    }

    /// Calls a function of the node and waits for its result. One that returns `{badrpc, _}` has failed, as in OTP.
    ///
    /// # Errors
    /// When there is no connection or it ends, when the time is over (the function goes on then), when the function
    /// fails, or when its result cannot be read.
    pub async fn call(&self, call: &Call, within: Duration) -> Result<Term, CallError> {
        self.now(call)?.link.call(call, within).await
    }

    /// Has a function called. Neither its result nor whether it was called is known.
    ///
    /// # Errors
    /// When there is no connection, or no room to send it within the time.
    pub async fn cast(&self, call: &Call, within: Duration) -> Result<(), CallError> {
        self.now(call)?.link.cast(call, within).await
    }

    /// Has the node parse Erlang text: expressions between commas, with or without a full stop at the end.
    ///
    /// # Errors
    /// When it is no Erlang, and as [`Node::call`].
    pub async fn prepare(&self, text: &str, within: Duration) -> Result<Prepared, PrepareError> {
        self.now(&"a text to parse")?.link.prepare(text, within).await
    }

    /// Evaluates a prepared text with these variables; returns the value of its last expression.
    ///
    /// # Errors
    /// As [`Node::call`].
    pub async fn eval<'a>(
        &self,
        prepared: &Prepared,
        variables: impl IntoIterator<Item = (&'a str, Term)>,
        within: Duration,
    ) -> Result<Term, CallError> {
        self.now(&"a text to evaluate")?.link.eval(prepared, variables, within).await
    }

    /// A process of ours on the present connection.
    ///
    /// # Errors
    /// When there is none.
    pub fn mailbox(&self, capacity: Capacity) -> Result<Mailbox, CallError> {
        let up = self.now(&"a mailbox")?;
        let user = up.identity.user.clone().unwrap_or_else(|| up.link.nobody());
        let opened = Mailbox::open(Arc::clone(&up.link), capacity, user);
        opened.map_err(|end| CallError::NodeDown("a mailbox".to_owned(), end))
    }

    /// A process of ours to which processes of the node can print.
    ///
    /// # Errors
    /// When there is no connection.
    pub fn group_leader(&self) -> Result<GroupLeader, CallError> {
        Ok(GroupLeader::start(self.mailbox(Capacity::default())?, &self.tasks))
    }

    /// Traces calls of a function.
    ///
    /// # Errors
    /// When there is no connection, another trace runs, or there is no such function.
    pub async fn trace(&self, plan: &TracePlan, within: Duration) -> Result<Trace, TraceError> {
        Trace::start(self.mailbox(Capacity::default())?, plan, within).await
    }

    /// Evaluates what an operator typed.
    ///
    /// # Errors
    /// When there is no connection, or the node does not start it in time.
    pub async fn evaluate(
        &self,
        plan: &EvaluationPlan,
        within: Duration,
    ) -> Result<Evaluation, EvaluationError> {
        let mailbox = self.mailbox(Capacity::default())?;
        Evaluation::start(mailbox, self.group_leader()?, plan, within).await
    }

    /// Starts a shell.
    ///
    /// # Errors
    /// When there is no connection, or the node does not start it in time.
    pub async fn shell(&self, plan: ShellPlan, within: Duration) -> Result<Shell, ShellError> {
        Shell::start(self.mailbox(Capacity::default())?, plan, within).await
    }

    fn now(&self, call: &dyn std::fmt::Display) -> Result<Arc<Up>, CallError> {
        match &*self.status.borrow() {
            Status::Up(up) => Ok(Arc::clone(up)),
            _ => Err(CallError::NotConnected { call: call.to_string(), node: self.name.clone() }),
        }
    }
}

struct Actor {
    target: Target,
    admit: Arc<Admit>,
    tell: watch::Sender<Status>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Actor {
    async fn run(self) {
        self.stop.run_until_cancelled(self.keep_connected()).await;
        self.tell.send_replace(Status::Down(Arc::new(Down::Stopped)));
    }

    async fn keep_connected(&self) {
        let timing = &self.target.timing;
        let mut backoff = Backoff::new(timing.shortest_wait, timing.longest_wait);
        let mut name_taken = NameTaken::Refuse;
        loop {
            self.tell.send_replace(Status::Connecting);
            let down = match self.connect(name_taken).await {
                Err(why) => Down::Connect(why),
                Ok(up) => {
                    // who has our name from now on is a connection of ours that the node has not seen end
                    name_taken = NameTaken::TakeOver;
                    let began = Instant::now();
                    let end = self.stay(up).await;
                    if began.elapsed() >= timing.longest_wait {
                        backoff.reset();
                    }
                    Down::Ended(end)
                }
            };
            let wait = backoff.next();
            debug!(why = %chain(&down), retry_in = ?wait, "no connection");
            self.tell.send_replace(Status::Down(Arc::new(down)));
            tokio::time::sleep(wait).await;
        }
    }

    async fn stay(&self, up: Up) -> Arc<LinkEnd> {
        let (link, identity) = (Arc::clone(&up.link), &up.identity);
        info!(otp = identity.otp, pid = identity.os_pid, creation = identity.creation, "connected");
        self.tell.send_replace(Status::Up(Arc::new(up)));
        let end = link.ended().await;
        info!(why = %chain(&end), "connection ended");
        end
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
