//! Responses that the proxy makes itself, when it has none of an instance to pass on: a page for people, a problem
//! document (RFC 9457) for programs. They say what the client can use, and nothing of what is behind the proxy.

mod accept;
mod maintenance;
mod page;
mod problem;

pub(crate) use maintenance::MaintenanceAnswer;
pub use problem::Problem;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY};
use hyper::{HeaderMap, Response};

/// Names the problem in one word, for programs and logs.
pub const ERROR_HEADER: HeaderName = HeaderName::from_static("x-bellrock-error");

/// The answer to a request with these headers. The body of the answer to HEAD is not sent, but its length is told: by hyper
/// over HTTP/1.1, by the connection's streams over HTTP/2.
pub fn answer(problem: Problem, request: &HeaderMap, request_id: Option<&str>) -> Response<Bytes> {
    let (content_type, body) = if accept::prefers_json(request) {
        ("application/problem+json", page::json(problem, request_id))
    } else {
        ("text/html; charset=utf-8", page::html(problem, request_id))
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = problem.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    headers.insert(ERROR_HEADER, HeaderValue::from_static(problem.word()));
    if let Some(seconds) = problem.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.closes() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The bytes of an answer for a connection on which no request could be read: HTTP/1.1, closing.
pub fn raw_answer(problem: Problem) -> Vec<u8> {
    let response = answer(problem, &HeaderMap::new(), None);
    let mut bytes = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", problem.status(), response.body().len())
        .into_bytes();
    for (name, value) in response.headers().iter().filter(|(name, _)| *name != CONNECTION) {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    bytes.extend_from_slice(response.body());
    bytes
}

#[cfg(test)]
mod tests;
