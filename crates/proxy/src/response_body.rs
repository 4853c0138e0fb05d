//! The body of an answer on its way to the client: an instance's, streamed, or the proxy's own.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;

use crate::access_log::Record;
use crate::assets::FileBody;
use crate::core::Core;
use crate::in_flight::InFlight;
use crate::request_body::RequestBody;
use crate::session::Session;
use crate::shared_upstream::SharedUse;
use crate::stream_end::{Draining, Ending, Endless};
use crate::upstream::Upstream;

/// What HTTP towards the client sends.
pub(crate) enum ResponseBody {
    /// The proxy's own, or none.
    Own { session: Rc<Session>, core: Rc<Core>, bytes: Full<Bytes> },
    /// An instance's.
    Passed(PassedBody),
    /// An instance's that never ends by itself.
    Endless(Box<EndlessBody>),
    /// A file of another version than the one that answered.
    File(Box<FileBody>),
    /// Any of these, whose end writes its request down.
    Recorded(Box<RecordedBody>),
}

type EndlessBody = Endless<PassedBody, Pin<Box<dyn Future<Output = Draining>>>, Box<dyn FnOnce(Ending)>>;

/// A body whose bytes are counted for the access log.
pub(crate) struct RecordedBody {
    pub(crate) body: ResponseBody,
    pub(crate) record: Record,
}

impl RecordedBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let next = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &next
            && let Some(data) = frame.data_ref()
        {
            self.record.note(|line, _| line.bytes += data.len() as u64);
        }
        next
    }
}

/// It broke off: the client sees an incomplete answer.
#[derive(Debug, Error)]
pub(crate) enum Broken {
    /// The instance did.
    #[error("the instance broke off its answer")]
    Instance(#[source] Option<hyper::Error>),
    /// A file ended before it should, or could not be read on.
    #[error("the file could not be read to its end")]
    File,
}

/// An instance's body, with the connection that it comes from.
#[derive(Debug)]
pub(crate) struct PassedBody {
    pub(crate) core: Rc<Core>,
    pub(crate) session: Rc<Session>,
    pub(crate) incoming: Incoming,
    /// `None`: all has been read.
    pub(crate) source: Option<Source>,
    /// The request's, which may still be under way.
    pub(crate) request: Option<Rc<RequestBody>>,
    /// It was broken off; told when all before it has been flushed.
    pub(crate) broken: Option<Broken>,
}

/// The connection that an answer comes from.
#[derive(Debug)]
pub(crate) enum Link {
    /// HTTP/1.1: this request's alone, polled by whoever reads the answer.
    Own(Box<Upstream>),
    /// HTTP/2: shared, with a task of its own.
    Shared {
        /// Counted there as long as it lives.
        _use: SharedUse,
    },
}

/// Where it comes from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) upstream: Link,
    pub(crate) in_flight: InFlight,
}

impl PassedBody {
    /// All has been read: the connection serves the next request, and nothing is in flight any more.
    pub(crate) fn finish(&mut self) {
        let Some(source) = self.source.take() else { return };
        if let Some(request) = &self.request {
            source.in_flight.backend().counts().bytes_in.add(request.bytes());
        }
        if let Link::Own(upstream) = source.upstream {
            source.in_flight.backend().keep(upstream, self.core.now());
        }
        drop(source.in_flight);
        self.session.rest(self.core.now());
    }

    fn poll_incoming(&mut self) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        // Only the upstream, which is polled here, changes what it has: nobody else need be woken.
        Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    /// Its connection has a task of its own, which wakes us.
    fn poll_shared(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let next = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        self.pass(cx, next)
    }

    fn pass(
        &mut self,
        cx: &Context<'_>,
        next: Option<hyper::Result<Frame<Bytes>>>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let frame = match next {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return self.fail(cx, Broken::Instance(Some(error))),
            None => {
                self.finish();
                return Poll::Ready(None);
            }
        };
        if let (Some(data), Some(source)) = (frame.data_ref(), &self.source) {
            source.in_flight.backend().counts().bytes_out.add(data.len() as u64);
        }
        // trailers are the last; who got them does not ask again
        if frame.is_trailers() || self.incoming.is_end_stream() {
            self.finish();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// HTTP towards the client throws away what it has not flushed when a body fails. So it gets time to: an answer that
    /// ends too early is better than none.
    fn fail<T>(&mut self, cx: &Context<'_>, error: Broken) -> Poll<T> {
        if let Some(source) = self.source.take() {
            source.in_flight.backend().counts().broken.add(1);
        }
        self.broken = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for PassedBody {
    /// One that was ended early, in order, leaves the client's connection at rest as well.
    fn drop(&mut self) {
        if self.source.take().is_some() {
            self.session.rest(self.core.now());
        }
    }
}

impl Body for PassedBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        if let Poll::Ready(next) = self.poll_incoming() {
            return self.pass(cx, next);
        }
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        let Link::Own(upstream) = &mut source.upstream else { return self.poll_shared(cx) };
        let ended = upstream.poll(cx).is_ready();
        match self.poll_incoming() {
            Poll::Ready(next) => self.pass(cx, next),
            Poll::Pending if ended => self.fail(cx, Broken::Instance(None)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl ResponseBody {
    /// The proxy's own answer.
    pub(crate) fn own(core: &Rc<Core>, session: &Rc<Session>, bytes: Bytes) -> Self {
        Self::Own { session: session.clone(), core: core.clone(), bytes: Full::new(bytes) }
    }
}

impl Drop for ResponseBody {
    /// The request is over when its answer is, however that ends.
    fn drop(&mut self) {
        if let Self::Own { session, core, .. } = self {
            session.rest(core.now());
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Own { bytes, .. } => Pin::new(bytes).poll_frame(cx).map_err(|never| match never {}),
            Self::Passed(body) => Pin::new(body).poll_frame(cx),
            Self::Endless(body) => Pin::new(body).poll_frame(cx),
            Self::File(body) => Pin::new(body).poll_frame(cx),
            Self::Recorded(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own { bytes, .. } => bytes.is_end_stream(),
            Self::Passed(body) => body.is_end_stream(),
            Self::Endless(body) => body.is_end_stream(),
            Self::File(body) => body.is_end_stream(),
            Self::Recorded(body) => body.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own { bytes, .. } => bytes.size_hint(),
            Self::Passed(body) => body.size_hint(),
            Self::Endless(body) => body.size_hint(),
            Self::File(body) => body.size_hint(),
            Self::Recorded(body) => body.body.size_hint(),
        }
    }
}
