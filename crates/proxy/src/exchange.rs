//! One request: from its head to the head of its answer.
//!
//! route → choose (or hold until somebody is there) → count → connect → send → answer. What failed is tried again where
//! that can do no harm: any method if nothing was written, else what may be sent twice, and only before a byte of an
//! answer came.

mod assets;
mod over_http2;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Version};

use crate::access_log::Record;
use crate::core::{Core, Fact};
use crate::core_table::{Choice, CoreBackend, CoreRoute};
use crate::hold::Hold;
use crate::in_flight::InFlight;
use crate::instance::Health;
use crate::own_answer::{self, MaintenanceAnswer, Problem};
use crate::request_body::{AttemptBody, BodyFailure, RequestBody};
use crate::request_head::{self, REQUEST_ID};
use crate::response_body::{Link, PassedBody, RecordedBody, ResponseBody, Source};
use crate::session::{Expired, Phase, Session};
use crate::stream_end::{self, Draining, Ending, Endless};
use crate::upstream::{ConnectError, Upgraded, Upstream};
use crate::websocket;

/// Most attempts of a request, beyond connections that were refused or had been closed at idle.
const MAX_ATTEMPTS: u8 = 3;

/// Answers a request: with an instance's answer, or with our own. While the proxy ends, it says that the connection does
/// too.
pub(crate) async fn serve(
    core: Rc<Core>,
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let version = request.version();
    let mut answer = serve_one(core.clone(), session, request).await?;
    if core.is_ending() && version < Version::HTTP_2 && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer)
}

async fn serve_one(
    core: Rc<Core>,
    session: Rc<Session>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let started = core.look_at_clock();
    session.enter(Phase::Request, core.now());
    let (mut head, incoming) = request.into_parts();
    let route = request_head::check(&mut head).and_then(|()| find(&core, &head));
    let trusted = core.table().serving.front.trusts(session.peer);
    let exchange = match route {
        Ok(route) => {
            let record = Record::begin(&core, &session, started, &head, Some(&route.route));
            let exchange =
                Exchange::new(core.clone(), session.clone(), started, route, head, incoming, trusted);
            Exchange { record, ..exchange }
        }
        Err(problem) => {
            core.shared.unrouted.fetch_add(1, Ordering::Relaxed);
            let record = Record::begin(&core, &session, started, &head, None);
            let id = request_head::forward(&mut head.headers, &session, trusted, || core.ids.next());
            let answer = refuse(&core, &session, problem, None, &head, &id);
            return Ok(recorded(record, answer, &id, &head));
        }
    };
    Ok(exchange.run().await)
}

fn find(core: &Core, head: &Parts) -> Result<Rc<CoreRoute>, Problem> {
    let host = head.headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
    core.table().find(host, head.uri.path()).cloned().ok_or(Problem::NoRoute)
}

/// The proxy's own answer; `page`: what an operator wants it to say.
fn refuse(
    core: &Rc<Core>,
    session: &Rc<Session>,
    problem: Problem,
    page: Option<&MaintenanceAnswer>,
    head: &Parts,
    id: &HeaderValue,
) -> Response<ResponseBody> {
    let mut answer = own_answer::answer(problem, &head.headers, id.to_str().ok());
    if let Some(page) = page {
        page.dress(&mut answer);
    }
    answer.headers_mut().insert(REQUEST_ID, id.clone());
    session.linger.set(problem.closes());
    answer.map(|bytes| ResponseBody::own(core, session, bytes))
}

/// An answer whose end writes its request down.
fn recorded(
    record: Option<Record>,
    answer: Response<ResponseBody>,
    id: &HeaderValue,
    request: &Parts,
) -> Response<ResponseBody> {
    let Some(mut record) = record else { return answer };
    record.note(|line, front| {
        line.status = answer.status().as_u16();
        line.id = Some(id.clone());
        line.client = request_head::client(&request.headers, line.client, |peer| front.trusts(peer));
    });
    answer.map(|body| ResponseBody::Recorded(Box::new(RecordedBody { body, record })))
}

/// A request that belongs to a route.
struct Exchange {
    core: Rc<Core>,
    session: Rc<Session>,
    started: Instant,
    route: Rc<CoreRoute>,
    /// As the instance gets it.
    head: Parts,
    body: Option<Rc<RequestBody>>,
    gate: Option<Arc<AtomicBool>>,
    wants_upgrade: bool,
    id: HeaderValue,
    /// Becomes its line in the access log; `None`: there is none.
    record: Option<Record>,
    hold: Option<Hold>,
    /// When holding ends at the latest, however often it begins anew.
    held_until: Option<tokio::time::Instant>,
    /// Backends that failed this request.
    tried: Vec<u64>,
    attempts: u8,
    /// A connection of the pool had been closed: the next attempt gets a new one.
    only_new_connection: bool,
}

/// Why an attempt brought no answer.
enum Failure {
    Connect(ConnectError),
    /// The instance took too long.
    Slow,
    /// The client's body ended early.
    Body(BodyFailure),
    /// The connection ended or what came was no HTTP.
    Broken {
        written: bool,
        read: bool,
        reused: bool,
        invalid: bool,
    },
}

impl Exchange {
    fn new(
        core: Rc<Core>,
        session: Rc<Session>,
        started: Instant,
        route: Rc<CoreRoute>,
        mut head: Parts,
        incoming: Incoming,
        trusted: bool,
    ) -> Self {
        let limits = &route.route.limits;
        session.limit(limits);
        route.budget.request(core.now());
        let upgrade = request_head::upgrade(&head);
        let gate = request_head::expects_continue(&head).then(Arc::default);
        request_head::remove_hop_by_hop(&mut head.headers);
        let id = request_head::forward(&mut head.headers, &session, trusted, || core.ids.next());
        let wants_upgrade = upgrade.is_some();
        if let Some(protocol) = upgrade {
            request_head::ask_for_upgrade(&mut head.headers, protocol);
        }
        let body = (!incoming.is_end_stream())
            .then(|| RequestBody::new(&core, &session, incoming, limits.max_body_bytes, gate.clone()));
        Self {
            core,
            session,
            started,
            route,
            head,
            body,
            gate,
            wants_upgrade,
            id,
            record: None,
            hold: None,
            held_until: None,
            tried: Vec::new(),
            attempts: 0,
            only_new_connection: false,
        }
    }

    async fn run(mut self) -> Response<ResponseBody> {
        let answer = match self.answer().await {
            Ok(answer) => answer,
            Err(problem) => {
                self.route.route.count(|app| match problem {
                    Problem::Maintenance => &app.maintained,
                    _ => &app.own_errors,
                });
                if self.body.as_ref().is_some_and(|body| !body.has_ended()) {
                    self.session.linger.set(true);
                }
                let page = self.route.route.maintenance.as_ref().filter(|_| problem == Problem::Maintenance);
                refuse(&self.core, &self.session, problem, page, &self.head, &self.id)
            }
        };
        recorded(self.record.take(), answer, &self.id, &self.head)
    }

    async fn answer(&mut self) -> Result<Response<ResponseBody>, Problem> {
        if self.body.as_ref().is_some_and(|body| body.is_announced_too_large()) {
            return Err(Problem::TooLarge);
        }
        loop {
            let in_flight = self.choose().await?;
            let uid = in_flight.backend().backend.uid;
            let attempt = if self.goes_by_http2() {
                // in a box: it is rare, and would make every connection's task larger
                Box::pin(self.attempt_by_http2(in_flight)).await
            } else {
                self.attempt(in_flight).await
            };
            match attempt {
                Ok(answer) => {
                    if let Some(wanted) = self.wanted_asset(answer.response.status()) {
                        // in a box, as above
                        return Box::pin(self.stand_in(wanted, answer)).await;
                    }
                    return self.pass(answer);
                }
                Err(failure) => self.take_failure(uid, failure)?,
            }
        }
    }

    /// An instance for the next attempt, counted. Waits while there is none.
    async fn choose(&mut self) -> Result<InFlight, Problem> {
        loop {
            let change = self.core.changes();
            let route = self.core.table().again(&self.route).cloned().ok_or(Problem::NoRoute)?;
            self.route = route;
            if self.route.route.maintenance.is_some() {
                return Err(Problem::Maintenance);
            }
            let pause = self.route.route.pause.filter(|pause| !pause.is_over());
            if pause.is_none() {
                let canary = self.canary();
                let mut choice = self.route.choose(&self.tried, canary);
                if let Choice::AllTried = choice {
                    self.tried.clear();
                    choice = self.route.choose(&[], canary);
                }
                if let Choice::Backend(backend) = choice {
                    self.held_until = self.hold.take().map(|hold| hold.until()).or(self.held_until);
                    return Ok(InFlight::begin(backend, &self.session));
                }
            }
            if self.hold.is_none() {
                self.hold = Some(Hold::begin(&self.route.route, self.held_until)?);
            }
            let Some(hold) = &self.hold else { continue };
            hold.wait(&self.core, change, pause).await?;
        }
    }

    /// Which side of a canary it belongs to, while there is one.
    fn canary(&self) -> Option<bool> {
        let canary = self.route.route.canary.as_ref()?;
        Some(canary.gets(&self.head.headers, self.session.peer, &self.core.table().serving.front))
    }

    async fn attempt(&mut self, in_flight: InFlight) -> Result<Answer, Failure> {
        let (mut upstream, reused) = self.connect(&in_flight).await?;
        in_flight.backend().counts().requests.add(1);
        self.session.answer_awaited.restart(self.core.now());
        let mut sent = pin!(upstream.send(self.request()));
        let result = poll_fn(|cx| self.poll_answer(cx, &mut upstream, |cx| sent.as_mut().poll(cx))).await;
        let result = match result {
            Some(Ok(response)) => Ok(response),
            _ if self.session.expired() == Some(Expired::Answer) => Err(Failure::Slow),
            Some(Err(error)) => Err(self.broken(&upstream, reused, error.is_parse())),
            None => Err(self.broken(&upstream, reused, false)),
        };
        self.session.answer_awaited.clear();
        match result {
            Ok(response) => Ok(Answer { response, upstream: Link::Own(upstream), in_flight }),
            Err(failure) => {
                if !matches!(failure, Failure::Body(_)) {
                    in_flight.backend().counts().failed.add(1);
                }
                Err(failure)
            }
        }
    }

    async fn connect(&self, in_flight: &InFlight) -> Result<(Box<Upstream>, bool), Failure> {
        let backend = in_flight.backend();
        if !self.only_new_connection
            && let Some(upstream) = backend.take_idle(self.can_be_sent_twice(), self.core.now())
        {
            return Ok((upstream, true));
        }
        let connected = Upstream::connect(backend.backend.address).await;
        let upstream = connected.map_err(|error| self.not_connected(backend, error))?;
        Ok((upstream, false))
    }

    fn not_connected(&self, backend: &CoreBackend, error: ConnectError) -> Failure {
        backend.counts().requests.add(1);
        backend.counts().failed.add(1);
        if error.is_refusal() && backend.backend.set_health(Health::Refusing) != Health::Refusing {
            self.core.tell(Fact::Refused(backend.backend.uid));
        }
        Failure::Connect(error)
    }

    /// The next attempt's request. Headers are shared with it, not copied.
    fn request(&self) -> Request<AttemptBody> {
        let mut request = Request::new(AttemptBody::new(self.body.as_ref()));
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.headers_mut() = self.head.headers.clone();
        if !request.headers().contains_key(header::HOST) {
            // an HTTP/1.0 client may leave it out; an HTTP/1.1 request must have it (RFC 9112 3.2)
            request.headers_mut().insert(header::HOST, HeaderValue::from_static(""));
        }
        if let Some(gate) = self.gate.clone() {
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    gate.store(true, Ordering::Relaxed);
                }
            });
        }
        request
    }

    /// Lets the connection work until the answer's head is there; `None`: it will not come.
    fn poll_answer<T>(
        &self,
        cx: &mut Context<'_>,
        upstream: &mut Upstream,
        mut poll_sent: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        loop {
            let ended = upstream.poll(cx).is_ready();
            // only the connection, which was polled just now, brings it: nobody else need wake us
            if let Poll::Ready(response) = poll_sent(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(Some(response));
            }
            if ended || self.session.expired() == Some(Expired::Answer) {
                return Poll::Ready(None);
            }
            if !self.body.as_ref().is_some_and(|body| body.gate_has_opened()) {
                return Poll::Pending;
            }
        }
    }

    fn broken(&self, upstream: &Upstream, reused: bool, invalid: bool) -> Failure {
        match self.body.as_ref().and_then(|body| body.failure()) {
            Some(failure) => Failure::Body(failure),
            None => {
                let (written, read) = (upstream.has_written(), upstream.has_read());
                Failure::Broken { written, read, reused, invalid }
            }
        }
    }

    /// RFC 9110 9.2.2, and its body is still at hand.
    fn can_be_sent_twice(&self) -> bool {
        request_head::is_idempotent(&self.head.method) && self.has_whole_body()
    }

    fn has_whole_body(&self) -> bool {
        self.body.as_ref().is_none_or(|body| body.can_be_sent_again())
    }

    /// Decides whether the request is tried again.
    fn take_failure(&mut self, uid: u64, failure: Failure) -> Result<(), Problem> {
        match failure {
            // whoever refuses is out of the choice from now on, so this ends
            Failure::Connect(error) if error.is_refusal() => Ok(()),
            Failure::Connect(_) => self.try_again(uid, true, Problem::ConnectFailed),
            Failure::Slow => {
                self.core.tell(Fact::Failed(uid));
                Err(Problem::UpstreamTimeout)
            }
            Failure::Body(BodyFailure::TooLarge) => Err(Problem::TooLarge),
            Failure::Body(BodyFailure::TooSlow) => Err(Problem::SlowBody),
            Failure::Body(BodyFailure::Broken) => Err(Problem::BadRequest),
            Failure::Broken { invalid: true, read: true, .. } => {
                self.core.tell(Fact::Failed(uid));
                Err(Problem::UpstreamInvalid)
            }
            Failure::Broken { written, read, reused, .. } => {
                let harmless = !read && self.has_whole_body() && (!written || self.can_be_sent_twice());
                if reused && harmless && !self.only_new_connection {
                    // closed at idle: not the instance's failure
                    self.only_new_connection = true;
                    return Ok(());
                }
                self.try_again(uid, harmless, Problem::UpstreamReset)
            }
        }
    }

    fn try_again(&mut self, uid: u64, harmless: bool, problem: Problem) -> Result<(), Problem> {
        self.core.tell(Fact::Failed(uid));
        self.attempts += 1;
        if !harmless || self.attempts >= MAX_ATTEMPTS || !self.route.budget.take(self.core.now()) {
            return Err(problem);
        }
        self.tried.push(uid);
        self.core.count_retry(&self.route, uid);
        Ok(())
    }

    /// Counts what an instance has answered.
    fn count(&mut self, answer: &Answer) {
        let us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let backend = answer.in_flight.backend();
        backend.counts().answered(answer.response.status().as_u16(), us);
        if let Some(record) = &mut self.record {
            let route = self.route.route.clone();
            record.note(|line, _| line.served_by(route, backend.backend.uid));
        }
    }

    fn pass(&mut self, answer: Answer) -> Result<Response<ResponseBody>, Problem> {
        self.count(&answer);
        let Answer { response, upstream, in_flight } = answer;
        let (mut head, incoming) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            if !self.wants_upgrade {
                return Err(Problem::UpstreamInvalid);
            }
            let Link::Own(upstream) = upstream else { return Err(Problem::UpstreamInvalid) };
            let protocol = websocket::protocol(&head.headers);
            head.headers.insert(REQUEST_ID, self.id.clone());
            *self.session.upgraded.borrow_mut() = Some(Upgraded { upstream, in_flight, protocol });
            return Ok(Response::from_parts(
                head,
                ResponseBody::own(&self.core, &self.session, Bytes::new()),
            ));
        }
        request_head::remove_hop_by_hop(&mut head.headers);
        head.headers.insert(REQUEST_ID, self.id.clone());
        // as HTTP towards the client says it, whichever the instance speaks
        head.version = Version::HTTP_11;
        if let Some(body) = &self.body {
            body.keep_no_longer();
        }
        let unit = stream_end::unit(&head.headers, &self.route.route.endless_types);
        let backend = in_flight.backend_rc();
        let mut body = PassedBody {
            core: self.core.clone(),
            session: self.session.clone(),
            incoming,
            source: Some(Source { upstream, in_flight }),
            request: self.body.take(),
            broken: None,
        };
        if body.is_end_stream() {
            body.finish();
        }
        let body = match unit {
            None => ResponseBody::Passed(body),
            Some(unit) => {
                let count = move |ending| {
                    let counts = backend.counts();
                    match ending {
                        Ending::Whole => counts.streams_ended.add(1),
                        Ending::Broken => counts.cut.add(1),
                    }
                };
                let draining = Box::pin(self.session.clone().draining());
                let endless =
                    Endless::new(body, unit, draining as _, Draining::share(), Box::new(count) as _);
                ResponseBody::Endless(Box::new(endless))
            }
        };
        Ok(Response::from_parts(head, body))
    }
}

/// An answer's head, with the connection that brings its body.
struct Answer {
    response: Response<Incoming>,
    upstream: Link,
    in_flight: InFlight,
}
