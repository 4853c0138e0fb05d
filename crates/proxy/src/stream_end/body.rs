//! The body of a response that never ends by itself.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};

use super::boundary::{Boundary, Unit};
use super::draining::Draining;

/// Why a body was ended before its instance ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Between two units: nothing is lost.
    Whole,
    /// At the drain's deadline, inside a unit.
    Broken,
}

/// Passes a body on, and ends it in order while its instance drains. Dropping it drops the instance's body, and
/// with that the connection to the instance.
pub struct Endless<B, D, E> {
    /// `None`: ended.
    inner: Option<B>,
    boundary: Boundary,
    clock: Clock<D>,
    share: f64,
    on_ending: Option<E>,
}

enum Clock<D> {
    /// Serving.
    Waiting(Pin<Box<D>>),
    /// Draining; its moment has not come.
    Spread { moment: Pin<Box<Sleep>>, draining: Draining },
    /// It ends at the next boundary, at the latest when this has come.
    Ending(Pin<Box<Sleep>>),
}

impl<B, D, E> Endless<B, D, E>
where
    D: Future<Output = Draining>,
    E: FnOnce(Ending),
{
    /// A body whose instance drains when `draining` says so; it then ends from the moment on that `share` (0 to 1)
    /// gives in the first half of the drain. `on_ending` is told when it is ended so.
    pub fn new(inner: B, unit: Unit, draining: D, share: f64, on_ending: E) -> Self {
        Self {
            inner: Some(inner),
            boundary: Boundary::new(unit),
            clock: Clock::Waiting(Box::pin(draining)),
            share,
            on_ending: Some(on_ending),
        }
    }

    /// Moves the clock on; what it says about the body now.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Due {
        loop {
            match &mut self.clock {
                Clock::Waiting(draining) => {
                    let Poll::Ready(draining) = draining.as_mut().poll(cx) else { return Due::Later };
                    let moment = Box::pin(sleep_until(draining.moment(self.share)));
                    self.clock = Clock::Spread { moment, draining };
                }
                Clock::Spread { moment, draining } => {
                    if moment.as_mut().poll(cx).is_pending() {
                        return Due::Later;
                    }
                    self.clock = Clock::Ending(Box::pin(sleep_until(draining.deadline())));
                }
                Clock::Ending(deadline) => {
                    return if deadline.as_mut().poll(cx).is_ready() { Due::Now } else { Due::AtBoundary };
                }
            }
        }
    }

    fn end(&mut self, ending: Ending) {
        // told before the connection goes: nothing may look ended and not be counted
        if let Some(tell) = self.on_ending.take() {
            tell(ending);
        }
        self.inner = None;
    }
}

/// When the body is to end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Later,
    AtBoundary,
    Now,
}

impl<B, D, E> Body for Endless<B, D, E>
where
    B: Body<Data = Bytes> + Unpin,
    D: Future<Output = Draining>,
    E: FnOnce(Ending) + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if this.inner.is_none() {
            return Poll::Ready(None);
        }
        let due = this.poll_clock(cx);
        if due != Due::Later && this.boundary.is_end() {
            this.end(Ending::Whole);
            return Poll::Ready(None);
        }
        if due == Due::Now {
            this.end(Ending::Broken);
            return Poll::Ready(None);
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let frame = match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => return other,
        };
        let data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
        };
        if due == Due::Later {
            this.boundary.follow(&data);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match this.boundary.first_end(&data) {
            None => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(end) => {
                this.end(Ending::Whole);
                Poll::Ready(Some(Ok(Frame::data(data.slice(..end)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests;
