//! The streams of a connection: their tasks and sessions, and how many the client has given up.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use hyper::rt::Executor;
use hyper::{Method, Request, Response};

use super::body::StreamBody;
use crate::core::Core;
use crate::exchange;
use crate::response_body::ResponseBody;
use crate::session::{Order, Session};

/// Requests that the client has given up before their answer, from which on it is asked how many they are of all,
const MAX_GIVEN_UP: u64 = 100;
/// and which share ends the connection: one of so many. Each has cost an instance work (CVE-2023-44487).
const GIVEN_UP_OF: u64 = 2;

/// The streams of one connection. Clones are the same.
#[derive(Clone)]
pub(super) struct Streams(Rc<Connection>);

struct Connection {
    core: Rc<Core>,
    session: Rc<Session>,
    /// Made for a request that was just taken, until its task begins: HTTP asks for both one after the other.
    opened: RefCell<Option<Stream>>,
    requests: Cell<u64>,
    given_up: Cell<u64>,
}

/// Known to the core as long as it lives.
struct Stream {
    connection: Rc<Connection>,
    session: Rc<Session>,
    number: u64,
    answered: Rc<Cell<bool>>,
}

impl Streams {
    pub(super) fn new(core: Rc<Core>, session: Rc<Session>) -> Self {
        Self(Rc::new(Connection {
            core,
            session,
            opened: RefCell::default(),
            requests: Cell::new(0),
            given_up: Cell::new(0),
        }))
    }

    /// Answers a request, within the task that [`Executor::execute`] makes of it.
    pub(super) fn serve(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<StreamBody>, Infallible>> + use<> {
        let stream = Stream::open(&self.0);
        let (session, answered, core) =
            (stream.session.clone(), stream.answered.clone(), self.0.core.clone());
        *self.0.opened.borrow_mut() = Some(stream);
        let is_head = request.method() == Method::HEAD;
        async move {
            let mut response = exchange::serve(core.clone(), session.clone(), request).await?;
            answered.set(true);
            if is_head {
                response = without_content(response, &core, &session);
            }
            Ok(response.map(|body| StreamBody::new(body, core, session)))
        }
    }
}

/// The answer to HEAD (RFC 9110, 9.3.2): over HTTP/2, unlike HTTP/1.1, hyper sends whatever body it is given.
fn without_content(
    mut response: Response<ResponseBody>,
    core: &Rc<Core>,
    session: &Rc<Session>,
) -> Response<ResponseBody> {
    let body = response.body();
    // The body of an instance's answer to HEAD has ended, and its head says how long the content would be.
    if !body.is_end_stream()
        && let Some(length) = body.size_hint().exact()
    {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    response.map(|_| ResponseBody::own(core, session, Bytes::new()))
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let stream = self.0.opened.borrow_mut().take();
        tokio::task::spawn_local(async move {
            match stream {
                Some(stream) => stream.run(future).await,
                None => drop(future.await),
            }
        });
    }
}

impl Stream {
    fn open(connection: &Rc<Connection>) -> Self {
        let session = Rc::new(Session::stream(&connection.session, connection.core.now()));
        let number = connection.core.add(&session);
        connection.requests.set(connection.requests.get() + 1);
        Self { connection: connection.clone(), session, number, answered: Rc::default() }
    }

    /// Until it ends, or is cut: then what is dropped resets the stream.
    async fn run<F: Future>(self, future: F) {
        let mut future = pin!(future);
        poll_fn(|cx| {
            self.session.register(cx.waker());
            if self.session.ordered() == Order::Cut {
                return Poll::Ready(());
            }
            future.as_mut().poll(cx).map(drop)
        })
        .await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.core.remove(self.number);
        self.session.end_stream(connection.core.now());
        if !self.answered.get() && self.session.ordered() != Order::Cut {
            connection.count_given_up();
        }
    }
}

impl Connection {
    fn count_given_up(&self) {
        let given_up = self.given_up.get() + 1;
        self.given_up.set(given_up);
        if given_up >= MAX_GIVEN_UP && given_up.saturating_mul(GIVEN_UP_OF) >= self.requests.get() {
            self.session.order(Order::Cut);
        }
    }
}
