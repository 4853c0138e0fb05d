//! A connection to the server, and one request after another on it.

use std::convert::Infallible;
use std::error::Error as _;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::client::Client;
use super::fault::Fault;
use super::loss::Connection;
use super::watched::{Trace, Watched};

/// What a request's body is here.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Answers longer than this are wrong.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// How the proxy marks answers that it made itself.
const PROXY_ERROR: &str = "x-bellrock-error";

/// An answer that came whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<Body>,
    trace: Arc<Trace>,
    host: HeaderValue,
    number: u64,
    local_port: u16,
    requests: u64,
}

/// What a request got so far, also when its time is over.
#[derive(Debug, Default)]
pub(super) struct Progress {
    received_bytes: u64,
}

impl Progress {
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }
}

impl Link {
    /// Connects.
    pub(super) async fn open(client: &Client) -> Result<Link, Fault> {
        let within = client.plan.connect_within;
        let failed = |error: io::Error| Fault::Connect { cause: error.to_string() };
        let stream = tokio::time::timeout(within, TcpStream::connect(client.plan.target))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let local_port = stream.local_addr().map_err(failed)?.port();
        let (stream, trace) = Watched::new(stream);
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Fault::Connect { cause: error.to_string() })?;
        // its errors reach us through the request that they end
        tokio::spawn(async move { connection.with_upgrades().await.ok() });
        let number = client.tally.connected();
        Ok(Link { sender, trace, host: client.host.clone(), number, local_port, requests: 0 })
    }

    /// Whether the server has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether a request was sent on it before the one under way.
    pub(super) fn is_reused(&self) -> bool {
        self.requests > 1
    }

    /// Whether the other side reset it.
    pub(super) fn was_reset(&self) -> bool {
        self.trace.was_reset()
    }

    /// For the report.
    pub(super) fn connection(&self) -> Connection {
        Connection { number: self.number, local_port: self.local_port, request: self.requests }
    }

    /// Waits until the next request may be sent; false when there will be none.
    pub(super) async fn is_ready_again(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// GET, until the whole answer has come.
    pub(super) async fn get(&mut self, target: &str, progress: &mut Progress) -> Result<Answer, Fault> {
        let body = Empty::new().boxed_unsync();
        self.exchange(Method::GET, target, &[], body, progress).await
    }

    /// One request and the whole answer.
    pub(super) async fn exchange(
        &mut self,
        method: Method,
        target: &str,
        headers: &[(&'static str, &'static str)],
        body: Body,
        progress: &mut Progress,
    ) -> Result<Answer, Fault> {
        let response = self.begin(method, target, headers, body).await?;
        let by_proxy = proxy_error(&response);
        let status = response.status();
        let body = self.read_body(response.into_body(), progress).await?;
        match by_proxy {
            Some(fault) => Err(fault),
            None => Ok(Answer { status, body }),
        }
    }

    /// One request, and the head of its answer.
    pub(super) async fn begin(
        &mut self,
        method: Method,
        target: &str,
        headers: &[(&'static str, &'static str)],
        body: Body,
    ) -> Result<Response<Incoming>, Fault> {
        let mut request = Request::builder().method(method).uri(target).header(HOST, &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| Fault::Garbled { cause: error.to_string() })?;
        self.requests += 1;
        let read_before = self.trace.read();
        self.sender.send_request(request).await.map_err(|error| self.head_fault(&error, read_before))
    }

    /// The next piece of a body; none at its proper end.
    pub(super) async fn next_piece(
        &self,
        body: &mut Incoming,
        progress: &mut Progress,
    ) -> Result<Option<Bytes>, Fault> {
        loop {
            let Some(frame) = body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| self.body_fault(&error, progress))?;
            // trailers say nothing here
            if let Ok(data) = frame.into_data() {
                progress.received_bytes += data.len() as u64;
                return Ok(Some(data));
            }
        }
    }

    async fn read_body(&self, mut body: Incoming, progress: &mut Progress) -> Result<Bytes, Fault> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next_piece(&mut body, progress).await? {
            whole.extend_from_slice(&piece);
            if whole.len() > LONGEST_ANSWER {
                return Err(Fault::Wrong { detail: format!("longer than {LONGEST_ANSWER} bytes") });
            }
        }
        Ok(Bytes::from(whole))
    }

    fn head_fault(&self, error: &hyper::Error, read_before: u64) -> Fault {
        let cause = cause_of(error);
        let received_bytes = self.trace.read() - read_before;
        if error.is_parse() {
            Fault::Garbled { cause }
        } else if received_bytes > 0 {
            // a head that broke off: none of its bytes are the body's
            Fault::Cut { received_bytes: 0, reset: self.was_reset(), cause: format!("in the head: {cause}") }
        } else {
            Fault::NoAnswer { reset: self.was_reset(), cause }
        }
    }

    fn body_fault(&self, error: &hyper::Error, progress: &Progress) -> Fault {
        let cause = cause_of(error);
        // hyper tells a wrong chunk size as a body error with invalid data or input below it
        if error.is_parse() || io_kind(error).is_some_and(is_about_content) {
            return Fault::Garbled { cause };
        }
        Fault::Cut { received_bytes: progress.received_bytes, reset: self.was_reset(), cause }
    }
}

/// What the proxy says about an answer that it made itself.
pub(super) fn proxy_error<T>(response: &Response<T>) -> Option<Fault> {
    let word = response.headers().get(PROXY_ERROR)?;
    let word = String::from_utf8_lossy(word.as_bytes()).into_owned();
    Some(Fault::Proxy { status: response.status().as_u16(), word })
}

fn io_kind(error: &hyper::Error) -> Option<io::ErrorKind> {
    error.source()?.downcast_ref::<io::Error>().map(io::Error::kind)
}

fn is_about_content(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
}

fn cause_of(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
