//! An answer that goes on for as long as something runs in a node: one JSON text a line.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use serde::Serialize;

/// The answer that these lines make. What runs ends with the stream, whoever drops it.
pub(super) fn answer(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(lines.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

/// One line of it.
pub(super) fn line(line: &impl Serialize) -> Bytes {
    let mut text = serde_json::to_vec(line).expect("it is made of texts and numbers");
    text.push(b'\n');
    Bytes::from(text)
}
