//! One connection to a node, from its handshake to its end.
//!
//! A reader task and a writer task own the halves of the stream; both end when either does. The reader makes
//! messages of frames and puts them where they belong (`routes`), undecoded, and never waits for anybody. What is to be
//! written goes through the `outbox`.

mod net_kernel;
mod reader;
mod writer;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use beam::Term;
use beam::etf::EncodeError;
use beam::term::{Atom, Pid, Reference};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::control;
use crate::handshake::Peer;
use crate::outbox::{Outbox, Refused};
use crate::pace::Pace;
use crate::routes::Routes;
use crate::transport::Stream;
use crate::{FrameError, Limits};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkEnd {
    /// The node closed it: it stopped, or wants no connection.
    #[error("the node closed the connection")]
    Closed,
    /// It broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The node sent nothing, not even a tick.
    #[error("the node was silent for {0:?}")]
    Silent(Duration),
    /// The node does not take what we send.
    #[error("the node read nothing for {0:?}")]
    NotReading(Duration),
    /// The node asks and asks, and does not read the answers.
    #[error("the node does not read what it asks for")]
    Flood,
    /// A frame that is too long.
    #[error("the node sent a frame of {length} bytes, {most} are allowed")]
    FrameTooLong {
        /// Its length.
        length: usize,
        /// The limit.
        most: usize,
    },
    /// Something that is not the protocol.
    #[error("the node broke the protocol")]
    Protocol(#[source] FrameError),
    /// We ended it.
    #[error("it was ended by us")]
    Stopped,
}

/// Why nothing was sent.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The connection has ended.
    Ended(Arc<LinkEnd>),
    /// A term that cannot be sent.
    Encode(EncodeError),
    /// More than may be sent at once.
    TooLong(usize),
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// Ours, as this node knows us.
    node: Atom,
    creation: u32,
    peer_creation: u32,
    numbers: AtomicU64,
    outbox: Outbox,
    routes: Routes,
    pace: Pace,
    limits: Limits,
    end: OnceLock<Arc<LinkEnd>>,
    /// Cancelled when it has ended.
    ended: CancellationToken,
}

impl Link {
    /// Takes over a stream on which hands were shaken. It ends with `stop`.
    pub(crate) fn start(
        stream: Box<dyn Stream>,
        peer: &Peer,
        limits: Limits,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        let (outbox, waiting) = Outbox::new();
        let link = Arc::new(Self {
            node: Atom::new(peer.own_name.as_str()),
            creation: peer.own_creation,
            peer_creation: peer.creation,
            numbers: AtomicU64::new(1),
            outbox,
            routes: Routes::default(),
            pace: Pace::default(),
            limits,
            end: OnceLock::new(),
            ended: CancellationToken::new(),
        });
        let (input, output) = tokio::io::split(stream);
        let (reading, writing) = (Arc::clone(&link), Arc::clone(&link));
        let (stop_reading, stop_writing) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            reading.until_end(reader::read(&reading, input), &stop_reading).await;
        });
        tasks.spawn(async move {
            writing.until_end(writer::write(&writing, output, waiting), &stop_writing).await;
        });
        link
    }

    /// Runs one half; the connection ends with it.
    async fn until_end(&self, half: impl Future<Output = LinkEnd>, stop: &CancellationToken) {
        let end = tokio::select! {
            end = half => end,
            () = self.ended.cancelled() => return,
            () = stop.cancelled() => LinkEnd::Stopped,
        };
        self.end(end);
    }

    /// Ends it, unless it has ended.
    pub(crate) fn end(&self, end: LinkEnd) {
        let end = Arc::clone(self.end.get_or_init(|| Arc::new(end)));
        self.outbox.close();
        self.routes.end(&end);
        self.ended.cancel();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) -> Arc<LinkEnd> {
        self.ended.cancelled().await;
        Arc::clone(self.end.get().expect("it is set before this is cancelled"))
    }

    pub(crate) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Which start of the node it leads to.
    pub(crate) fn peer_creation(&self) -> u32 {
        self.peer_creation
    }

    /// A number that no process or reference of ours has had on this connection.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Our process of this number.
    pub(crate) fn pid(&self, number: u64) -> Pid {
        // 28 bits, as older nodes have; the cast keeps those
        let id = (number & 0x0fff_ffff) as u32;
        Pid { node: self.node.clone(), id, serial: (number >> 28) as u32, creation: self.creation }
    }

    /// A process of ours that there never is: for what needs a sender and no answer.
    pub(crate) fn nobody(&self) -> Pid {
        self.pid(0)
    }

    /// Our reference of this number.
    pub(crate) fn reference(&self, number: u64) -> Reference {
        // the first word has 18 bits; the cast keeps those
        let words = [(number & 0x3_ffff) as u32, (number >> 18) as u32, 0];
        Reference::new(self.node.clone(), self.creation, &words).expect("three words are not too many")
    }

    /// The number of a process, if it is ours.
    fn number_of_pid(&self, pid: &Pid) -> Option<u64> {
        let ours = pid.creation == self.creation && pid.node == self.node;
        ours.then(|| u64::from(pid.id) | u64::from(pid.serial) << 28)
    }

    /// The number of a reference, if it is ours.
    fn number_of_reference(&self, reference: &Reference) -> Option<u64> {
        let [low, high, 0] = reference.words() else { return None };
        let ours = reference.creation == self.creation && reference.node == self.node;
        ours.then(|| u64::from(*low) | u64::from(*high) << 18)
    }

    /// Sends when there is room.
    pub(crate) async fn send(&self, control: &Term, payload: Option<&Term>) -> Result<(), SendError> {
        let frame = control::frame(control, payload).map_err(SendError::Encode)?;
        match self.outbox.put(frame).await {
            Ok(()) => Ok(()),
            Err(Refused::TooLong(length)) => Err(SendError::TooLong(length)),
            // the queue may be gone a moment before it is known why
            Err(Refused::Ended | Refused::NoRoom) => Err(SendError::Ended(self.ended().await)),
        }
    }

    /// Sends that a process of ours ends, or has nothing to do with one of the peer any more.
    pub(crate) fn farewell(&self, control: &Term, payload: Option<&Term>) {
        // what cannot be encoded was never sent, so that nobody waits for its end
        if let Ok(frame) = control::frame(control, payload) {
            self.outbox.farewell(frame);
        }
    }

    /// Sends what is owed to the peer and short. When there is no room, the connection ends.
    pub(crate) fn answer(&self, control: &Term, payload: Option<&Term>) {
        let Ok(frame) = control::frame(control, payload) else {
            // made of what the peer sent: it was read, so that it can be written
            return;
        };
        if self.outbox.answer(frame) == Err(Refused::NoRoom) {
            self.end(LinkEnd::Flood);
        }
    }
}
