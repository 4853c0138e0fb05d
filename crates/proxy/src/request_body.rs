//! A request's body on its way to a backend: streamed, limited, and its beginning kept while the request may have to be
//! sent again.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;

use crate::core::Core;
use crate::session::{Expired, Session};

/// A body up to this many bytes can be sent again.
const REPLAY_BYTES: usize = 64 * 1024;

/// The body as the client sends it.
#[derive(Debug)]
pub(crate) struct RequestBody {
    core: Rc<Core>,
    session: Rc<Session>,
    incoming: RefCell<Incoming>,
    size: SizeHint,
    max_bytes: u64,
    bytes: Cell<u64>,
    kept: RefCell<Kept>,
    ended: Cell<bool>,
    failed: Cell<Option<BodyFailure>>,
    /// Not to be read before the instance says `100 Continue`.
    gate: Option<Arc<AtomicBool>>,
}

/// What has been read, as long as it is little.
#[derive(Debug, Default)]
struct Kept {
    chunks: Vec<Bytes>,
    bytes: usize,
    trailers: Option<HeaderMap>,
    overflown: bool,
}

/// Why a body ended early.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFailure {
    #[error("the request's body is longer than allowed")]
    TooLarge,
    #[error("the client sent no byte of the request's body for too long")]
    TooSlow,
    #[error("the client broke off the request's body")]
    Broken,
}

impl RequestBody {
    pub(crate) fn new(
        core: &Rc<Core>,
        session: &Rc<Session>,
        incoming: Incoming,
        max_bytes: u64,
        gate: Option<Arc<AtomicBool>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            core: core.clone(),
            session: session.clone(),
            size: incoming.size_hint(),
            incoming: RefCell::new(incoming),
            max_bytes: if max_bytes == 0 { u64::MAX } else { max_bytes },
            bytes: Cell::new(0),
            kept: RefCell::default(),
            ended: Cell::new(false),
            failed: Cell::new(None),
            gate,
        })
    }

    /// Why it ended early, if it did.
    pub(crate) fn failure(&self) -> Option<BodyFailure> {
        self.failed.get()
    }

    /// Whether all of it came from the client.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether its `Content-Length` is beyond the limit.
    pub(crate) fn is_announced_too_large(&self) -> bool {
        self.size.lower() > self.max_bytes
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn can_be_sent_again(&self) -> bool {
        !self.kept.borrow().overflown && self.failed.get().is_none()
    }

    /// Bytes that came from the client.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// No further attempt: what was kept is not needed any more.
    pub(crate) fn keep_no_longer(&self) {
        self.kept.borrow_mut().overflown = true;
    }

    /// Nobody waits for `100 Continue` any more; returns whether somebody did.
    pub(crate) fn gate_has_opened(&self) -> bool {
        let open = self.gate.as_ref().is_some_and(|gate| gate.load(Ordering::Relaxed));
        open && self.session.continue_awaited.take()
    }

    fn is_gated(&self) -> bool {
        let Some(gate) = &self.gate else { return false };
        if gate.load(Ordering::Relaxed) {
            return false;
        }
        self.session.continue_awaited.begin(self.core.now());
        if self.session.continue_is_over(self.core.now()) {
            gate.store(true, Ordering::Relaxed);
            self.session.continue_awaited.clear();
            return false;
        }
        true
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        if self.is_gated() {
            return Poll::Pending;
        }
        if self.session.expired() == Some(Expired::Body) {
            return Poll::Ready(Some(Err(self.fail(BodyFailure::TooSlow))));
        }
        let mut incoming = self.incoming.borrow_mut();
        let Poll::Ready(next) = Pin::new(&mut *incoming).poll_frame(cx) else {
            self.session.body_awaited.begin(self.core.now());
            self.session.answer_awaited.clear();
            return Poll::Pending;
        };
        self.session.body_awaited.clear();
        self.session.answer_awaited.restart(self.core.now());
        if incoming.is_end_stream() || next.is_none() {
            self.ended.set(true);
        }
        Poll::Ready(next.map(|frame| self.take(frame)))
    }

    fn take(&self, frame: hyper::Result<Frame<Bytes>>) -> Result<Frame<Bytes>, BodyFailure> {
        let frame = frame.map_err(|_| self.fail(BodyFailure::Broken))?;
        if let Some(data) = frame.data_ref() {
            self.bytes.set(self.bytes.get() + data.len() as u64);
            if self.bytes.get() > self.max_bytes {
                return Err(self.fail(BodyFailure::TooLarge));
            }
        }
        self.kept.borrow_mut().add(&frame);
        Ok(frame)
    }

    fn fail(&self, failure: BodyFailure) -> BodyFailure {
        self.failed.set(Some(failure));
        failure
    }
}

impl Kept {
    fn add(&mut self, frame: &Frame<Bytes>) {
        if let Some(trailers) = frame.trailers_ref() {
            self.trailers = Some(trailers.clone());
        }
        let Some(data) = frame.data_ref() else { return };
        self.bytes += data.len();
        if self.overflown || self.bytes > REPLAY_BYTES {
            self.overflown = true;
            self.chunks.clear();
        } else {
            self.chunks.push(data.clone());
        }
    }
}

/// The body of one attempt.
#[derive(Debug)]
pub(crate) enum AttemptBody {
    /// There is none.
    Empty,
    /// From its beginning: what is kept, then what still comes.
    Stream {
        /// The client's.
        body: Rc<RequestBody>,
        /// Chunks that were sent out of what is kept.
        sent: usize,
        /// Trailers were sent out of what is kept.
        sent_trailers: bool,
        /// Whether it is still wanted, where a task of its own sends it.
        wanted: Option<Rc<Wanted>>,
    },
}

/// Whether an attempt is still wanted. Who sends its body in a task of its own learns it here.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    no_longer: Cell<bool>,
    sender: RefCell<Option<Waker>>,
}

impl Wanted {
    /// The attempt is over: its body ends with an error, if it has not ended.
    pub(crate) fn no_longer(&self) {
        self.no_longer.set(true);
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }

    fn is_over(&self, cx: &Context<'_>) -> bool {
        *self.sender.borrow_mut() = Some(cx.waker().clone());
        self.no_longer.get()
    }
}

impl AttemptBody {
    /// The body from its beginning.
    pub(crate) fn new(body: Option<&Rc<RequestBody>>) -> Self {
        body.map_or(Self::Empty, |body| Self::Stream {
            body: body.clone(),
            sent: 0,
            sent_trailers: false,
            wanted: None,
        })
    }

    /// The same, as long as it is wanted.
    pub(crate) fn while_wanted(mut self, by: &Rc<Wanted>) -> Self {
        if let Self::Stream { wanted, .. } = &mut self {
            *wanted = Some(by.clone());
        }
        self
    }
}

impl Body for AttemptBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let Self::Stream { body, sent, sent_trailers, wanted } = &mut *self else {
            return Poll::Ready(None);
        };
        if wanted.as_ref().is_some_and(|wanted| wanted.is_over(cx)) {
            return Poll::Ready(Some(Err(BodyFailure::Broken)));
        }
        if let Some(chunk) = body.kept.borrow().chunks.get(*sent) {
            *sent += 1;
            return Poll::Ready(Some(Ok(Frame::data(chunk.clone()))));
        }
        if body.ended.get() {
            let trailers = if *sent_trailers { None } else { body.kept.borrow().trailers.clone() };
            *sent_trailers = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let next = ready!(body.poll_next(cx));
        match &next {
            Some(Ok(frame)) if frame.is_trailers() => *sent_trailers = true,
            Some(Ok(_)) => *sent = body.kept.borrow().chunks.len(),
            _ => {}
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream { body, sent, sent_trailers, .. } => {
                let kept = body.kept.borrow();
                let all = *sent >= kept.chunks.len() && (*sent_trailers || kept.trailers.is_none());
                body.ended.get() && all
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream { body, .. } => body.size,
        }
    }
}
