//! A client's connection as its core sees it: what it is doing, since when, and what has been ordered.
//!
//! Owner is the core's list of sessions; the connection's task and everything in it (client IO, request's body,
//! response's body, tunnel) hold it too. All of it lives on one thread. Time limits need no timer of their own: the
//! core's tick compares [`Session`]s' marks with the clock a few times per second and wakes the task of one that is
//! due. A wake of the task polls everything in it, so an order is seen by whoever it concerns.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::task::{Poll, Waker};

use hyper::header::HeaderValue;
use tokio::time::Instant;
use wire::proxy::Limits;

use crate::core_table::CoreBackend;
use crate::serving::FrontLimits;
use crate::stream_end::Draining;
use crate::upstream::Upgraded;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Accepted, and not one byte has come.
    New,
    /// Between two requests.
    Idle,
    /// A request's head has begun to come.
    Head,
    /// A request is being answered.
    Request,
    /// It is no longer HTTP.
    Upgraded,
    /// HTTP/2: each of its requests has a session of its own.
    Multiplexed,
    /// A stream whose answer has been read from its instance, or was made by us.
    Answered,
}

/// Which limit was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The head took too long.
    Head,
    /// No byte of the request's body came for too long.
    Body,
    /// The instance's answer did not come in time.
    Answer,
}

/// What the connection's task is to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Go on.
    None,
    /// Finish what is being answered, then close.
    Close,
    /// Close now.
    Cut,
}

/// A client's connection, or a request of an HTTP/2 connection.
#[derive(Debug)]
pub(crate) struct Session {
    /// A stream's connection; `None`: this is a connection.
    connection: Option<Rc<Session>>,
    /// Requests that an HTTP/2 connection serves now.
    streams: Cell<u32>,
    pub(crate) peer: IpAddr,
    /// The peer's address as text, for `X-Forwarded-For`.
    pub(crate) peer_text: HeaderValue,
    pub(crate) tls: bool,
    waker: RefCell<Option<Waker>>,
    order: Cell<Order>,
    phase: Cell<Phase>,
    phase_since: Cell<u64>,
    /// Since when the client owes bytes of the request's body.
    pub(crate) body_awaited: Mark,
    /// Since when the instance owes its answer.
    pub(crate) answer_awaited: Mark,
    /// Since when the client takes no bytes.
    pub(crate) write_blocked: Mark,
    /// Since when a body waits for `100 Continue`.
    pub(crate) continue_awaited: Mark,
    pub(crate) body_timeout_ms: Cell<u64>,
    pub(crate) answer_timeout_ms: Cell<u64>,
    pub(crate) write_timeout_ms: Cell<u64>,
    expired: Cell<Option<Expired>>,
    serving: RefCell<Option<Rc<CoreBackend>>>,
    draining: Cell<Option<Draining>>,
    drain_waker: RefCell<Option<Waker>>,
    /// What a 101 left for the connection's task to relay.
    pub(crate) upgraded: RefCell<Option<Upgraded>>,
    /// It waits for its next request without buffers.
    pub(crate) parked: Cell<bool>,
    /// The rest of a request is to be thrown away, so that the client gets the answer.
    pub(crate) linger: Cell<bool>,
}

/// Since when something is so; ms of the core's clock.
#[derive(Debug, Default)]
pub(crate) struct Mark(Cell<Option<u64>>);

impl Mark {
    /// Begins, unless it has begun already.
    pub(crate) fn begin(&self, now: u64) {
        if self.0.get().is_none() {
            self.0.set(Some(now));
        }
    }

    /// Begins now, also if it had begun before.
    pub(crate) fn restart(&self, now: u64) {
        self.0.set(Some(now));
    }

    pub(crate) fn clear(&self) {
        self.0.set(None);
    }

    fn is_clear(&self) -> bool {
        self.0.get().is_none()
    }

    /// Ends it; returns whether it had begun.
    pub(crate) fn take(&self) -> bool {
        self.0.take().is_some()
    }

    /// Whether it has been so for `limit` ms; a limit of 0 is none.
    fn is_over(&self, limit: u64, now: u64) -> bool {
        limit != 0 && self.0.get().is_some_and(|since| now.saturating_sub(since) >= limit)
    }
}

/// A body waits this long for an instance's `100 Continue`; then it is sent all the same (RFC 9110 10.1.1).
const CONTINUE_MS: u64 = 1000;
/// An HTTP/2 connection that is over but does not end, because the client takes nothing, is cut after so long.
const END_MS: u64 = 30_000;
/// A connection that is idle for longer gives its buffers back, and gets new ones with its next request.
const PARK_MS: u64 = 2_000;

impl Session {
    pub(crate) fn new(peer: IpAddr, tls: bool, now: u64) -> Self {
        let text = peer.to_canonical().to_string();
        let text = HeaderValue::try_from(text).expect("an address is made of visible characters");
        Self::with_text(peer, text, tls, now)
    }

    /// A request on an HTTP/2 connection. It counts there until [`Self::end_stream`].
    pub(crate) fn stream(connection: &Rc<Session>, now: u64) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        let text = connection.peer_text.clone();
        Self {
            connection: Some(connection.clone()),
            ..Self::with_text(connection.peer, text, connection.tls, now)
        }
    }

    fn with_text(peer: IpAddr, peer_text: HeaderValue, tls: bool, now: u64) -> Self {
        Self {
            connection: None,
            streams: Cell::new(0),
            peer,
            peer_text,
            tls,
            waker: RefCell::default(),
            order: Cell::new(Order::None),
            phase: Cell::new(Phase::New),
            phase_since: Cell::new(now),
            body_awaited: Mark::default(),
            answer_awaited: Mark::default(),
            write_blocked: Mark::default(),
            continue_awaited: Mark::default(),
            body_timeout_ms: Cell::new(0),
            answer_timeout_ms: Cell::new(0),
            write_timeout_ms: Cell::new(0),
            expired: Cell::new(None),
            serving: RefCell::default(),
            draining: Cell::new(None),
            drain_waker: RefCell::default(),
            upgraded: RefCell::default(),
            parked: Cell::new(true),
            linger: Cell::new(false),
        }
    }

    /// The task that runs the connection.
    pub(crate) fn register(&self, waker: &Waker) {
        register(&self.waker, waker);
    }

    fn wake(&self) {
        for waker in [&self.waker, &self.drain_waker] {
            if let Some(waker) = &*waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Since when it is in its phase.
    pub(crate) fn phase_since(&self) -> u64 {
        self.phase_since.get()
    }

    pub(crate) fn enter(&self, phase: Phase, now: u64) {
        self.phase.set(phase);
        self.phase_since.set(now);
    }

    /// Between requests; nothing of the last one holds any more.
    pub(crate) fn rest(&self, now: u64) {
        self.enter(if self.connection.is_none() { Phase::Idle } else { Phase::Answered }, now);
        if self.expired() == Some(Expired::Answer) {
            // the instance was late, not the client: its next request may have better luck
            self.expired.set(None);
        }
        self.answer_awaited.clear();
        self.body_awaited.clear();
        self.continue_awaited.clear();
    }

    /// A stream has ended, in whatever way.
    pub(crate) fn end_stream(&self, now: u64) {
        let Some(connection) = &self.connection else { return };
        connection.streams.set(connection.streams.get().saturating_sub(1));
        connection.enter(Phase::Multiplexed, now);
    }

    /// Whether an HTTP/2 connection serves no request.
    pub(crate) fn is_without_streams(&self) -> bool {
        self.streams.get() == 0
    }

    /// Whether it has been idle for long enough to give its buffers back.
    pub(crate) fn may_park(&self, now: u64) -> bool {
        self.phase.get() == Phase::Idle && self.write_blocked.is_clear() && self.phase_is_over(PARK_MS, now)
    }

    /// The limits of the request's route.
    pub(crate) fn limit(&self, limits: &Limits) {
        self.body_timeout_ms.set(limits.body_timeout_ms);
        self.answer_timeout_ms.set(limits.response_timeout_ms);
        self.write_timeout_ms.set(limits.write_timeout_ms);
        if let Some(connection) = &self.connection {
            connection.write_timeout_ms.set(limits.write_timeout_ms);
        }
    }

    /// Stricter orders win; none is taken back.
    pub(crate) fn order(&self, order: Order) {
        if order > self.order.get() {
            self.order.set(order);
            self.wake();
        }
    }

    pub(crate) fn ordered(&self) -> Order {
        self.order.get()
    }

    pub(crate) fn expired(&self) -> Option<Expired> {
        self.expired.get()
    }

    /// Whether a request's body need not wait for `100 Continue` any more.
    pub(crate) fn continue_is_over(&self, now: u64) -> bool {
        self.continue_awaited.is_over(CONTINUE_MS, now)
    }

    /// Compares all marks with the clock.
    pub(crate) fn tick(&self, now: u64, front: &FrontLimits) {
        match self.phase.get() {
            Phase::New if self.phase_is_over(front.header_timeout_ms, now) => self.order(Order::Close),
            Phase::Idle if self.phase_is_over(front.idle_timeout_ms, now) => self.order(Order::Close),
            Phase::Idle if !self.parked.get() && self.may_park(now) => self.wake(),
            Phase::Head if self.phase_is_over(front.header_timeout_ms, now) => self.expire(Expired::Head),
            Phase::Multiplexed if self.is_without_streams() => {
                self.tick_multiplexed(now, front.idle_timeout_ms)
            }
            _ => {}
        }
        if self.write_blocked.is_over(self.write_timeout_ms.get(), now) {
            self.order(Order::Cut);
        }
        if self.body_awaited.is_over(self.body_timeout_ms.get(), now) {
            self.expire(Expired::Body);
        }
        if self.answer_awaited.is_over(self.answer_timeout_ms.get(), now) {
            self.expire(Expired::Answer);
        }
        if self.continue_is_over(now) {
            self.wake();
        }
        self.tick_drain();
    }

    fn tick_multiplexed(&self, now: u64, idle_timeout_ms: u64) {
        if self.phase_is_over(idle_timeout_ms.saturating_add(END_MS), now) {
            self.order(Order::Cut);
        } else if self.phase_is_over(idle_timeout_ms, now) {
            self.order(Order::Close);
        }
    }

    fn phase_is_over(&self, limit: u64, now: u64) -> bool {
        now.saturating_sub(self.phase_since.get()) >= limit
    }

    fn expire(&self, limit: Expired) {
        if self.expired.replace(Some(limit)).is_none() {
            self.wake();
        }
    }

    /// What is upgraded is left alone, however late it is: it ends itself soon after the deadline, and says goodbye
    /// (`websocket::relay`). On a core that stood still for seconds this tick may run before the timers of that have,
    /// and an order to cut would be obeyed before its Close frames are out.
    fn tick_drain(&self) {
        let Some(draining) = self.draining.get() else { return };
        let ends_itself = self.phase.get() == Phase::Upgraded;
        if ends_itself || Instant::now() < draining.deadline() || self.ordered() == Order::Cut {
            return;
        }
        if let Some(backend) = &*self.serving.borrow() {
            backend.counts().cut.add(1);
        }
        self.order(Order::Cut);
    }

    /// A request of this connection is in flight at the backend from now on, or none any more.
    pub(crate) fn serve_by(&self, backend: Option<Rc<CoreBackend>>) {
        self.draining.set(None);
        *self.serving.borrow_mut() = backend;
    }

    /// Whose answer is awaited or under way.
    pub(crate) fn served_by(&self) -> Option<Rc<CoreBackend>> {
        self.serving.borrow().clone()
    }

    /// The instance that serves this connection drains; `None`: it does no longer.
    pub(crate) fn drain(&self, draining: Option<Draining>) {
        self.draining.set(draining);
        self.wake();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get().is_some()
    }

    /// Ends when the instance that serves this connection begins to drain.
    pub(crate) async fn draining(self: Rc<Self>) -> Draining {
        poll_fn(|cx| match self.draining.get() {
            Some(draining) => Poll::Ready(draining),
            None => {
                register(&self.drain_waker, cx.waker());
                Poll::Pending
            }
        })
        .await
    }
}

fn register(slot: &RefCell<Option<Waker>>, waker: &Waker) {
    let mut slot = slot.borrow_mut();
    match &mut *slot {
        Some(known) => known.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_upgraded_is_not_cut_by_a_late_tick() {
        for (phase, ordered) in [(Phase::Upgraded, Order::None), (Phase::Request, Order::Cut)] {
            let session = Session::new(Ipv4Addr::LOCALHOST.into(), false, 0);
            session.enter(phase, 0);
            let since =
                Instant::now().checked_sub(Duration::from_secs(60)).expect("the machine runs for longer");
            session.drain(Some(Draining { since, within: Duration::from_secs(1) }));
            session.tick_drain();
            assert_eq!(session.ordered(), ordered, "{phase:?}");
        }
    }
}
