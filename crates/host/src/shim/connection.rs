//! The task behind a [`super::Handle`]: owns the socket, pairs answers with questions, passes events on.
//!
//! ```text
//! Handle ─Ask→ Connection ─frame→ shim ─frame→ Connection ─┬→ Ask's reply
//!                                                          └→ Events
//! ```

use super::{ShimError, ShimId};
use futures_util::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot, watch};
use wire::frame;
use wire::shim::{Answer, Command, Event, Refusal};

/// After the end of a connection, how long its shim may take to be seen dead.
const DEATH: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The shim is dead. Unless it was released this is a crash of its instance: clean up, then replace.
    Died,
    /// Another connection (a newer daemon's) has taken over.
    TakenOver,
    /// The connection is lost, but the shim lives: connect again.
    Lost,
}

/// What a shim tells unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShimEvent {
    /// Something happened to its child.
    Happened(Event),
    /// The last one: the connection is over.
    Gone(Gone),
}

/// Events of one connection, in order, from the one after that named at connecting; ends after
/// [`ShimEvent::Gone`].
///
/// The queue has no bound of its own because its source has: a shim's event log is at most 1 MiB, and a crash
/// loop adds an event every few seconds.
#[derive(Debug)]
pub struct Events {
    receiver: mpsc::UnboundedReceiver<ShimEvent>,
}

impl Events {
    /// The next one; `None` after [`ShimEvent::Gone`].
    pub async fn next(&mut self) -> Option<ShimEvent> {
        self.receiver.recv().await
    }
}

impl Stream for Events {
    type Item = ShimEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ShimEvent>> {
        self.receiver.poll_recv(context)
    }
}

/// A question on its way.
pub(crate) struct Ask {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Result<Answer, ShimError>>,
}

/// The handle's ends of a connection's task.
pub(crate) struct Ends {
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) gone: watch::Receiver<Option<Gone>>,
    pub(crate) events: Events,
}

struct Connection {
    id: ShimId,
    stream: UnixStream,
    /// Of the shim, opened while it was seen alive; `None`: it was dead already.
    pidfd: Option<OwnedFd>,
    input: Vec<u8>,
    waiting: HashMap<u64, oneshot::Sender<Result<Answer, ShimError>>>,
    last_request: u64,
    last_seq: u64,
    events: mpsc::UnboundedSender<ShimEvent>,
    taken_over: bool,
}

/// Starts the task on a connected socket. It ends with the connection, or when all handles are dropped.
pub(crate) fn start(id: ShimId, stream: UnixStream, after: u64) -> io::Result<Ends> {
    let pid = stream.peer_cred()?.pid().and_then(Pid::from_raw);
    // The number is the shim's: whoever listened on this socket, which has just accepted us. If it died in
    // between, the end-of-file that follows says so, whatever the number means by then; it is never signalled.
    let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let (events, receiver) = mpsc::unbounded_channel();
    let (asks, questions) = mpsc::channel(64); // more questions at a time than anybody has
    let (tell_gone, gone) = watch::channel(None);
    let connection = Connection {
        id,
        stream,
        pidfd,
        input: Vec::new(),
        waiting: HashMap::new(),
        last_request: 0,
        last_seq: after,
        events,
        taken_over: false,
    };
    tokio::spawn(connection.run(questions, tell_gone));
    Ok(Ends { asks, gone, events: Events { receiver } })
}

impl Connection {
    async fn run(mut self, mut questions: mpsc::Receiver<Ask>, gone: watch::Sender<Option<Gone>>) {
        if let Err(error) = self.serve(&mut questions).await {
            tracing::warn!(shim = %self.id, %error, "connection to shim ended");
        }
        questions.close();
        self.waiting.clear(); // whoever waits hears that the connection is closed
        let how = self.how_it_ended().await;
        let _ = self.events.send(ShimEvent::Gone(how));
        gone.send_replace(Some(how));
    }

    async fn serve(&mut self, questions: &mut mpsc::Receiver<Ask>) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            tokio::select! {
                read = self.stream.read(&mut buffer) => match read? {
                    0 => return Ok(()),
                    length => {
                        self.input.extend_from_slice(&buffer[..length]);
                        self.take_frames()?;
                    }
                },
                question = questions.recv() => match question {
                    Some(ask) => self.ask(ask).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// The shim never waits for us to read, so a long write cannot lock both up.
    async fn ask(&mut self, Ask { command, reply }: Ask) -> io::Result<()> {
        self.last_request += 1;
        let mut bytes = Vec::new();
        if let Err(source) = command.put_frame(self.last_request, &mut bytes) {
            let _ = reply.send(Err(ShimError::TooLong { id: self.id.to_string(), source }));
            return Ok(());
        }
        self.waiting.retain(|_, reply| !reply.is_closed());
        self.waiting.insert(self.last_request, reply);
        self.stream.write_all(&bytes).await
    }

    fn take_frames(&mut self) -> io::Result<()> {
        let mut used = 0;
        let mut answers = Vec::new();
        while let Some((frame, length)) = frame::split(&self.input[used..]).map_err(io::Error::other)? {
            // A type that we do not know comes from a newer shim, and is skipped.
            match Answer::from_frame(&frame) {
                Ok(Some(answer)) => answers.push((frame.request, Ok(answer))),
                Ok(None) => {}
                Err(source) => answers.push((frame.request, Err(source))),
            }
            used += length;
        }
        self.input.drain(..used);
        for (request, answer) in answers {
            let id = self.id.to_string();
            self.deliver(request, answer.map_err(|source| ShimError::Nonsense { id, source }));
        }
        Ok(())
    }

    fn deliver(&mut self, request: u64, answer: Result<Answer, ShimError>) {
        match answer {
            Ok(Answer::Event(event)) if event.seq > self.last_seq => {
                self.last_seq = event.seq;
                let _ = self.events.send(ShimEvent::Happened(event));
            }
            Ok(Answer::Event(_)) => {}
            Ok(Answer::Refused(refused)) if request == 0 => {
                self.taken_over |= refused.refusal == Refusal::TakenOver;
            }
            answer => {
                if let Some(reply) = self.waiting.remove(&request) {
                    let _ = reply.send(answer);
                }
            }
        }
    }

    async fn how_it_ended(&mut self) -> Gone {
        if self.taken_over {
            return Gone::TakenOver;
        }
        let Some(pidfd) = self.pidfd.take() else { return Gone::Died };
        match tokio::task::spawn_blocking(move || has_ended(&pidfd)).await {
            Ok(true) => Gone::Died,
            _ => Gone::Lost,
        }
    }
}

/// Waits for the process's end, for a moment.
fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
    loop {
        match poll(&mut polled, Some(&DEATH)) {
            Err(Errno::INTR) => {}
            ready => return ready == Ok(1),
        }
    }
}
