//! A process of ours: it receives, starts, monitors and links processes of the node.

use std::sync::Arc;
use std::time::Duration;

use beam::Term;
use beam::term::{Atom, Pid, Reference};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::call::{Call, CallError, Waiting};
use crate::control;
use crate::inbox::{Arrival, Capacity, Dropped, Inbox, Taken};
use crate::link::Link;
use crate::payload::Payload;
use crate::routes::Route;
use crate::{LinkEnd, PayloadError};

/// How long it may take until there is room for a signal. A node that takes nothing for longer is busy or hangs.
const ROOM_WITHIN: Duration = Duration::from_secs(10);

/// A process of ours on one connection. It ends when it is dropped, as one that exits: who monitors it or is linked
/// with it is told.
#[derive(Debug)]
pub struct Mailbox {
    link: Arc<Link>,
    number: u64,
    inbox: Arc<Inbox>,
    /// Where processes that it starts print, unless told otherwise.
    user: Pid,
}

/// Something that came to a mailbox.
#[derive(Debug)]
pub enum Event {
    /// A message.
    Message(Term),
    /// A message that cannot be read: it has come, and is lost.
    Unreadable(PayloadError),
    /// Something that was monitored ended.
    Down {
        /// What [`Mailbox::monitor`] or [`Mailbox::spawn`] returned.
        monitor: Reference,
        /// Why: `noproc` when it was not there, `noconnection` never.
        reason: Term,
    },
    /// A linked process ended, or somebody sent an exit signal.
    Exit {
        /// Which.
        from: Pid,
        /// Why.
        reason: Term,
    },
    /// The mailbox was full: this much of what came before the next event was dropped.
    Dropped(Dropped),
    /// The connection has ended; this is the last event.
    NodeDown(Arc<LinkEnd>),
}

/// A process that was started.
#[derive(Clone, Debug)]
pub struct Spawned {
    /// It.
    pub pid: Pid,
    /// It is monitored.
    pub monitor: Reference,
}

/// Why no process was started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The request did not get through.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The node refused.
    #[error("the node started no process for {call}: {why}")]
    Refused {
        /// What it was to run.
        call: String,
        /// Why: `badarg`, `system_limit`.
        why: String,
    },
}

/// The connection has ended, there was no room for ten seconds, or what was to be sent cannot be.
#[derive(Debug, thiserror::Error)]
#[error("could not tell the node to {doing}")]
pub struct TellError {
    doing: &'static str,
    #[source]
    source: CallError,
}

/// What can be monitored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// A process.
    Pid(Pid),
    /// A registered name.
    Name(Atom),
}

impl Mailbox {
    pub(crate) fn open(link: Arc<Link>, capacity: Capacity, user: Pid) -> Result<Self, Arc<LinkEnd>> {
        let (number, inbox) = (link.number(), Arc::new(Inbox::new(capacity)));
        link.routes().enter(number, Route::Mailbox(Arc::clone(&inbox)))?;
        Ok(Self { link, number, inbox, user })
    }

    /// Its pid, to be sent to those who are to send to it.
    pub fn pid(&self) -> Pid {
        self.link.pid(self.number)
    }

    /// What came next. May be dropped while it waits: nothing is lost, but what was being decoded.
    pub async fn next(&mut self) -> Event {
        match self.inbox.take().await {
            Taken::Arrival(arrival) => read(arrival).await,
            Taken::Dropped(dropped) => Event::Dropped(dropped),
            Taken::Ended(end) => Event::NodeDown(end),
        }
    }

    /// Sends a message to a process. That it arrived is not known.
    ///
    /// # Errors
    /// When there is no connection any more, or the message cannot be sent.
    pub async fn send(&self, to: &Pid, message: &Term) -> Result<(), TellError> {
        self.tell("take a message", &control::send(to), Some(message)).await
    }

    /// Sends a message to a registered name.
    ///
    /// # Errors
    /// As [`Mailbox::send`].
    pub async fn send_to_name(&self, name: &str, message: &Term) -> Result<(), TellError> {
        let control = control::send_to_name(&self.pid(), name);
        self.tell("take a message", &control, Some(message)).await
    }

    /// Starts a process there and monitors it. It prints to the node's `user` unless the call says otherwise.
    ///
    /// # Errors
    /// When the node refuses, or does not answer in time: then there may be one nevertheless.
    pub async fn spawn(&self, call: &Call, within: Duration) -> Result<Spawned, SpawnError> {
        match timeout(within, self.spawn_and_wait(call)).await {
            Ok(spawned) => spawned,
            Err(_) => Err(CallError::Timeout { call: call.to_string(), within }.into()),
        }
    }

    async fn spawn_and_wait(&self, call: &Call) -> Result<Spawned, SpawnError> {
        let number = self.link.number();
        let request = self.link.reference(number);
        let (asker, answer) = oneshot::channel();
        let down = |end| CallError::NodeDown(call.to_string(), end);
        let _waiting = Waiting::enter(&self.link, number, Route::Spawn(asker)).map_err(down)?;
        let mut starting = Starting::begin(self, request.clone(), answer);
        let pid = self.request_spawn(call, &request, &mut starting.answer).await?;
        starting.known(&pid);
        Ok(Spawned { pid, monitor: request })
    }

    async fn request_spawn(
        &self,
        call: &Call,
        request: &Reference,
        answer: &mut oneshot::Receiver<Result<Pid, Atom>>,
    ) -> Result<Pid, SpawnError> {
        let leader = call.group_leader.as_ref().unwrap_or(&self.user);
        let function = (call.module.as_str(), call.function.as_str(), call.arguments.len());
        let options = Term::list([Term::atom("monitor")]);
        let control = control::spawn_request(request, &self.pid(), leader, function, options);
        let arguments = Term::list(call.arguments.iter().cloned());
        self.link.send(&control, Some(&arguments)).await.map_err(|error| CallError::not_sent(call, error))?;
        match answer.await {
            Ok(Ok(pid)) => Ok(pid),
            Ok(Err(why)) => Err(SpawnError::Refused { call: call.to_string(), why: why.to_string() }),
            Err(_) => Err(CallError::NodeDown(call.to_string(), self.link.ended().await).into()),
        }
    }

    /// Monitors a process or a name; an [`Event::Down`] tells its end, at once when it is not there.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn monitor(&self, watched: &Watched) -> Result<Reference, TellError> {
        let monitor = self.link.reference(self.link.number());
        let of = watched.term();
        self.inbox.ties(|ties| ties.monitors.insert(monitor.clone(), of.clone()));
        let told = self.tell("monitor", &control::monitor(&self.pid(), &of, &monitor), None).await;
        if told.is_err() {
            self.inbox.ties(|ties| ties.monitors.remove(&monitor));
        }
        told.map(|()| monitor)
    }

    /// Monitors no more: no [`Event::Down`] comes, unless it waits already.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn demonitor(&self, monitor: &Reference) -> Result<(), TellError> {
        let Some(of) = self.inbox.ties(|ties| ties.monitors.remove(monitor)) else { return Ok(()) };
        self.tell("demonitor", &control::demonitor(&self.pid(), &of, monitor), None).await
    }

    /// Links with a process: each learns of the other's end.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn link(&self, with: &Pid) -> Result<(), TellError> {
        self.inbox.ties(|ties| ties.links.insert(with.clone()));
        self.tell("link", &control::link(&self.pid(), with), None).await
    }

    /// Is linked no more: no [`Event::Exit`] comes from it, unless it waits already.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn unlink(&self, from: &Pid) -> Result<(), TellError> {
        // of this connection and not 0 (DFLAG_UNLINK_ID)
        let id = Term::Integer(self.link.number() as i64);
        let was_linked = self.inbox.ties(|ties| {
            let was_linked = ties.links.remove(from);
            if was_linked {
                ties.unlinking.insert(from.clone(), id.clone());
            }
            was_linked
        });
        if !was_linked {
            return Ok(());
        }
        self.tell("unlink", &control::unlink(&id, &self.pid(), from), None).await
    }

    async fn tell(
        &self,
        doing: &'static str,
        control: &Term,
        payload: Option<&Term>,
    ) -> Result<(), TellError> {
        let source = match timeout(ROOM_WITHIN, self.link.send(control, payload)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => CallError::not_sent(doing, error),
            Err(_) => CallError::NotSent { call: doing.to_owned(), within: ROOM_WITHIN },
        };
        Err(TellError { doing, source })
    }
}

impl Mailbox {
    /// The connection that it is on.
    pub(crate) fn connection(&self) -> &Arc<Link> {
        &self.link
    }

    /// Tells all who monitor it that it has ended, so that none waits for an answer, and goes on.
    pub(crate) fn leave_watchers(&self) {
        let (own, reason) = (Term::from(self.pid()), Term::atom("normal"));
        for (monitor, watcher) in self.inbox.ties(|ties| std::mem::take(&mut ties.watchers)) {
            // an answer to what the peer sent too much of: it may not do so without end
            self.link.answer(&control::monitored_is_down(&own, &watcher, &monitor), Some(&reason));
        }
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.link.routes().leave(self.number);
        let (own, ties) = (self.pid(), self.inbox.close());
        for (monitor, of) in &ties.monitors {
            if of.as_atom() != Some("") {
                self.link.farewell(&control::demonitor(&own, of, monitor), None);
            }
        }
        let reason = Term::atom("normal");
        let own_term = Term::from(own.clone());
        for (monitor, watcher) in &ties.watchers {
            self.link.farewell(&control::monitored_is_down(&own_term, watcher, monitor), Some(&reason));
        }
        for linked in &ties.links {
            self.link.farewell(&control::exit(&own, linked), Some(&reason));
        }
    }
}

/// A process that was asked for. When it is given up, its monitor goes, also when it was started meanwhile.
struct Starting<'a> {
    mailbox: &'a Mailbox,
    request: Reference,
    answer: oneshot::Receiver<Result<Pid, Atom>>,
    is_known: bool,
}

impl<'a> Starting<'a> {
    /// Its monitor is known before it can end.
    fn begin(mailbox: &'a Mailbox, request: Reference, answer: oneshot::Receiver<Result<Pid, Atom>>) -> Self {
        mailbox.inbox.ties(|ties| ties.monitors.insert(request.clone(), Term::atom("")));
        Self { mailbox, request, answer, is_known: false }
    }

    fn known(&mut self, pid: &Pid) {
        self.is_known = true;
        self.mailbox.inbox.ties(|ties| {
            // it may have ended already
            if let Some(watched) = ties.monitors.get_mut(&self.request) {
                *watched = pid.clone().into();
            }
        });
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if self.is_known {
            return;
        }
        self.mailbox.inbox.ties(|ties| ties.monitors.remove(&self.request));
        // an answer that comes from now on is the reader's to deal with
        self.answer.close();
        if let Ok(Ok(pid)) = self.answer.try_recv() {
            let demonitor = control::demonitor(&self.mailbox.pid(), &pid.into(), &self.request);
            self.mailbox.link.farewell(&demonitor, None);
        }
    }
}

impl Watched {
    fn term(&self) -> Term {
        match self {
            Self::Pid(pid) => pid.clone().into(),
            Self::Name(name) => name.clone().into(),
        }
    }
}

async fn read(arrival: Arrival) -> Event {
    match arrival {
        Arrival::Message(payload) => match payload.decode().await {
            Ok(message) => Event::Message(message),
            Err(error) => Event::Unreadable(error),
        },
        Arrival::Down { reference, reason } => {
            Event::Down { monitor: reference, reason: read_reason(reason).await }
        }
        Arrival::Exit { from, reason } => Event::Exit { from, reason: read_reason(reason).await },
    }
}

/// That it ended is worth telling also when why cannot be read.
async fn read_reason(reason: Payload) -> Term {
    reason.decode().await.unwrap_or_else(|_| Term::atom("unreadable"))
}
